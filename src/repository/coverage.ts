/**
 * Coverage: what may be claimed of each table at each instant. coverage-reader.ts computes it from stored objects.
 *
 * Capture writes a coverage record at each change of a table's state. Between records a table stays as it was, up to
 * the frontier of the epoch: where a writer ended without a word, its last segment says how far it had proof.
 */
import type { Instant } from "../instant.js";

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
}

/** Folds one table's records, in the order of the log, into intervals. */
export class CoverageBuilder {
  private readonly intervals: CoverageInterval[] = [];
  private state: CoverageRecord["state"] = "copying";
  /** Begin of the exact interval that is still open. */
  private exactFrom: Instant | undefined;
  /** Begin and reason of the hole that is still open; only once something was exact. */
  private hole: { since: Instant; reason: string } | undefined;
  private frontier: Instant | undefined;

  /** The instants of the copies: from each one on, only the base that it made, or a later one, will do. */
  readonly copies: Instant[] = [];

  constructor(readonly table: string) {}

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
  }

  build(): Omit<TableCoverage, "watched"> {
    const intervals = [...this.intervals];
    if (this.exactFrom !== undefined && this.frontier !== undefined) {
      intervals.push({ from: this.exactFrom, to: this.frontier, class: "exact" });
    }
    const { table, state, frontier } = this;
    return { table, state, intervals, frontier, lastCopy: this.copies.at(-1) };
  }

  private beginHole(since: Instant, reason: string): void {
    if (this.exactFrom === undefined) return;
    this.closeExact(since);
    this.hole = { since, reason };
  }

  private closeExact(at: Instant): void {
    if (this.exactFrom === undefined) return;
    const to = Math.max(at, this.exactFrom);
    this.intervals.push({ from: this.exactFrom, to, class: "exact" });
    this.exactFrom = undefined;
    this.frontier = to;
  }

  private closeHole(at: Instant, as: "repaired" | "unwatched"): void {
    if (!this.hole) return;
    const { since, reason } = this.hole;
    this.hole = undefined;
    if (at > since + 1) this.intervals.push({ from: since + 1, to: at - 1, class: as, reason });
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
    const before = { ...interval, to: begin - 1 };
    const after = { ...interval, from: end + 1 };
    return [before, { from: begin, to: end, class: as, reason }, after].filter(
      (i) => i.from <= i.to,
    );
  });
  return { ...coverage, intervals: joined(intervals) };
}

/** Neighbours of one class and reason become one interval. */
function joined(intervals: CoverageInterval[]): CoverageInterval[] {
  const result: CoverageInterval[] = [];
  for (const interval of intervals) {
    const last = result.at(-1);
    const touches = last && last.to + 1 >= interval.from;
    if (touches && last.class === interval.class && last.reason === interval.reason) {
      result[result.length - 1] = { ...last, to: interval.to };
    } else {
      result.push(interval);
    }
  }
  return result;
}

/** The exact instants nearest to `instant`, before and after it. */
export function nearestExact(
  coverage: Pick<TableCoverage, "intervals">,
  instant: Instant,
): Instant[] {
  const exact = coverage.intervals.filter((interval) => interval.class === "exact");
  const before = exact.filter(({ to }) => to <= instant).at(-1)?.to;
  const after = exact.find(({ from }) => from >= instant)?.from;
  return [before, after].filter((found) => found !== undefined);
}
