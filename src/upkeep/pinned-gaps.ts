import { hasLeft } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import { asOf } from "../repository/coverage/as-of.js";
import { intervalAt, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import type { Pin } from "../repository/registers/pins.js";

/**
 * The pins, and beside each pin that lies in a gap the ends of that gap: a restore to the pinned instant gives the
 * state at one of these ends, so both have to stay.
 */
export function withGapEnds(pins: Pin[], { tables, catalog, access }: Coverage): Pin[] {
  const all = [...tables.values(), catalog, access].filter((of) => of !== undefined);
  return pins.flatMap((pin) => {
    const ends = all.flatMap((of) => endsAround(of, pin.at));
    return [pin, ...[...new Set(ends)].map((at) => ({ ...pin, at }))];
  });
}

function endsAround(coverage: TableCoverage, instant: Instant): Instant[] {
  const interval = intervalAt(coverage, instant);
  const isOver = !coverage.watched || hasLeft(coverage.state);
  const isInGap = interval ? interval.class === "gap" : !isOver;
  if (!isInGap) return [];
  return (["before", "after"] as const)
    .map((side) => asOf(coverage, instant, side).instant)
    .filter((end) => end !== undefined);
}
