/** What a process does again and again: maintenance and drills. */
import { systemClock } from "../clock.js";
import type { Repository } from "../format/description.js";
import type { Facts } from "../health/facts.js";
import { parseKeep } from "../repository/registers/keep-policy.js";
import { addInto, type StoreUse } from "../storage/store-use.js";
import { type CronTimes, parseCron, parseFoldSchedule } from "../upkeep/schedule.js";
import { drillBeside, maintainBeside } from "./beside.js";
import { type Access, addressesOf, isGiven } from "./connect.js";
import type { Log } from "./log.js";
import { durationOption } from "./maintenance-options.js";
import type { RunArguments } from "./run-arguments.js";

/** How often maintenance looks for what is due: a round costs two puts and some listings even if nothing is. */
const maintainEveryMs = 300_000;
const maintainEveryChargedMs = 1_800_000;
/** At most a day: no timer is set for longer. */
const maintainEveryMsMax = 86_400_000;

/**
 * How often maintenance runs beside the capture, and when drills do. Throws for bad options, before anything begins.
 */
export function besideOptions(args: RunArguments): {
  everyMs: number | undefined;
  times: CronTimes | undefined;
} {
  const { drillAt, maintainEvery, grace, keep } = args;
  const access = drillAccess(args);
  if (isGiven(access)) addressesOf(access, "target");
  if (keep !== undefined) parseKeep(keep);
  parseFoldSchedule(args);
  durationOption("--grace", grace);
  const everyMs =
    maintainEvery === undefined
      ? undefined
      : durationOption("--maintain-every", maintainEvery, 1000, maintainEveryMsMax);
  return { everyMs, times: drillAt === undefined ? undefined : parseCron(drillAt, "--drill-at") };
}

/** How the server is reached on which drills are made, as far as the options say it. */
export function drillAccess({ drillTarget, drillTargetFile }: RunArguments): Access {
  return { urls: drillTarget?.trim().split(/\s+/) ?? [], file: drillTargetFile };
}

interface Beside {
  facts: Facts;
  /** Throws if the repository must be left alone now. */
  check: () => Promise<void>;
  /** False while another process does this. */
  isOurs: () => boolean;
  /** What all of this process has sent to the repository's store. */
  use: StoreUse;
}

/** Runs maintenance and drills beside the capture until the signal aborts; nothing beside a one-shot backup. */
export function goingOnBeside(
  args: RunArguments,
  { everyMs: given, times }: ReturnType<typeof besideOptions>,
  { store, facts, check, isOurs, use }: Pick<Repository, "store"> & Beside,
  log: Log,
  signal: AbortSignal,
): Promise<unknown> {
  const tasks: Promise<void>[] = [];
  const told = { facts, isOurs, check, onRequests: (sent: StoreUse) => addInto(use, sent) };
  if (args.fold && !args.once) {
    const everyMs = given ?? (store.chargesRequests ? maintainEveryChargedMs : maintainEveryMs);
    tasks.push(maintainBeside(args, everyMs, told, systemClock, log, signal));
  }
  if (times && !args.once) {
    tasks.push(drillBeside(args, times, told, systemClock, log, signal));
  }
  return Promise.all(tasks);
}
