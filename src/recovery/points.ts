/** Instants worth choosing: what somebody would like to go back to right before. */
import { sha256 } from "../digest.js";
import { formatDuration, type Instant } from "../instant.js";
import { asOf } from "../repository/coverage/as-of.js";
import { lastUnchanged } from "../repository/coverage/catalog-for.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import { listDrills, readDrill } from "../repository/records/drills.js";
import { listMarks } from "../repository/records/marks.js";
import { listOperations } from "../repository/records/operations.js";
import type { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Burst } from "./activity.js";
import { type CatalogChange, catalogChanges } from "./catalog-changes.js";

export interface Point {
  /** Stays the same as long as the point is known, such as `drop-3f2a91`. */
  id: string;
  kind: string;
  /** When it happened; of a burst, its first change; of the catalog's, when it was read. */
  at: Instant;
  /**
   * The last instant before it; of a drop, the last one at which the table was proven. Pins and drills are about an
   * instant that can be restored, and stand for that one itself.
   */
  before: Instant;
  /** "db.table", if it is about one table. */
  table?: string;
  text: string;
  /** What else names it after `before:`. */
  names: string[];
}

/** Ids of tables by the names that they have or had last. */
export type TableNames = ReadonlyMap<string, string>;

/** Drops, renames, and changes of indexes, write hooks and configurations; and the names of all tables. */
export async function catalogPoints(
  view: RepositoryView,
): Promise<{ points: Point[]; names: TableNames }> {
  const { changes, names } = await catalogChanges(view);
  const coverage = await view.coverage();
  const points = changes.map((change) => pointOfChange(change, coverage));
  for (const point of points.filter(({ kind }) => kind === "dropdb")) {
    const within = points.filter(
      ({ kind, at, table }) =>
        kind === "drop" &&
        Math.abs(at - point.at) < 60_000 &&
        table!.startsWith(`${point.names[0]}.`),
    );
    point.before = Math.min(point.before, ...within.map(({ before }) => before));
    point.names = [];
  }
  return { points, names };
}

function pointOfChange(change: CatalogChange, coverage: Coverage): Point {
  const { kind, key, at, id, table, text } = change;
  // It happened some time before a reading of the catalog has found it.
  const before = lastUnchanged(coverage, id, at - 1);
  // A feed ends before the catalog tells of the drop: in between nothing was proven.
  const last =
    kind === "drop" ? asOf(coverage.tables.get(id), before, "before", true).instant : undefined;
  return {
    id: `${kind}-${sha256(Buffer.from(`${kind} ${key} ${at}`)).slice(0, 6)}`,
    kind,
    at,
    before: last ?? before,
    ...(table === undefined ? {} : { table }),
    text,
    names: kind === "dropdb" ? [change.database!] : [],
  };
}

/** Its id holds its time, so that nothing needs to be counted again to know when it was. */
export function pointOfBurst({ kind, table, from, to, count }: Burst, names: TableNames): Point {
  const name = names.get(table) ?? table;
  const what = kind === "deletes" ? "deleted" : "overwritten";
  return {
    id: `${kind}-${from.toString(36)}-${sha256(Buffer.from(table)).slice(0, 2)}`,
    kind,
    at: from,
    before: from - 1,
    table: name,
    text: `${count} documents ${what} in ${formatDuration(to - from)}`,
    names: [],
  };
}

/** The instant in the id of a burst; undefined for any other text. */
export function instantOfBurst(id: string): Instant | undefined {
  const match = /^(?:deletes|overwrites)-([0-9a-z]{7,9})-[0-9a-f]{2}$/.exec(id);
  return match ? Number.parseInt(match[1]!, 36) : undefined;
}

/** Marks, pins and operations of instants from `from` up to and including `to`. */
export async function notedPoints(
  view: RepositoryView,
  store: ObjectStore,
  from: Instant,
  to: Instant,
): Promise<Point[]> {
  const points = [
    ...(await markPoints(store, from, to)),
    ...(await pinPoints(view)),
    ...(await operationPoints(store)),
  ];
  return points.filter(({ at }) => from <= at && at <= to);
}

async function markPoints(store: ObjectStore, from: Instant, to: Instant): Promise<Point[]> {
  return (await listMarks(store, from, to)).map(({ id, at, text }) => {
    return { id: `mark-${id}`, kind: "mark", at, before: at - 1, text, names: [text] };
  });
}

async function pinPoints(view: RepositoryView): Promise<Point[]> {
  return (await view.pins()).map(({ name, at, note }) => {
    const text = note === undefined ? name : `${name}: ${note}`;
    return { id: `pin-${name}`, kind: "pin", at, before: at, text, names: [name] };
  });
}

async function operationPoints(store: ObjectStore): Promise<Point[]> {
  const operations = await listOperations(store);
  const first = operations.filter(({ round }) => round === 1);
  return first.map(({ id, type, made, name, description }) => {
    const kind = type === "rewind" ? "rewind" : "undo";
    const point = { id: `${kind}-${id}`, kind, at: made, before: made - 1, table: name };
    return { ...point, text: `${type}: ${description}`, names: [id] };
  });
}

/** Drills that have restored an instant from `from` up to and including `to`. */
export async function drillPoints(
  store: ObjectStore,
  from: Instant,
  to: Instant,
): Promise<Point[]> {
  const points: Point[] = [];
  for (const name of await listDrills(store)) {
    const { unique, ended, instant: at, ok, tables } = await readDrill(store, name);
    // The newest come first, and a drill restores an instant before its end.
    if (ended < from) break;
    if (at < from || at > to) continue;
    const what = ok ? "found equal" : "FOUND DIFFERENT";
    const count = tables.length === 1 ? "1 table" : `${tables.length} tables`;
    const text = `drill: ${count} restored and ${what}`;
    points.push({ id: `drill-${unique}`, kind: "drill", at, before: at, text, names: [] });
  }
  return points;
}
