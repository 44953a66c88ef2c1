/** Leaves out of a list of points what says nothing new: what an operation has caused itself, and copies of tables. */
import type { Instant } from "../instant.js";
import { liveNameOf } from "../restore/beside.js";
import type { Point } from "./points.js";

export interface FoldedPoints {
  /** In the order of time. */
  points: Point[];
  /** By the id of an operation's point: the ids of its pin and its bursts, which are not listed. */
  folded: Map<string, string[]>;
  /** How many points of tables that a restore has made, or a swap has put aside, are left out. */
  ofCopies: number;
}

/** By how much the clock of an operation's machine and the log's time may differ. */
const clocksMs = 5000;

/**
 * @param points in the order of time
 * @param keepCopies true if points of tables beside live ones are wanted
 */
export function foldPoints(points: readonly Point[], keepCopies: boolean): FoldedPoints {
  const folded = new Map<string, string[]>();
  const hidden = new Set<Point>();
  for (const operation of points.filter(({ written }) => written)) {
    const own = ownOf(operation, points);
    for (const point of own) hidden.add(point);
    folded.set(
      operation.id,
      own.map(({ id }) => id),
    );
  }
  const isWanted = (point: Point) => keepCopies || !isOfCopy(point);
  const rest = points.filter((point) => !hidden.has(point));
  const kept = rest.filter(isWanted);
  return { points: kept, folded, ofCopies: rest.length - kept.length };
}

/** The point before which somebody wants to go back, most probably: the newest drop or burst, else the newest. */
export function likeliest(points: readonly Point[]): Point | undefined {
  return (
    points.findLast(({ kind, burst }) => burst || kind === "drop" || kind === "dropdb") ??
    points.at(-1)
  );
}

/** Its pin, and bursts while it ran, of no more documents of a table than it was to change there. */
function ownOf({ at, names, written }: Point, points: readonly Point[]): Point[] {
  const pin = new RegExp(`^pin-before-(undo|rewind|undo-operation)-${names[0]}$`);
  const { ended = at, documents } = written!;
  const left = new Map(documents);
  return points.filter((point) => {
    if (point.kind === "pin") return pin.test(point.id);
    if (!point.burst || !isIn(point, at - clocksMs, ended + clocksMs)) return false;
    const count = left.get(point.tableId!) ?? 0;
    if (point.burst.count > count) return false;
    left.set(point.tableId!, count - point.burst.count);
    return true;
  });
}

const isIn = ({ at, burst }: Point, from: Instant, to: Instant) => from <= at && burst!.to <= to;

/** A rename is about the live table too. */
function isOfCopy({ kind, table }: Point): boolean {
  if (table === undefined || kind === "rename") return false;
  return liveNameOf(table.slice(table.indexOf(".") + 1)) !== undefined;
}
