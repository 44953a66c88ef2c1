/**
 * Coverage: what may be claimed of each table at each instant. coverage-reader.ts computes it from stored objects.
 *
 * Capture writes a coverage record at each change of a table's state. Between records a table stays as it was, up to
 * the frontier of the epoch: where a writer ended without a word, its last segment says how far it had proof.
 */
import type { Instant } from "../instant.js";
import { gridAfter, gridAtOrBefore, isOnGrid } from "./keep-policy.js";

/** A coverage record; its key is the table's id, `since` the instant from which it holds. */
export type CoverageRecord =
  /** The feed is open; a walk makes the first base (or a new one, after a hole). */
  | { state: "copying"; since: Instant }
  /** The feed is open; a walk finds out what changed in the hole. */
  | { state: "repairing"; since: Instant }
  /** Every version is captured. */
  | { state: "live"; since: Instant }
  /** Not watched. */
  | { state: "hole"; since: Instant; reason: string }
  /** The table is gone from the source. */
  | { state: "dropped"; since: Instant };

export type CoverageClass = "exact" | "repaired" | "unwatched" | "damaged";

/** A closed interval of one class. */
export interface CoverageInterval {
  from: Instant;
  to: Instant;
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  /** Exact only at the last ms of every span of so many ms, and at the instants `kept`: history is thinned here. */
  resolutionMs?: number;
  kept?: Instant[];
}

export interface TableCoverage {
  table: string;
  /** The state that the last record left. */
  state: CoverageRecord["state"];
  /** From the first exact instant on, without overlap, in order. */
  intervals: CoverageInterval[];
  /** The instant up to which capture is proven complete; undefined before the first base. */
  frontier: Instant | undefined;
  /** True if the latest writer watches the table, or has; false if it was left out since. */
  watched: boolean;
  /** When the last copy was complete: what lies before it is of no use from then on. */
  lastCopy: Instant | undefined;
  /** When each copy was complete that counts: from then on, only the base that it made will do, or a later one. */
  copies: Instant[];
}

/** Where the records up to some place in the log leave a table; from there on more can be applied. */
export interface CoverageState {
  state: CoverageRecord["state"];
  /** Begin of the exact interval that is still open. */
  exactFrom?: Instant | undefined;
  /** The hole that is still open; `lost` if it is one only because records are lost. */
  hole?: { since: Instant; reason: string; lost?: boolean } | undefined;
  frontier?: Instant | undefined;
  lastCopy?: Instant | undefined;
}

/** Folds one table's records, in the order of the log, into intervals. */
export class CoverageBuilder {
  private intervals: CoverageInterval[] = [];
  private state: CoverageRecord["state"] = "copying";
  /** Begin of the exact interval that is still open. */
  private exactFrom: Instant | undefined;
  /** Begin and reason of the hole that is still open; only once something was exact. */
  private hole: CoverageState["hole"];
  /** How far the log's proof reaches, if the records of since when the table was watched are lost. */
  private reached: Instant | undefined;
  private frontier: Instant | undefined;

  /** The instants of the copies: from each one on, only the base that it made, or a later one, will do. */
  readonly copies: Instant[] = [];

  /** @param opening where earlier records left the table */
  constructor(
    readonly table: string,
    opening?: CoverageState,
  ) {
    if (!opening) return;
    this.state = opening.state;
    this.exactFrom = opening.exactFrom;
    this.hole = opening.hole;
    this.frontier = opening.frontier;
    if (opening.lastCopy !== undefined) this.copies.push(opening.lastCopy);
  }

  /** Where the records so far leave the table. */
  current(): CoverageState {
    const { state, exactFrom, hole, frontier } = this;
    return { state, exactFrom, hole, frontier, lastCopy: this.copies.at(-1) };
  }

  apply(record: CoverageRecord): void {
    if (record.state === "live" && this.state === "copying") this.copies.push(record.since);
    this.state = record.state;
    switch (record.state) {
      case "live":
        this.closeHole(record.since, "repaired");
        this.exactFrom ??= record.since;
        this.frontier = record.since;
        break;
      case "hole":
        this.beginHole(record.since, record.reason);
        break;
      case "dropped":
        this.closeExact(record.since);
        this.closeHole(record.since, "unwatched");
        this.frontier = undefined;
        break;
      case "copying":
      case "repairing":
        break;
    }
  }

