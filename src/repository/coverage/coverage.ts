/** Coverage: what is known of each table at each instant. coverage-reader.ts computes it from stored objects. */
import type { CoverageClass, LateSpan, Stopped, TableState } from "../../format/coverage-record.js";
import type { Instant } from "../../instant.js";
import { gridAfter, gridAtOrBefore, isOnGrid } from "../registers/keep-policy.js";

/** A closed interval of one class. */
export interface CoverageInterval {
  from: Instant;
  to: Instant;
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  /** Of what is late: by how much at most. */
  lateMs?: number;
  /** To be had only at the last ms of every span of so many ms, and at the instants `kept`: history is thinned here. */
  resolutionMs?: number;
  kept?: Instant[];
}

export interface TableCoverage {
  table: string;
  /** The state that the last record left. */
  state: TableState;
  /** Undefined unless a defect has stopped it, also while it is tried again. */
  stopped?: Stopped | undefined;
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

/** The interval that `instant` lies in; undefined if nothing is known of it. */
export function intervalAt(
  coverage: Pick<TableCoverage, "intervals">,
  instant: Instant,
): CoverageInterval | undefined {
  return coverage.intervals.find(({ from, to }) => from <= instant && instant <= to);
}

/**
 * The damaged interval that a table which is captured ends with: there is no base from which it could be restored to what
 * it is now. Undefined if it ends in another way.
 */
export function damageNow(coverage: TableCoverage | undefined): CoverageInterval | undefined {
  const last = coverage?.intervals.at(-1);
  const isCaptured = coverage?.state === "live" || coverage?.state === "gap";
  return isCaptured && last?.class === "damaged" ? last : undefined;
}

/** Re-labels the part of `coverage` that lies from `from` to `to`; what is unwatched stays so. */
export function relabel(
  coverage: TableCoverage,
  from: Instant,
  to: Instant,
  as: CoverageClass,
  reason: string,
): TableCoverage {
  const intervals = overlaid(coverage.intervals, { from, to, class: as, reason });
  return { ...coverage, intervals: joined(intervals) };
}

/** The intervals with `over` in place of what of them lies in it; what is unwatched stays so. */
export function overlaid(
  intervals: CoverageInterval[],
  over: CoverageInterval,
): CoverageInterval[] {
  return intervals.flatMap((interval): CoverageInterval[] => {
    const [covered] = within(over, interval.from, interval.to);
    if (!covered || interval.class === "unwatched") return [interval];
    const before = within(interval, interval.from, covered.from - 1);
    const after = within(interval, covered.to + 1, interval.to);
    return [...before, covered, ...after];
  });
}

/** The intervals with what of the exact ones lies in `spans` made late. Where spans overlap, the latest counts. */
export function withLate(intervals: CoverageInterval[], spans: LateSpan[]): CoverageInterval[] {
  const late = lateIntervals(spans);
  if (late.length === 0) return intervals;
  return intervals.flatMap((interval) => {
    if (interval.class !== "exact") return [interval];
    const inside = late.flatMap((of) => within(of, interval.from, interval.to));
    const pieces: CoverageInterval[] = [];
    let from = interval.from;
    for (const one of inside) {
      pieces.push(...within(interval, from, one.from - 1), one);
      from = one.to + 1;
    }
    return [...pieces, ...within(interval, from, interval.to)];
  });
}

/** Spans as intervals that do not overlap, in order; each instant has the greatest `lateMs` of its spans. */
function lateIntervals(spans: LateSpan[]): CoverageInterval[] {
  const inOrder = [...spans].sort((a, b) => a.since - b.since);
  const bounds = [...new Set(spans.flatMap(({ since, to }) => [since, to + 1]))];
  bounds.sort((a, b) => a - b);
  let open: LateSpan[] = [];
  let next = 0;
  const late: CoverageInterval[] = [];
  for (const [i, from] of bounds.entries()) {
    while (next < inOrder.length && inOrder[next]!.since <= from) open.push(inOrder[next++]!);
    open = open.filter(({ to }) => to >= from);
    if (open.length === 0) continue;
    const lateMs = Math.max(...open.map((span) => span.lateMs));
    late.push({ from, to: bounds[i + 1]! - 1, class: "late", lateMs, reason: lateReason(lateMs) });
  }
  return joined(late);
}

function lateReason(lateMs: number): string {
  return `proofs were ${(lateMs / 1000).toFixed(1)} s apart`;
}

/** Marks the part of what is exact or late that lies from `from` to `to` as thinned. */
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
    if (begin > end || !isWhole(interval)) return [interval];
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
  return (
    a.class === b.class &&
    a.reason === b.reason &&
    a.lateMs === b.lateMs &&
    a.resolutionMs === b.resolutionMs
  );
}

/** True if every version that came in is there. */
export function isWhole(interval: Pick<CoverageInterval, "class"> | undefined): boolean {
  return interval?.class === "exact" || interval?.class === "late";
}

/** True if the state at `instant` can be had as it was: the interval is exact there, and not thinned away. */
export function isExactAt(interval: CoverageInterval | undefined, instant: Instant): boolean {
  return interval?.class === "exact" && isKeptAt(interval, instant);
}

/** True unless what was captured up to `instant` is thinned away. */
export function isKeptAt({ resolutionMs, kept }: CoverageInterval, instant: Instant): boolean {
  return (
    resolutionMs === undefined ||
    isOnGrid(instant, resolutionMs) ||
    kept?.includes(instant) === true
  );
}

/** The last instant of an exact or late interval at or before `instant` that is not thinned away. */
export function lastExactIn(interval: CoverageInterval, instant: Instant): Instant | undefined {
  const { from, to, resolutionMs = 1, kept = [] } = interval;
  const end = Math.min(to, instant);
  const grid = gridAtOrBefore(end, resolutionMs);
  const found = Math.max(grid, ...kept.filter((one) => one <= end));
  return found >= from ? found : undefined;
}

/** The first instant of an exact or late interval at or after `instant` that is not thinned away. */
export function firstExactIn(interval: CoverageInterval, instant: Instant): Instant | undefined {
  const { from, to, resolutionMs = 1, kept = [] } = interval;
  const begin = Math.max(from, instant);
  const grid = gridAfter(begin - 1, resolutionMs);
  const found = Math.min(grid, ...kept.filter((one) => one >= begin));
  return found <= to ? found : undefined;
}
