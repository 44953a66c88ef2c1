/** When new bases are due: by the clock, by a calendar, or because a restore to now would take too long. */
import { Cron } from "croner";
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import type { Rates } from "../repository/rates.js";

export interface Due {
  due: boolean;
  /** Why, or why not; for the log. */
  reason: string;
}

export interface FoldSchedule {
  now: Instant;
  /** The instant of the oldest base that the log has gone on from; undefined if it has gone on from none. */
  lastFold: Instant | undefined;
  /** How long a restore to now would take. */
  estimateMs: number;
  /** How long it may take, if that is declared. */
  objectiveMs?: number | undefined;
  /** New bases are made at least this often. */
  everyMs: number;
  /** A cron expression, in UTC. */
  cron?: string | undefined;
}

/** Milliseconds that a restore to now would take: documents are written, and the log since their base is merged. */
export function estimateRestore(load: {
  documentBytes: number;
  logBytes: number;
  rates: Rates;
}): number {
  const { restoreBytesPerSecond, mergeBytesPerSecond } = load.rates;
  return 1000 * (load.documentBytes / restoreBytesPerSecond + load.logBytes / mergeBytesPerSecond);
}

export function foldDue(schedule: FoldSchedule): Due {
  const { now, lastFold, estimateMs, objectiveMs, everyMs, cron } = schedule;
  if (lastFold === undefined) return { due: false, reason: "nothing has changed since the bases" };
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  if (now - lastFold >= everyMs) {
    const age = seconds(now - lastFold);
    return { due: true, reason: `the oldest base is ${age} old, and may be ${seconds(everyMs)}` };
  }
  const planned = cron === undefined ? undefined : nextTime(cron, lastFold);
  if (planned !== undefined && planned <= now) {
    return { due: true, reason: `planned for ${formatInstant(planned)}` };
  }
  if (objectiveMs !== undefined && estimateMs > objectiveMs) {
    const estimate = seconds(estimateMs);
    return {
      due: true,
      reason: `a restore to now would take ${estimate}, and may take ${seconds(objectiveMs)}`,
    };
  }
  return { due: false, reason: `a restore to now would take ${seconds(estimateMs)}` };
}

/** The first time after `instant` that a cron expression gives, in UTC; undefined if there is none. */
export function nextTime(cron: string, instant: Instant): Instant | undefined {
  try {
    return new Cron(cron, { timezone: "UTC" }).nextRun(new Date(instant))?.getTime();
  } catch (error) {
    throw new ThinkbackError("usage", `"${cron}" is not a cron expression`, {
      hint: 'give five fields, such as "0 3 * * *" for 03:00 every day (UTC)',
      cause: error,
    });
  }
}