  /** The writer ended, having proven capture up to `frontier`. */
  end(frontier: Instant): void {
    if (this.state === "dropped") return;
    if (this.exactFrom !== undefined) this.beginHole(frontier, "capture was not running");
    this.state = "hole";
  }

  /** The writer may still run; its proof reaches to `frontier`. */
  reach(frontier: Instant): void {
    if (this.exactFrom !== undefined) this.frontier = Math.max(frontier, this.exactFrom);
    else this.reached = frontier;
  }

  /**
   * Goes on from what is known of after a gap in the records; up to `proven` the table is known from before it. Where it
   * is not in one stretch with what comes after, nothing is said of the gap.
   */
  resume(opening: CoverageState, proven: Instant): void {
    const { exactFrom, hole, state, frontier, lastCopy } = opening;
    if (this.exactFrom !== exactFrom) this.closeExact(Math.min(proven, hole?.since ?? proven));
    if (this.hole?.since !== hole?.since) this.closeHole(proven + 1, "unwatched");
    this.state = state;
    this.exactFrom = exactFrom;
    this.hole = hole;
    this.frontier = frontier;
    if (lastCopy !== undefined && !this.copies.includes(lastCopy)) this.copies.push(lastCopy);
  }

  /** Records are lost: after `proven` the table may have been watched or not. */
  lose(proven: Instant, reason: string): void {
    if (this.state === "dropped") return;
    this.beginHole(proven, reason);
    if (this.hole) this.hole = { ...this.hole, lost: true };
    this.state = "hole";
  }

  build(): Omit<TableCoverage, "watched" | "copies"> {
    const intervals = [...this.intervals];
    if (this.exactFrom !== undefined && this.frontier !== undefined) {
      intervals.push({ from: this.exactFrom, to: this.frontier, class: "exact" });
    }
    const { table, state, frontier, hole, reached } = this;
    if (hole?.lost && reached !== undefined && reached > hole.since) {
      const { since, reason } = hole;
      intervals.push({ from: since + 1, to: reached, class: "damaged", reason });
    }
    return { table, state, intervals, frontier, lastCopy: this.copies.at(-1) };
  }

  private beginHole(since: Instant, reason: string): void {
    if (this.exactFrom === undefined) return;
    this.closeExact(since);
    this.hole = { since, reason };
  }

  private closeExact(at: Instant): void {
    if (this.exactFrom === undefined) return;
    if (at >= this.exactFrom) {
      this.intervals.push({ from: this.exactFrom, to: at, class: "exact" });
    } else {
      // A clock that was set back shows what lies after `at` once more: nothing is claimed of it twice.
      this.intervals = this.intervals.flatMap((of) => within(of, of.from, at));
    }
    this.exactFrom = undefined;
    this.frontier = this.intervals.findLast((of) => of.class === "exact")?.to;
  }

  private closeHole(at: Instant, as: "repaired" | "unwatched"): void {
    if (!this.hole) return;
    const { since, reason, lost } = this.hole;
    this.hole = undefined;
    if (at <= since + 1) return;
    this.intervals.push({ from: since + 1, to: at - 1, class: lost ? "damaged" : as, reason });
  }
}

/** The interval that `instant` lies in; undefined if nothing is known of it. */
export function intervalAt(
  coverage: Pick<TableCoverage, "intervals">,
  instant: Instant,
): CoverageInterval | undefined {
  return coverage.intervals.find(({ from, to }) => from <= instant && instant <= to);
}

/** Re-labels the part of `coverage` that lies from `from` to `to`; what is unwatched stays so. */
export function relabel(
  coverage: TableCoverage,
  from: Instant,
  to: Instant,
  as: CoverageClass,
  reason: string,
): TableCoverage {
  const intervals = coverage.intervals.flatMap((interval): CoverageInterval[] => {
    const begin = Math.max(from, interval.from);
    const end = Math.min(to, interval.to);
    if (begin > end || interval.class === "unwatched") return [interval];
    const before = within(interval, interval.from, begin - 1);
    const after = within(interval, end + 1, interval.to);
    return [...before, { from: begin, to: end, class: as, reason }, ...after];
  });
  return { ...coverage, intervals: joined(intervals) };
}

