/**
 * Decides which state a restore gives for an instant. In a gap it is the state at the gap's start or end, never what
 * the log holds of the gap itself: a resync has put versions there whose own time is unknown, and of the changes after
 * the last proof only some came in.
 */
import type { CoverageClass } from "../../format/coverage-record.js";
import type { Instant } from "../../instant.js";
import {
  type CoverageInterval,
  firstExactIn,
  intervalAt,
  isKeptAt,
  isWhole,
  lastExactIn,
  type TableCoverage,
} from "./coverage.js";

/** Which end of a gap. */
export type GapSide = "before" | "after";

/** The class of an instant. */
export interface InstantClass {
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  lateMs?: number;
}

/** The state that a restore gives for an instant. */
export interface AsOf extends InstantClass {
  /** The instant whose state it is. It differs from the one asked for only if that is neither exact nor late. */
  instant: Instant;
  /** True if the instant asked for lies after everything that is proven, so nothing is known of it yet. */
  isOpen: boolean;
}

/** There is no such state, and why. */
export interface NoState extends InstantClass {
  instant: undefined;
  why: /** The state at `needed` is thinned away. */
    | { is: "thinned"; needed: Instant }
    /** The gap began before the history that is kept. */
    | { is: "expired" }
    /** The state at `needed` is damaged. */
    | { is: "damaged"; needed: Instant; reason: string | undefined }
    /** The gap has not ended, so nothing is known of its end. */
    | { is: "open" }
    /** Nothing is known of the instant, nor of the chosen side of it. */
    | { is: "unknown" };
}

/**
 * The state of a table, the catalog or access that a restore gives for `instant`.
 * @param nearest if the end of the gap is thinned away, take the nearest kept instant beyond it
 */
export function asOf(
  coverage: Pick<TableCoverage, "intervals"> | undefined,
  instant: Instant,
  side: GapSide,
  nearest = false,
): AsOf | NoState {
  const intervals = coverage?.intervals ?? [];
  const interval = intervalAt({ intervals }, instant);
  const ofClass = classOf(interval);
  if (interval && isWhole(interval)) {
    if (isKeptAt(interval, instant)) return { ...ofClass, instant, isOpen: false };
    return { ...ofClass, instant: undefined, why: { is: "thinned", needed: instant } };
  }
  // A damaged instant stands for itself: a caller that insists gets what is left of it.
  if (interval?.class === "damaged") return { ...ofClass, instant, isOpen: false };
  const isAfter = side === "after";
  const end = isAfter
    ? intervals.find((one) => one.from > instant && isEnd(one))
    : intervals.findLast((one) => one.to < instant && isEnd(one));
  const isOpen = !intervals.some((one) => one.from > instant && isWhole(one));
  const isGap = ofClass.class === "gap";
  if (isAfter && isOpen) return { ...ofClass, instant: undefined, why: { is: "open" } };
  if (isAfter && !isGap) return { ...ofClass, instant: undefined, why: { is: "unknown" } };
  if (!end) return { ...ofClass, instant: undefined, why: { is: isGap ? "expired" : "unknown" } };
  const needed = isAfter ? end.from : end.to;
  if (!isWhole(end)) {
    return { ...ofClass, instant: undefined, why: { is: "damaged", needed, reason: end.reason } };
  }
  const kept = isKeptAt(end, needed) ? needed : nearest ? keptNear(end, needed, side) : undefined;
  if (kept === undefined) return { ...ofClass, instant: undefined, why: { is: "thinned", needed } };
  return { ...ofClass, instant: kept, isOpen };
}

/** The least of the frontiers: up to there everything is proven. Undefined if one of them has no frontier. */
export function leastFrontier(coverages: TableCoverage[]): Instant | undefined {
  const frontiers = coverages.map(({ frontier }) => frontier);
  if (frontiers.length === 0 || frontiers.includes(undefined)) return undefined;
  return Math.min(...(frontiers as Instant[]));
}

export function classOf(interval: CoverageInterval | undefined): InstantClass {
  const { reason, lateMs } = interval ?? {};
  return {
    class: interval?.class ?? "unwatched",
    ...(reason === undefined ? {} : { reason }),
    ...(lateMs === undefined ? {} : { lateMs }),
  };
}

/** True if a gap can end at the interval: the interval is exact, late or damaged. */
function isEnd(interval: CoverageInterval): boolean {
  return isWhole(interval) || interval.class === "damaged";
}

function keptNear(interval: CoverageInterval, instant: Instant, side: GapSide) {
  return side === "after" ? firstExactIn(interval, instant) : lastExactIn(interval, instant);
}
