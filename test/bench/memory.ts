import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "../endtoend/cli.js";

/** Peak resident memory, in MiB, of a one-shot backup of the tables that `include` names; from /proc, so Linux only. */
export async function peakMemory(
  server: { host: string; port: number },
  include: string,
  scratch: string[],
): Promise<number> {
  const repo = await mkdtemp(join(tmpdir(), "thinkback-bench-"));
  scratch.push(repo);
  const source = `rethinkdb://${server.host}:${server.port}`;
  const run = start(["run", "--once", "--source", source, "--repo", repo, "--include", include]);
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
  if (status !== 0) throw new Error(`thinkback run ended with ${status}: ${stderr}`);
  return peakKib / 1024;
}
