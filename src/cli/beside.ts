/**
 * Runs maintenance and drills beside a capture, each in a process of its own at a low priority, so that they take
 * neither time nor memory from the ticks.
 */
import type { Clock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Facts } from "../health/facts.js";
import type { StoreUse } from "../storage/store-use.js";
import type { CronTimes } from "../upkeep/schedule.js";
import { configIn, keysOf, runChild } from "./child-command.js";
import type { KeyArguments } from "./keyed.js";
import type { Log } from "./log.js";
import type { MaintainArguments } from "./maintain.js";

/** At most a day: no timer is set for longer. */
const dayMs = 86_400_000;

/** The result of a round, as far as it matters here. */
interface Round {
  damaged?: unknown[];
}

export interface Beside {
  /** Is told how rounds and drills end. */
  facts: Facts;
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
  { facts, isOurs, check, onRequests }: Beside,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  facts.work("maintenance").everyMs = everyMs;
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    if (!isOurs()) continue;
    try {
      await check();
      const done = await runChild(["maintain", ...optionsOf(args)], {
        signal,
        environment: configIn(args),
      });
      const { lanes, requests, ...one } = done as { lanes?: Round[]; requests: StoreUse } & Round;
      onRequests(requests);
      facts.succeeded("maintenance");
      const isDamaged = (lanes ?? [one]).some(({ damaged = [] }) => damaged.length > 0);
      if (!isDamaged) log.info(done, "the repository was maintained");
      else log.warn(done, "the repository was maintained, but objects that it needs are missing");
    } catch (error) {
      if (signal.aborted) return;
      facts.failed("maintenance", error);
      log.warn(fieldsOf(error), "maintenance failed");
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
  { facts, isOurs, onRequests }: Omit<Beside, "check">,
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
      const expect = args.expect === undefined ? [] : ["--expect", args.expect];
      const drill = ["drill", "--repo", args.repo, ...expect, ...keysOf(args)];
      const done = (await runChild(drill, { signal, environment })) as { requests?: StoreUse };
      if (done.requests) onRequests(done.requests);
      facts.succeeded("drill");
      log.info(done, "a drill was made");
    } catch (error) {
      if (signal.aborted) return;
      facts.failed("drill", error);
      log.error(fieldsOf(error), "a drill failed");
    }
  }
}

/** Which server a drill beside a capture is made on; that of the environment or the file if none is named here. */
interface DrillsBeside extends KeyArguments {
  repo: string;
  drillTarget?: string;
  drillTargetFile?: string;
  expect?: string;
  config?: string;
}

/** Passed in the environment: the address may hold a password, and other users see command lines. */
function targetIn({ drillTarget, drillTargetFile }: DrillsBeside): Record<string, string> {
  if (drillTarget === undefined && drillTargetFile === undefined) return {};
  // An empty variable counts as one that is not set.
  return { THINKBACK_TARGET: drillTarget ?? "", THINKBACK_TARGET_FILE: drillTargetFile ?? "" };
}

/** The fields that the log shows of an error. */
function fieldsOf(error: unknown): object {
  const { code, hint } = error instanceof ThinkbackError ? error : {};
  return { error: messageOf(error), code, hint };
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
