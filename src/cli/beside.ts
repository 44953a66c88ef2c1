/**
 * Runs maintenance and drills beside a capture, each in a process of its own at a low priority, so that they take
 * neither time nor memory from the ticks.
 */
import { spawn } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { Clock } from "../clock.js";
import { type ErrorCode, exitStatus, messageOf, ThinkbackError } from "../errors.js";
import type { StoreUse } from "../storage/store-use.js";
import type { CronTimes } from "../upkeep/schedule.js";
import type { KeyArguments } from "./keyed.js";
import type { Log } from "./log.js";
import type { MaintainArguments } from "./maintain.js";

/** Gives a lower priority than the capture has. */
const niceness = 10;

/** At most a day: no timer is set for longer. */
const dayMs = 86_400_000;

/** The result of a round, as far as it matters here. */
interface Round {
  damaged?: unknown[];
}

const program = fileURLToPath(new URL("./main.js", import.meta.url));

export interface Beside {
  /** False while another process does this. */
  isOurs: () => boolean;
  /** Throws if the repository must be left alone now. */
  check: () => Promise<void>;
  /** Told what a round has sent to the repository's store. */
  onRequests: (sent: StoreUse) => void;
}

/** Runs rounds of maintenance until the signal aborts. A round does what a failed one before it left undone. */
export async function maintainBeside(
  args: MaintainArguments & { config?: string },
  everyMs: number,
  { isOurs, check, onRequests }: Beside,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    if (!isOurs()) continue;
    try {
      await check();
      const done = await runBeside(["maintain", ...optionsOf(args)], signal, configIn(args));
      const { lanes, requests, ...one } = done as { lanes?: Round[]; requests: StoreUse } & Round;
      onRequests(requests);
      const isDamaged = (lanes ?? [one]).some(({ damaged = [] }) => damaged.length > 0);
      if (!isDamaged) log.info(done, "the repository was maintained");
      else log.warn(done, "the repository was maintained, but objects that it needs are missing");
    } catch (error) {
      if (!signal.aborted) log.warn(fieldsOf(error), "maintenance failed");
    }
  }
}

/**
 * Runs a drill at each of the times that a cron expression gives, until the signal aborts.
 * @param beside its `isOurs` is false while another process makes the drills
 */
export async function drillBeside(
  args: DrillsBeside,
  times: CronTimes,
  { isOurs, onRequests }: Pick<Beside, "isOurs" | "onRequests">,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const environment = { ...targetIn(args), ...configIn(args) };
  for (;;) {
    const now = clock.now();
    const next = times.next(now);
    await clock.sleep(Math.min(dayMs, Math.max(1, next - now)), signal).catch(() => undefined);
    if (signal.aborted) return;
    if (clock.now() < next || !isOurs()) continue;
    try {
      const drill = ["drill", "--repo", args.repo, ...keysOf(args)];
      const done = (await runBeside(drill, signal, environment)) as { requests?: StoreUse };
      if (done.requests) onRequests(done.requests);
      log.info(done, "a drill was made");
    } catch (error) {
      if (!signal.aborted) log.error(fieldsOf(error), "a drill failed");
    }
  }
}

/** Which server a drill beside a capture is made on; that of the environment or the file if none is named here. */
interface DrillsBeside extends KeyArguments {
  repo: string;
  drillTarget?: string;
  drillTargetFile?: string;
  config?: string;
}

/** The keys of the capture: names of files, and no secrets. */
function keysOf({ identity = [], trust = [] }: KeyArguments): string[] {
  return [
    ...identity.flatMap((file) => ["--identity", file]),
    ...trust.flatMap((key) => ["--trust", key]),
  ];
}

/** Passed in the environment: the address may hold a password, and other users see command lines. */
function targetIn({ drillTarget, drillTargetFile }: DrillsBeside): Record<string, string> {
  if (drillTarget === undefined && drillTargetFile === undefined) return {};
  // An empty variable counts as one that is not set.
  return { THINKBACK_TARGET: drillTarget ?? "", THINKBACK_TARGET_FILE: drillTargetFile ?? "" };
}

/** The file that the capture was configured by, wherever it was named. */
function configIn({ config }: { config?: string }): Record<string, string> {
  return config === undefined ? {} : { THINKBACK_CONFIG: config };
}

/** Runs a command in a process of its own. Resolves with its result; rejects with the error that it printed. */
function runBeside(
  args: string[],
  signal: AbortSignal,
  environment: Record<string, string> = {},
): Promise<object> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args, "--json"], {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      signal,
    });
    const printed = { stdout: "", stderr: "" };
    child.stdout.on("data", (text: Buffer) => (printed.stdout += text.toString()));
    child.stderr.on("data", (text: Buffer) => (printed.stderr += text.toString()));
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      if (code === 0) resolve(JSON.parse(printed.stdout) as object);
      else reject(errorIn(printed.stderr, `it ended with ${code ?? killedBy}`));
    });
    if (child.pid !== undefined) lowerPriority(child.pid);
  });
}

/**
 * The error that a command printed as JSON after its notes. If it printed none, an error with all that it did print.
 */
export function errorIn(stderr: string, otherwise: string): Error {
  const text = stderr.trim();
  try {
    const last = text.slice(text.lastIndexOf("\n") + 1);
    const { error } = JSON.parse(last) as {
      error: { code: ErrorCode; message: string; hint?: string };
    };
    const { code, message, hint } = error;
    if (code in exitStatus)
      return new ThinkbackError(code, message, hint === undefined ? {} : { hint });
  } catch {
    // The command ended before it could print an error.
  }
  return new Error(text || otherwise);
}

/** The fields that the log shows of an error. */
function fieldsOf(error: unknown): object {
  const { code, hint } = error instanceof ThinkbackError ? error : {};
  return { error: messageOf(error), code, hint };
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // The system does not permit it, or the process has ended: then its priority stays as it is.
  }
}

function optionsOf(args: MaintainArguments & KeyArguments): string[] {
  const options: Record<string, string | undefined> = {
    "--repo": args.repo,
    "--keep": args.keep,
    "--fold-every": args.foldEvery,
    "--fold-at": args.foldAt,
    "--restore-within": args.restoreWithin,
    "--grace": args.delete ? args.grace : undefined,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return [
    ...given.flatMap(([name, value]) => [name, value!]),
    ...(args.delete ? [] : ["--no-delete"]),
    // With --restore-within it says only how long ticks may be.
    ...(args.auto && args.restoreWithin === undefined ? ["--auto"] : []),
    ...(args.singleWriter ? ["--single-writer"] : []),
    ...keysOf(args),
  ];
}