/** Marks the part of what is exact that lies from `from` to `to` as thinned. */
export function thinned(
  coverage: TableCoverage,
  from: Instant,
  to: Instant,
  resolutionMs: number,
  kept: Instant[],
): TableCoverage {
  const intervals = coverage.intervals.flatMap((interval): CoverageInterval[] => {
    const begin = Math.max(from, interval.from);
    const end = Math.min(to, interval.to);
    if (begin > end || interval.class !== "exact") return [interval];
    return [
      ...within(interval, interval.from, begin - 1),
      ...within({ ...interval, resolutionMs, kept }, begin, end),
      ...within(interval, end + 1, interval.to),
    ];
  });
  return { ...coverage, intervals: joined(intervals) };
}

/** What of an interval lies from `from` to `to`: none or one. */
export function within(
  { kept, ...interval }: CoverageInterval,
  from: Instant,
  to: Instant,
): CoverageInterval[] {
  const begin = Math.max(from, interval.from);
  const end = Math.min(to, interval.to);
  const inside = kept?.filter((instant) => begin <= instant && instant <= end) ?? [];
  if (begin > end) return [];
  const cut = { ...interval, from: begin, to: end };
  return [inside.length > 0 ? { ...cut, kept: inside } : cut];
}

/** Neighbours of one class and reason become one interval. */
function joined(intervals: CoverageInterval[]): CoverageInterval[] {
  const result: CoverageInterval[] = [];
  for (const interval of intervals) {
    const last = result.at(-1);
    const touches = last && last.to + 1 >= interval.from;
    if (touches && isAlike(last, interval)) {
      const kept = [...(last.kept ?? []), ...(interval.kept ?? [])];
      result[result.length - 1] = {
        ...last,
        to: interval.to,
        ...(kept.length > 0 ? { kept } : {}),
      };
    } else {
      result.push(interval);
    }
  }
  return result;
}

function isAlike(a: CoverageInterval, b: CoverageInterval): boolean {
  return a.class === b.class && a.reason === b.reason && a.resolutionMs === b.resolutionMs;
}

/** True if the state at `instant` can be had as it was: the interval is exact there, and not thinned away. */
export function isExactAt(interval: CoverageInterval | undefined, instant: Instant): boolean {
  if (interval?.class !== "exact") return false;
  const { resolutionMs, kept } = interval;
  return (
    resolutionMs === undefined ||
    isOnGrid(instant, resolutionMs) ||
    kept?.includes(instant) === true
  );
}

/** The exact instants nearest to `instant`, before and after it. */
export function nearestExact(
  coverage: Pick<TableCoverage, "intervals">,
  instant: Instant,
): Instant[] {
  const exact = coverage.intervals.filter((interval) => interval.class === "exact");
  const before = exact.map((interval) => lastExactIn(interval, instant));
  const after = exact.map((interval) => firstExactIn(interval, instant));
  return [
    before.findLast((found) => found !== undefined),
    after.find((found) => found !== undefined),
  ].filter((found) => found !== undefined);
}

/** The last instant of an exact interval at or before `instant` that is not thinned away. */
export function lastExactIn(interval: CoverageInterval, instant: Instant): Instant | undefined {
  const { from, to, resolutionMs = 1, kept = [] } = interval;
  const end = Math.min(to, instant);
  const grid = gridAtOrBefore(end, resolutionMs);
  const found = Math.max(grid, ...kept.filter((one) => one <= end));
  return found >= from ? found : undefined;
}

/** The first instant of an exact interval at or after `instant` that is not thinned away. */
export function firstExactIn(interval: CoverageInterval, instant: Instant): Instant | undefined {
  const { from, to, resolutionMs = 1, kept = [] } = interval;
  const begin = Math.max(from, instant);
  const grid = gridAfter(begin - 1, resolutionMs);
  const found = Math.min(grid, ...kept.filter((one) => one >= begin));
  return found <= to ? found : undefined;
}
