/**
 * The coverage of a table that was captured in several lanes. While it moves it is in two of them. Each lane's coverage
 * is proven by itself, so each instant has the best class that any lane gives it, and is restored from that lane.
 */
import { type CoverageClass, isSystemTable, systemTables } from "../../format/coverage-record.js";
import type { Instant } from "../../instant.js";
import { type CoverageInterval, isWhole, type PartlyLate, type TableCoverage } from "./coverage.js";
import type { Coverage } from "./coverage-reader.js";

/**
 * Worst first. A damaged instant says more than one of which nothing is known, and less than a gap, whose ends are
 * known.
 */
const classes: readonly CoverageClass[] = ["unwatched", "damaged", "gap", "late", "exact"];

/** Which of two intervals is the better one to restore from; positive if it is `a`. */
function compare(a: CoverageInterval, b: CoverageInterval): number {
  return (
    classes.indexOf(a.class) - classes.indexOf(b.class) ||
    (b.resolutionMs ?? 1) - (a.resolutionMs ?? 1) ||
    (a.kept?.length ?? 0) - (b.kept?.length ?? 0) ||
    (b.lateMs ?? 0) - (a.lateMs ?? 0)
  );
}

const always = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** The coverage of all lanes together. */
export interface JoinedCoverage extends Coverage {
  /** The lane from which a table, the catalog or access is taken at an instant; undefined if no lane knows it. */
  laneOf: (table: string, instant: Instant) => number | undefined;
}

/** A stretch of time that is restored from one lane. */
interface Stretch {
  from: Instant;
  to: Instant;
  lane: number;
}

/** The coverage of all lanes together. Each lane has a catalog of its own, of the whole cluster. */
export function joinedCoverage(lanes: Coverage[]): JoinedCoverage {
  const joined = new Map<string, TableCoverage>();
  const stretches = new Map<string, Stretch[]>();
  const ofLane = (lane: Coverage, id: string) =>
    isSystemTable(id) ? lane[id] : lane.tables.get(id);
  const ids = [...systemTables, ...lanes.flatMap((lane) => [...lane.tables.keys()])];
  for (const id of new Set(ids)) {
    const found = lanes.flatMap((one, lane) => {
      const coverage = ofLane(one, id);
      return coverage ? [{ lane, coverage: inLane(coverage, lane) }] : [];
    });
    if (found.length === 0) continue;
    const { coverage, parts } = joinedTable(found);
    joined.set(id, coverage);
    // Where nothing is covered, the first lane that knows it does.
    stretches.set(id, parts.length > 0 ? parts : [{ ...always, lane: found[0]!.lane }]);
  }
  const [catalog, access] = systemTables.map((id) => joined.get(id));
  const tables = new Map([...joined].filter(([id]) => !isSystemTable(id)));
  const laneOf = (table: string, instant: Instant) => {
    const parts = stretches.get(table);
    const part = parts?.find(({ from, to }) => from <= instant && instant <= to);
    return (part ?? parts?.at(-1))?.lane;
  };
  return { tables, catalog, access, laneOf };
}

/** The coverage with reasons that say in which lane an object is missing or damaged. */
function inLane(coverage: TableCoverage, lane: number): TableCoverage {
  if (lane === 0) return coverage;
  const intervals = coverage.intervals.map((one) => {
    return one.class === "damaged" ? { ...one, reason: `lane ${lane}: ${one.reason}` } : one;
  });
  return { ...coverage, intervals };
}

interface InLane {
  lane: number;
  coverage: TableCoverage;
}

