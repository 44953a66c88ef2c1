import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** A running `thinkback` process. */
export interface Running {
  process: ChildProcess;
  /** Resolves when it has ended. */
  finished: Promise<Finished>;
  stdout(): string;
  stderr(): string;
}

/** Starts the built CLI as a process of its own. */
export function start(args: string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes: Buffer) => {
    stdout += bytes.toString();
  });
  child.stderr.on("data", (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
  return { process: child, finished, stdout: () => stdout, stderr: () => stderr };
}

/** Runs the built CLI to its end. */
export function cli(args: string[], env: Record<string, string> = {}): Promise<Finished> {
  return start(args, env).finished;
}

/** Runs the CLI with --json and returns its result; throws with its errors if it fails. */
export async function cliJson<T>(args: string[]): Promise<T> {
  const { status, stdout, stderr } = await cli(["--json", ...args]);
  if (status !== 0) throw new Error(`thinkback ${args[0]} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

export interface Interval {
  from: string;
  to: string;
  class: string;
  reason?: string;
  /** Of late ones. */
  lateMs?: number;
}

/** Of the catalog or access. */
interface SystemResult {
  frontier: string | null;
  behindMs: number;
  intervals: Interval[];
}

export interface StatusResult {
  restorableUntil: string | null;
  lastSegment: string | null;
  catalog: SystemResult | null;
  access: SystemResult | null;
  missingServers: string[];
  tables: {
    id: string;
    name: string;
    state: string;
    /** Null unless a defect has stopped it. */
    stopped: { since: string; reason: string } | null;
    documents: number | null;
    documentsExact: boolean;
    firstRestorable: string | null;
    lastRestorable: string | null;
    intervals: Interval[];
  }[];
}

export function status(repo: string): Promise<StatusResult> {
  return cliJson<StatusResult>(["status", "--repo", repo]);
}

/** Polls the status of the repository until `holds`; throws after `limitMs`. */
export async function untilStatus(
  repo: string,
  holds: (status: StatusResult) => boolean | Promise<boolean>,
  limitMs = 60_000,
): Promise<StatusResult> {
  const deadline = performance.now() + limitMs;
  let last = "";
  while (performance.now() < deadline) {
    try {
      const now = await status(repo);
      if (await holds(now)) return now;
      last = JSON.stringify(now);
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`the repository did not come to the state waited for; last: ${last}`);
}
