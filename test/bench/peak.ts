import { readFile } from "node:fs/promises";
import { start } from "../endtoend/cli.js";

/** Runs the CLI to its end; its peak resident memory in MiB, from /proc, so Linux only. */
export async function peakOf(args: string[], env: Record<string, string> = {}): Promise<number> {
  const run = start(args, env);
  let peakKib = 0;
  let running = true;
  const finished = run.finished.then((result) => {
    running = false;
    return result;
  });
  while (running) {
    // The process may end between the check and the read: then the last reading stands.
    const status = await readFile(`/proc/${run.process.pid}/status`, "utf8").catch(() => "");
    const peak = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
    if (peak !== undefined) peakKib = Number(peak);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { status, stderr } = await finished;
  if (status !== 0) throw new Error(`thinkback ${args[0]} ended with ${status}: ${stderr}`);
  return peakKib / 1024;
}
