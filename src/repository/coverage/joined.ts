/**
 * The coverage of a table that was captured in several lanes. While it moves it is in two of them. Each lane's coverage
 * is proven by itself, so each instant has the best class that any lane gives it, and is restored from that lane.
 */
import type { CoverageClass } from "../../format/coverage-record.js";
import type { Instant } from "../../instant.js";
import { type CoverageInterval, intervalAt, isWhole, type TableCoverage } from "./coverage.js";
import type { Coverage } from "./coverage-reader.js";

/**
 * Worst first. A damaged instant says more than one of which nothing is known, and less than a gap, whose ends are
 * known.
 */
const classes: readonly CoverageClass[] = ["unwatched", "damaged", "gap", "late", "exact"];

/** Which of two intervals is the better one to restore from; positive if it is `a`. */
function compare(a: CoverageInterval, b: CoverageInterval): number {
  const byClass = classes.indexOf(a.class) - classes.indexOf(b.class);
  return byClass || (b.resolutionMs ?? 1) - (a.resolutionMs ?? 1);
}

/**
 * The lane from which a table is restored to an instant; undefined if no lane knows the table.
 * @param lanes the coverage of each lane
 */
export function laneToRead(lanes: Coverage[], table: string, instant: Instant): number | undefined {
  let best: { lane: number; interval: CoverageInterval | undefined } | undefined;
  for (const [lane, { tables }] of lanes.entries()) {
    const coverage = tables.get(table);
    if (!coverage) continue;
    const interval = intervalAt(coverage, instant);
    const isBetter =
      !best || (interval && (!best.interval || compare(interval, best.interval) > 0));
    if (isBetter) best = { lane, interval };
  }
  return best?.lane;
}

/** The coverage of all lanes together. The catalog and access are those of lane 0. */
export function joinedCoverage(lanes: Coverage[]): Coverage {
  const [first] = lanes;
  const tables = new Map<string, TableCoverage>();
  for (const id of new Set(lanes.flatMap((lane) => [...lane.tables.keys()]))) {
    const found = lanes.flatMap(({ tables: own }, lane) => {
      const coverage = own.get(id);
      return coverage ? [inLane(coverage, lane)] : [];
    });
    tables.set(id, found.length === 1 ? found[0]! : joinedTable(found));
  }
  return { tables, catalog: first?.catalog, access: first?.access };
}

/** The coverage with reasons that say in which lane an object is missing or damaged. */
function inLane(coverage: TableCoverage, lane: number): TableCoverage {
  if (lane === 0) return coverage;
  const intervals = coverage.intervals.map((one) => {
    return one.class === "damaged" ? { ...one, reason: `lane ${lane}: ${one.reason}` } : one;
  });
  return { ...coverage, intervals };
}

function joinedTable(lanes: TableCoverage[]): TableCoverage {
  const now = lanes.reduce((best, one) => (isLater(one, best) ? one : best));
  const intervals = joinedIntervals(lanes.map((one) => one.intervals));
  const frontiers = lanes.map(({ frontier }) => frontier).filter((one) => one !== undefined);
  const last = intervals.findLast(isWhole);
  const isOpen = now.openGap && (!last || last.to <= now.openGap.since);
  const continued = lanes.flatMap((one) => one.continued ?? []);
  return {
    table: now.table,
    state: now.state,
    stopped: now.stopped,
    openGap: isOpen ? now.openGap : undefined,
    intervals,
    frontier: frontiers.length > 0 ? Math.max(...frontiers) : undefined,
    watched: now.watched,
    ...(now.isExpected === undefined ? {} : { isExpected: now.isExpected }),
    lastCopy: now.lastCopy,
    copies: now.copies,
    ...(continued.length > 0 ? { continued } : {}),
  };
}

/** How much a state says of what a table is now: a lane that it has left says the least. */
const says: Record<TableCoverage["state"], number> = {
  moved: 0,
  dropped: 1,
  gap: 2,
  stopped: 2,
  copying: 2,
  resyncing: 2,
  live: 3,
};

/** True if `a` tells what the table is now, rather than `b`. */
function isLater(a: TableCoverage, b: TableCoverage): boolean {
  if (a.watched !== b.watched) return a.watched;
  if (says[a.state] !== says[b.state]) return says[a.state] > says[b.state];
  return (a.frontier ?? -1) > (b.frontier ?? -1);
}

/** For each instant the best of the intervals that hold it. */
function joinedIntervals(lanes: CoverageInterval[][]): CoverageInterval[] {
  const all = lanes.flat();
  const bounds = [...new Set(all.flatMap(({ from, to }) => [from, to + 1]))].sort((a, b) => a - b);
  const result: { of: CoverageInterval; from: Instant; to: Instant }[] = [];
  for (const [i, from] of bounds.entries()) {
    const to = (bounds[i + 1] ?? from) - 1;
    const there = all.filter((one) => one.from <= from && to <= one.to && from <= to);
    const last = result.at(-1);
    // An interval that is as good as another goes on: a table does not change its lane back and forth.
    const isOn = last && there.includes(last.of);
    const of = there.reduce<CoverageInterval | undefined>(
      (best, one) => (!best || compare(one, best) > 0 ? one : best),
      isOn ? last.of : undefined,
    );
    if (!of) continue;
    if (isOn && of === last.of) last.to = to;
    else if (last && last.to + 1 === from && isAlike(last.of, of, lanes))
      Object.assign(last, { of, to });
    else result.push({ of, from, to });
  }
  return result.map(({ of: { kept, ...interval }, from, to }) => {
    const inside = kept?.filter((one) => from <= one && one <= to) ?? [];
    return { ...interval, from, to, ...(inside.length > 0 ? { kept: inside } : {}) };
  });
}

/** True if two exact intervals of different lanes are one stretch: at the border both lanes watched the table. */
function isAlike(a: CoverageInterval, b: CoverageInterval, lanes: CoverageInterval[][]): boolean {
  const isSameLane = lanes.some((lane) => lane.includes(a) && lane.includes(b));
  const isPlain = [a, b].every((one) => one.class === "exact" && one.resolutionMs === undefined);
  return isPlain && !isSameLane && a.from <= b.to && b.from <= a.to + 1;
}
