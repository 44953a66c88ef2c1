/** When to fold: by how long a restore would take, by the time since the last fold, and by the calendar. */
import { Cron } from "croner";
import { messageOf, ThinkbackError } from "../errors.js";
import { durationMs, formatInstant, type Instant } from "../instant.js";
import type { Rates } from "../repository/registers/rates.js";

/** What is asked of folding. Each part may be absent. */
export interface FoldSchedule {
  /** A restore to now may take at most so long. */
  objectiveMs: number | undefined;
  /** At most so much time may lie between the begins of two folds. */
  everyMs: number | undefined;
  /** Times of the calendar, in UTC, at which to fold. */
  cron: CronTimes | undefined;
}

/** A cron expression. */
export interface CronTimes {
  text: string;
  /** The first of its times after `instant`; Infinity if there is none. */
  next(instant: Instant): Instant;
}

/** The schedule of --restore-within, --fold-every and --fold-at; throws, with code "usage", if one cannot be read. */
export function parseFoldSchedule(options: {
  restoreWithin?: string | undefined;
  foldEvery?: string | undefined;
  foldAt?: string | undefined;
}): FoldSchedule {
  const { restoreWithin, foldEvery, foldAt } = options;
  return {
    objectiveMs: optionalDuration("--restore-within", restoreWithin, 1000),
    everyMs: optionalDuration("--fold-every", foldEvery, 60_000),
    cron: foldAt === undefined ? undefined : parseCron(foldAt),
  };
}

function optionalDuration(
  option: string,
  text: string | undefined,
  leastMs: number,
): number | undefined {
  if (text === undefined) return undefined;
  const ms = durationMs(text);
  if (ms !== undefined && ms >= leastMs) return ms;
  throw new ThinkbackError("usage", `${option} ${text} cannot be read`, {
    hint: `give a duration of at least ${spoken(leastMs)}, such as 5m or 1h30m`,
  });
}

/** Reads minute, hour, day of the month, month and day of the week, in UTC. */
export function parseCron(text: string, option = "--fold-at"): CronTimes {
  const refuse = (why: string, cause?: unknown) =>
    new ThinkbackError("usage", `${option} "${text}" cannot be read: ${why}`, {
      hint: 'give five fields, in UTC: minute, hour, day of the month, month, day of the week, such as "0 3 * * *"',
      cause,
    });
  if (text.trim().split(/\s+/).length !== 5) throw refuse("it does not have five fields");
  let cron: Cron;
  try {
    cron = new Cron(text, { mode: "5-part", timezone: "UTC" });
  } catch (error) {
    throw refuse(messageOf(error), error);
  }
  const next = (instant: Instant) => cron.nextRun(new Date(instant))?.getTime();
  if (next(0) === undefined) throw refuse("it matches no day");
  return { text, next: (instant) => next(instant) ?? Number.POSITIVE_INFINITY };
}

/** What a restore to now would have to do, and how fast restores are. */
export interface RestoreLoad {
  documents: number;
  /** Bytes of their JSON text. */
  documentBytes: number;
  /** Bytes of the log's lines that lie on top of the base. */
  logBytes: number;
  rates: Rates;
}

/** What storing a document costs a server besides its bytes, as a number of bytes that cost as much. */
const documentWorkBytes = 1000;

/** The work of restoring documents, in bytes. A small document costs more than its size. */
export function restoreWork(documents: number, documentBytes: number): number {
  return documents * documentWorkBytes + documentBytes;
}

/** How long a restore to now would take, in milliseconds. */
export function estimateRestore({
  documents,
  documentBytes,
  logBytes,
  rates,
}: RestoreLoad): number {
  const writing = restoreWork(documents, documentBytes) / rates.restoreBytesPerSecond;
  return (logBytes / rates.mergeBytesPerSecond + writing) * 1000;
}

/**
 * An objective that can be met, in ms: 1.5 times what the documents alone take, and a minute, rounded up to minutes. A
 * lower one would be missed again soon after a fold.
 */
export function proposedObjective(load: RestoreLoad): number {
  const minuteMs = 60_000;
  const documentsMs = estimateRestore({ ...load, logBytes: 0 });
  return Math.ceil((1.5 * documentsMs + minuteMs) / minuteMs) * minuteMs;
}

export interface FoldSituation extends FoldSchedule {
  now: Instant;
  /** When the last fold began; before the first fold, when there was first something to fold. */
  lastFold: Instant;
  /** How long a restore to now would take, and how long it would take right after a fold, without any log. */
  estimateMs: number;
  foldedEstimateMs: number;
}

export interface FoldDecision {
  due: boolean;
  /** Why, in plain words. */
  reason: string;
}

/** Whether to fold now. */
export function foldDue(situation: FoldSituation): FoldDecision {
  const { now, lastFold, everyMs, cron } = situation;
  const byObjective = objectiveDue(situation);
  if (byObjective?.due) return byObjective;
  const sinceMs = Math.max(0, now - lastFold);
  if (everyMs !== undefined && sinceMs >= everyMs) {
    const reason = `the last fold began ${spoken(sinceMs)} ago, and one is wanted every ${spoken(everyMs)}`;
    return { due: true, reason };
  }
  const at = cron?.next(lastFold);
  if (at !== undefined && at <= now) {
    return { due: true, reason: `a fold was due at ${formatInstant(at)} (${cron?.text})` };
  }
  if (byObjective) return byObjective;
  const next = Math.min(everyMs === undefined ? Infinity : lastFold + everyMs, at ?? Infinity);
  const reason = Number.isFinite(next)
    ? `the next fold is due at ${formatInstant(next)}`
    : "no schedule of folds is set";
  return { due: false, reason };
}

/**
 * Whether the objective asks for a fold; undefined if there is no objective. A fold that would miss the objective, or
 * meet it by less than a tenth, is due only if it gains at least a tenth of the objective.
 */
function objectiveDue(situation: FoldSituation): FoldDecision | undefined {
  const { estimateMs, foldedEstimateMs, objectiveMs } = situation;
  if (objectiveMs === undefined) return undefined;
  const takes = `a restore would take ${about(estimateMs)}`;
  if (estimateMs <= objectiveMs) {
    return { due: false, reason: `${takes}, which is within ${spoken(objectiveMs)}` };
  }
  const leastGainMs = objectiveMs / 10;
  if (foldedEstimateMs <= objectiveMs - leastGainMs) {
    return { due: true, reason: `${takes}, longer than ${spoken(objectiveMs)}` };
  }
  // Otherwise tables whose documents alone take that long would be folded again and again.
  const gain = `${takes}, and ${about(foldedEstimateMs)} after a fold; ${spoken(objectiveMs)} is asked for`;
  return { due: estimateMs - foldedEstimateMs >= leastGainMs, reason: gain };
}

const parts = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
] as const;

/** Words for an estimate: "about 5 min", or "less than 1 s". */
function about(ms: number): string {
  return Math.round(ms / 1000) === 0 ? spoken(ms) : `about ${spoken(ms)}`;
}

/** "2 d 3 h", "5 min", "12 s": the largest unit that is not 0, and the next smaller one unless that is 0. */
function spoken(ms: number): string {
  let rest = Math.round(ms / 1000) * 1000;
  const words: string[] = [];
  for (const [unit, name] of parts) {
    const count = Math.floor(rest / unit);
    if (count > 0 && words.length < 2) words.push(`${count} ${name}`);
    rest -= count * unit;
    if (words.length > 0 && count === 0) break;
  }
  return words.length === 0 ? "less than 1 s" : words.join(" ");
}
