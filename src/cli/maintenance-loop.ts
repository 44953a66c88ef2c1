/**
 * Maintenance beside a capture: every so often one round of `thinkback maintain` in a process of its own, at a low
 * priority, so that it takes neither time nor memory from the ticks.
 */
import { spawn } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Log } from "./log.js";
import type { MaintainArguments } from "./maintain.js";

/** Lower than that of the capture. */
const niceness = 10;

const program = fileURLToPath(new URL("./main.js", import.meta.url));

/** Runs rounds until the signal aborts. A round that fails is told; the next one finds what it left undone. */
export async function maintainBeside(
  args: MaintainArguments,
  everyMs: number,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      log.info(JSON.parse(await round(args, signal)) as object, "the repository was maintained");
    } catch (error) {
      if (!signal.aborted) log.warn({ error: messageOf(error) }, "maintenance failed");
    }
  }
}

/** What the round printed. Rejects with what it said if it failed. */
function round(args: MaintainArguments, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, "maintain", "--json", ...optionsOf(args)], {
      stdio: ["ignore", "pipe", "pipe"],
      signal,
    });
    const printed = { stdout: "", stderr: "" };
    child.stdout.on("data", (text: Buffer) => (printed.stdout += text.toString()));
    child.stderr.on("data", (text: Buffer) => (printed.stderr += text.toString()));
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      if (code === 0) resolve(printed.stdout);
      else reject(new Error(printed.stderr.trim() || `it ended with ${code ?? killedBy}`));
    });
    if (child.pid !== undefined) lowerPriority(child.pid);
  });
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // Where the system does not permit it, or the process is gone, it runs as it is.
  }
}

function optionsOf(args: MaintainArguments): string[] {
  const options: Record<string, string | undefined> = {
    "--repo": args.repo,
    "--keep": args.keep,
    "--fold-every": args.foldEvery,
    "--fold-at": args.foldAt,
    "--restore-within": args.restoreWithin,
    "--grace": args.grace,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return [
    ...given.flatMap(([name, value]) => [name, value!]),
    ...(args.delete ? [] : ["--no-delete"]),
  ];
}
