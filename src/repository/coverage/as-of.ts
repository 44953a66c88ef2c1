/**
 * Which state a restore gives for an instant. Inside a gap it is the one at the gap's begin or at its end, and never
 * what the log holds of the gap itself: a resync has appended versions there that are not of their time, and changes
 * that came in after the last proof are there without those that did not.
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

/** Of what class an instant is. */
export interface InstantClass {
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  lateMs?: number;
}

/** The state that stands for an instant. */
export interface AsOf extends InstantClass {
  /** The instant whose state it is: another than the one asked for only where that is not whole. */
  instant: Instant;
  /** True if the one asked for lies after all that is proven: nothing is known of it yet. */
  isOpen: boolean;
}

/** Why there is no such state. */
export interface NoState extends InstantClass {
  instant: undefined;
  why: /** It is not kept: the history is thinned at `needed`. */
    | { is: "thinned"; needed: Instant }
    /** It is not kept: the gap began before the history that is. */
    | { is: "expired" }
    /** It is damaged, at `needed`. */
    | { is: "damaged"; needed: Instant; reason: string | undefined }
    /** The gap has not ended, so nothing is known of its end. */
    | { is: "open" }
    /** Nothing is known of it, before or after. */
    | { is: "unknown" };
}

/**
 * The state of a table, the catalog or access that a restore gives for `instant`.
 * @param nearest where the end of a gap is thinned away, take the next instant away from it that is kept
 */
export function asOf(
  coverage: Pick<TableCoverage, "intervals"> | undefined,
  instant: Instant,
  side: GapSide,
  nearest = false,
): AsOf | NoState {
  const intervals = coverage?.intervals ?? [];
  const interval = intervalAt({ intervals }, instant);
  const of = classOf(interval);
  if (interval && isWhole(interval)) {
    if (isKeptAt(interval, instant)) return { ...of, instant, isOpen: false };
    return { ...of, instant: undefined, why: { is: "thinned", needed: instant } };
  }
  // What the log still gives there is given, if somebody insists.
  if (interval?.class === "damaged") return { ...of, instant, isOpen: false };
  const isAfter = side === "after";
  const end = isAfter
    ? intervals.find((one) => one.from > instant && isEnd(one))
    : intervals.findLast((one) => one.to < instant && isEnd(one));
  const isOpen = !intervals.some((one) => one.from > instant && isWhole(one));
  if (isAfter && isOpen) return { ...of, instant: undefined, why: { is: "open" } };
  if (isAfter && of.class !== "gap") return { ...of, instant: undefined, why: { is: "unknown" } };
  if (!end) {
    return { ...of, instant: undefined, why: { is: of.class === "gap" ? "expired" : "unknown" } };
  }
  const needed = isAfter ? end.from : end.to;
  if (!isWhole(end)) {
    return { ...of, instant: undefined, why: { is: "damaged", needed, reason: end.reason } };
  }
  const kept = isKeptAt(end, needed) ? needed : nearest ? keptNear(end, needed, side) : undefined;
  if (kept === undefined) return { ...of, instant: undefined, why: { is: "thinned", needed } };
  return { ...of, instant: kept, isOpen };
}

/** The newest instant up to which all is proven. Undefined if something has never been. */
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

/** True if a gap can end at the interval: it is another matter, be it good or bad. */
function isEnd(interval: CoverageInterval): boolean {
  return isWhole(interval) || interval.class === "damaged";
}

function keptNear(interval: CoverageInterval, instant: Instant, side: GapSide) {
  return side === "after" ? firstExactIn(interval, instant) : lastExactIn(interval, instant);
}
