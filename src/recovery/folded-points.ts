/** Leaves out of a list of points what says nothing new: what an operation has caused itself, and copies of tables. */
import { liveNameOf } from "../restore/beside.js";
import { burstMin } from "./burst-counts.js";
import type { Point } from "./points.js";

export interface FoldedPoints {
  /** In the order of time. */
  points: Point[];
  /** By the id of an operation's point: the ids of its pin and its bursts, which are not listed. */
  folded: Map<string, string[]>;
  /** How many points of tables that a restore has made, or a swap has put aside, are left out. */
  ofCopies: number;
}

/**
 * @param points in the order of time
 * @param keepCopies true if points of tables beside live ones are wanted
 */
export function foldPoints(points: readonly Point[], keepCopies: boolean): FoldedPoints {
  const folded = new Map<string, string[]>();
  const hidden = new Set<Point>();
  const operations = points.filter(({ kind }) => kind === "undo" || kind === "rewind");
  const isOwn = ownBursts(operations);
  for (const operation of operations) {
    const own = points.filter((point) => isPinOf(operation, point) || isOwn(operation, point));
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

function isPinOf({ names }: Point, { id }: Point): boolean {
  return new RegExp(`^pin-before-(undo|rewind|undo-operation)-${names[0]}$`).test(id);
}

/**
 * Whether an operation has written a burst. What others wrote meanwhile does not make it theirs, unless it would be a
 * burst by itself: then the burst says something new.
 */
function ownBursts(operations: readonly Point[]): (operation: Point, point: Point) => boolean {
  return ({ id }, { burst }) => {
    if (!burst?.own.has(id)) return false;
    const own = operations.reduce((sum, one) => sum + (burst.own.get(one.id) ?? 0), 0);
    return burst.count - own < burstMin;
  };
}

/** A rename is about the live table too. */
function isOfCopy({ kind, table }: Point): boolean {
  if (table === undefined || kind === "rename") return false;
  return liveNameOf(table.slice(table.indexOf(".") + 1)) !== undefined;
}
