/** The class of an instant, by what the server says of the tables. Of what is in no interval it says "unwatched". */
import type { Coverage, Interval } from "../app/answers.js";

export type ClassName =
  | "exact"
  | "late"
  | "gap"
  | "damaged"
  | "unwatched"
  /** The history of then is thinned, and this instant is not one of those that are kept. */
  | "thinned"
  /** It is watched, and the proof of this instant has not come yet. */
  | "open";

export interface ClassAt {
  class: ClassName;
  lateMs?: number;
  /** Null if it is hidden from this role. */
  reason?: string | null;
  /** Of a gap, damage, or thinned history: the nearest instants around it that can be restored. */
  earlier?: number;
  later?: number;
}

interface Watched {
  state: string;
  intervals: Interval[];
}

const isWhole = ({ class: of }: Interval) => of === "exact" || of === "late";

/** Of a database that has only pins: no instant is kept but those. As the keep policy writes it. */
const pinsOnlyMs = 999_999_999_999;

/** The last instant at or before `at` that thinned history has on its grid. */
const gridBefore = (at: number, resolutionMs: number) =>
  resolutionMs === pinsOnlyMs
    ? Number.NEGATIVE_INFINITY
    : Math.floor((at + 1) / resolutionMs) * resolutionMs - 1;

/** The last instant of an interval at or before `at` that is kept; undefined if there is none. */
function keptBefore(interval: Interval, at: number): number | undefined {
  const [from, to] = [Date.parse(interval.from), Math.min(Date.parse(interval.to), at)];
  const { resolutionMs = 1, kept = [] } = interval;
  const among = [gridBefore(to, resolutionMs), ...kept.map((one) => Date.parse(one))];
  const found = Math.max(...among.filter((one) => from <= one && one <= to));
  return Number.isFinite(found) ? found : undefined;
}

/** The first one at or after `at`. */
function keptAfter(interval: Interval, at: number): number | undefined {
  const [from, to] = [Math.max(Date.parse(interval.from), at), Date.parse(interval.to)];
  const { resolutionMs = 1, kept = [] } = interval;
  const grid =
    resolutionMs === pinsOnlyMs
      ? Number.POSITIVE_INFINITY
      : gridBefore(from - 1, resolutionMs) + resolutionMs;
  const among = [grid, ...kept.map((one) => Date.parse(one))];
  const found = Math.min(...among.filter((one) => from <= one && one <= to));
  return Number.isFinite(found) ? found : undefined;
}

/** The class that an instant of a table, of the catalog or of access is of. */
export function classAt({ state, intervals }: Watched, at: number): ClassAt {
  const interval = intervals.find(({ from, to }) => Date.parse(from) <= at && at <= Date.parse(to));
  const found = classIn(interval, { state, intervals }, at);
  if (found.class === "exact" || found.class === "late" || found.class === "open") return found;
  const whole = intervals.filter(isWhole);
  const earlier = whole.map((one) => keptBefore(one, at)).findLast((one) => one !== undefined);
  const later = whole.map((one) => keptAfter(one, at)).find((one) => one !== undefined);
  return {
    ...found,
    ...(earlier === undefined ? {} : { earlier }),
    ...(later === undefined ? {} : { later }),
  };
}

function classIn(
  interval: Interval | undefined,
  { state, intervals }: Watched,
  at: number,
): ClassAt {
  const reason = interval?.reason === undefined ? {} : { reason: interval.reason };
  if (!interval) {
    const last = intervals.at(-1);
    const isOpen = state === "live" && last !== undefined && Date.parse(last.to) < at;
    return { class: isOpen ? "open" : "unwatched" };
  }
  if (isWhole(interval) && interval.resolutionMs !== undefined && keptBefore(interval, at) !== at)
    return { class: "thinned" };
  const { lateMs } = interval;
  return {
    class: interval.class as ClassName,
    ...reason,
    ...(lateMs === undefined ? {} : { lateMs }),
  };
}

type CoveredTable = Coverage["tables"][number];

/**
 * The table that a name stands for at an instant: of several that have or had the name, the one of which something is
 * known then; else the one that has it now, or had it last.
 */
export function tableCalled(
  tables: readonly CoveredTable[],
  name: string,
  at: number | undefined,
): CoveredTable | undefined {
  const named = tables.filter((one) => one.name === name);
  const isKnown = ({ intervals }: CoveredTable) =>
    at !== undefined &&
    intervals.some(({ from, to }) => Date.parse(from) <= at && at <= Date.parse(to));
  const isThere = ({ state }: CoveredTable) => state !== "dropped" && state !== "moved";
  return named.find(isKnown) ?? named.find(isThere) ?? named.at(-1);
}

/** The tables that a choice means: names of tables or of databases; all if there are none. */
export function namesChosen(tables: readonly CoveredTable[], chosen: readonly string[]): string[] {
  const names = [...new Set(tables.map(({ name }) => name))].sort();
  if (chosen.length === 0) return names;
  return names.filter((name) => chosen.includes(name) || chosen.includes(name.split(".")[0]!));
}