function joinedTable(lanes: InLane[]): { coverage: TableCoverage; parts: Stretch[] } {
  const all = lanes.map(({ coverage }) => coverage);
  const now = all.reduce((best, one) => (isLater(one, best) ? one : best));
  if (lanes.length === 1) return { coverage: now, parts: [{ ...always, lane: lanes[0]!.lane }] };
  const { intervals, parts } = joinedIntervals(lanes);
  const frontiers = all.map(({ frontier }) => frontier).filter((one) => one !== undefined);
  const last = intervals.findLast(isWhole);
  const isOpen = now.openGap && (!last || last.to <= now.openGap.since);
  const continued = all.flatMap((one) => one.continued ?? []);
  const partlyLate = parts.flatMap((part) => partlyLateIn(part, lanes));
  const coverage: TableCoverage = {
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
    ...(partlyLate.length > 0 ? { partlyLate } : {}),
  };
  return { coverage, parts };
}

/** The spans of the stretch's lane, as far as they lie in the stretch. */
function partlyLateIn({ lane, from, to }: Stretch, lanes: InLane[]): PartlyLate[] {
  const spans = lanes.find((one) => one.lane === lane)?.coverage.partlyLate ?? [];
  return spans
    .map((span) => ({ ...span, since: Math.max(from, span.since), to: Math.min(to, span.to) }))
    .filter((span) => span.since <= span.to);
}

/** How much a state says of what a table is now. */
const says: Record<TableCoverage["state"], number> = {
  moved: 0,
  dropped: 1,
  gap: 1,
  stopped: 1,
  copying: 1,
  resyncing: 1,
  live: 2,
};

/** True if `a` tells what the table is now, rather than `b`. A lane that it has left tells the least. */
function isLater(a: TableCoverage, b: TableCoverage): boolean {
  if ((a.state === "moved") !== (b.state === "moved")) return b.state === "moved";
  if (a.watched !== b.watched) return a.watched;
  if (says[a.state] !== says[b.state]) return says[a.state] > says[b.state];
  return (a.frontier ?? -1) > (b.frontier ?? -1);
}

/** For each instant the best of the intervals that hold it, and its lane. */
function joinedIntervals(lanes: InLane[]): { intervals: CoverageInterval[]; parts: Stretch[] } {
  const all = lanes.flatMap(({ lane, coverage: { intervals } }) =>
    intervals.map((of) => ({ lane, of })),
  );
  const bounds = [...new Set(all.flatMap(({ of: { from, to } }) => [from, to + 1]))];
  bounds.sort((a, b) => a - b);
  const chosen: { lane: number; of: CoverageInterval; from: Instant; to: Instant }[] = [];
  for (const [i, from] of bounds.entries()) {
    const to = (bounds[i + 1] ?? from) - 1;
    const there = all.filter(({ of }) => of.from <= from && to <= of.to && from <= to);
    const last = chosen.at(-1);
    // An interval that is as good as another goes on: a table does not change its lane back and forth.
    const going = there.find(({ of }) => of === last?.of);
    let best = going;
    for (const one of there) if (!best || compare(one.of, best.of) > 0) best = one;
    if (best && best === going) last!.to = to;
    else if (best) chosen.push({ ...best, from, to });
  }
  const intervals: CoverageInterval[] = [];
  for (const [i, { of, lane, from, to }] of chosen.entries()) {
    const before = chosen[i - 1];
    const last = intervals.at(-1);
    const isOn = before && before.to + 1 === from && before.lane !== lane;
    if (last && isOn && isPlain(before.of) && isPlain(of)) last.to = to;
    else intervals.push(partOf(of, from, to));
  }
  return { intervals, parts: chosen.map(({ from, to, lane }) => ({ from, to, lane })) };
}

function partOf({ kept, ...interval }: CoverageInterval, from: Instant, to: Instant) {
  const inside = kept?.filter((one) => from <= one && one <= to) ?? [];
  return { ...interval, from, to, ...(inside.length > 0 ? { kept: inside } : {}) };
}

/** Two such intervals of different lanes are one stretch: at the border both lanes watched the table. */
function isPlain({ class: is, resolutionMs }: CoverageInterval): boolean {
  return is === "exact" && resolutionMs === undefined;
}
