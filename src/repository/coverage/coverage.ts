/** Coverage: the class of each table at each instant. coverage-reader.ts computes it from stored objects. */
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
  /** For a late interval: by how many ms at most versions are labelled too late. */
  lateMs?: number;
  /**
   * Set if history is thinned here: only the last ms of every span of this many ms, and the instants `kept`, are left.
   */
  resolutionMs?: number;
  kept?: Instant[];
}

export interface TableCoverage {
  table: string;
  /** The state after the last record. */
  state: TableState;
  /** Set while a defect keeps the table from being captured, also while capture tries it again. */
  stopped?: Stopped | undefined;
  /** The gap that has not ended: not watched after `since`. Not set before anything was exact. */
  openGap?: { since: Instant; reason: string } | undefined;
  /** The intervals from the first exact instant on, in order, without overlap. */
  intervals: CoverageInterval[];
  /** The instant up to which capture is proven complete; undefined before the first base. */
  frontier: Instant | undefined;
  /** True if the latest epoch has a record of the table; false if its writer leaves the table out. */
  watched: boolean;
  /**
   * True if the latest epoch should have a record of the table, and has none yet: its writer was told to capture the
   * same tables as the one before.
   */
  isExpected?: boolean;
  /** When the last copy was complete. From then on, bases from before it are of no use. */
  lastCopy: Instant | undefined;
  /** When each copy that counts was complete. From then on, only the base that it made, or a later one, will do. */
  copies: Instant[];
  /**
   * Instants whose versions may repeat earlier ones, also in another order: writers that went on without a gap gave
   * this one time to all that they had been delivered until then.
   */
  continued?: Instant[];
  /** Only of the catalog: where it is late in what it says of some tables and databases. See catalogFor. */
  partlyLate?: PartlyLate[];
}

/** A span that is late for some tables and databases alone: they changed in it, nobody knows when. */
export type PartlyLate = LateSpan & { of: string[] };

export function isPartly(span: LateSpan): span is PartlyLate {
  return span.of !== undefined;
}

/** The interval that `instant` lies in; undefined if it lies in none, so that nothing is known of it. */
export function intervalAt(
  coverage: Pick<TableCoverage, "intervals">,
  instant: Instant,
): CoverageInterval | undefined {
  return coverage.intervals.find(({ from, to }) => from <= instant && instant <= to);
}

/**
 * The last interval of a captured table, if it is damaged: then no base is left from which the table could be restored
 * to its newest state. Otherwise undefined.
 */
export function damageNow(coverage: TableCoverage | undefined): CoverageInterval | undefined {
  const last = coverage?.intervals.at(-1);
  const isCaptured = coverage?.state === "live" || coverage?.state === "gap";
  return isCaptured && last?.class === "damaged" ? last : undefined;
}

/** Gives the part of `coverage` from `from` to `to` the class `as`; unwatched intervals stay as they are. */
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

/** The intervals with `over` in place of those parts that lie in it; unwatched intervals stay as they are. */
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

/**
 * The intervals with those parts of the exact ones made late that lie in `spans`. Where spans overlap, the worst
 * counts. Spans that are about some of the catalog alone change nothing.
 */
export function withLate(intervals: CoverageInterval[], spans: LateSpan[]): CoverageInterval[] {
  const late = lateIntervals(spans.filter((span) => !isPartly(span)));
  if (late.length === 0) return intervals;
  return intervals.flatMap((interval) => {
    if (interval.class !== "exact") return [interval];
    const inside = late.flatMap((span) => within(span, interval.from, interval.to));
    const pieces: CoverageInterval[] = [];
    let from = interval.from;
    for (const one of inside) {
      pieces.push(...within(interval, from, one.from - 1), one);
      from = one.to + 1;
    }
    return [...pieces, ...within(interval, from, interval.to)];
  });
}

/** The spans as intervals without overlap, in order. Each instant gets the greatest `lateMs` of its spans. */
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
    const worst = open.reduce((a, b) => (a.lateMs >= b.lateMs ? a : b));
    const { lateMs, reason = lateReason(lateMs) } = worst;
    late.push({ from, to: bounds[i + 1]! - 1, class: "late", lateMs, reason });
  }
  return joined(late);
}

function lateReason(lateMs: number): string {
  return `proofs were ${(lateMs / 1000).toFixed(1)} s apart`;
}

/** Marks those parts of exact and late intervals as thinned that lie between `from` and `to`. */
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

/** The part of an interval that lies between `from` and `to`: no interval, or one. */
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

/** Joins neighbouring intervals that are alike. */
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

/** True if every version is there: the interval is exact or late. */
export function isWhole(interval: Pick<CoverageInterval, "class"> | undefined): boolean {
  return interval?.class === "exact" || interval?.class === "late";
}

/** True if the exact state at `instant` can be restored: the interval is exact, and `instant` is not thinned away. */
export function isExactAt(interval: CoverageInterval | undefined, instant: Instant): boolean {
  return interval?.class === "exact" && isKeptAt(interval, instant);
}

/** True unless the state at `instant` is thinned away. */
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
