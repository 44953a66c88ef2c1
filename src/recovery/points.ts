/** Instants worth choosing: what somebody would like to go back to right before. */
import { counted, formatCount } from "../count-text.js";
import { sha256 } from "../digest.js";
import { parseDrillName } from "../format/names.js";
import { formatDuration, type Instant } from "../instant.js";
import { asOf } from "../repository/coverage/as-of.js";
import { lastUnchanged } from "../repository/coverage/catalog-for.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import { type Drill, listDrills, readDrill } from "../repository/records/drills.js";
import { listMarks, type Mark } from "../repository/records/marks.js";
import { listOperationNames, type NamedOperation } from "../repository/records/operation-names.js";
import { type Operation, readOperation, recordingMsMax } from "../repository/records/operations.js";
import type { Pin } from "../repository/registers/pins.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Burst } from "./activity.js";
import type { BurstExtent } from "./burst-counts.js";
import { type CatalogChange, catalogChanges } from "./catalog-changes.js";
import { burstId, operationPointId } from "./point-ids.js";

export interface Point {
  /** Stays the same as long as the point is known, such as `drop-3f2a91`. */
  id: string;
  kind: string;
  /** When it happened; of a burst, its first change; of the catalog's, when it was read. */
  at: Instant;
  /**
   * The last instant before it; of a drop, the last one at which the table was proven; of an operation, the one that
   * was pinned. Pins and drills are about an instant that can be restored, and stand for that one itself.
   */
  before: Instant;
  /** "db.table" as it was called then, and its id, if it is about one table. */
  table?: string;
  tableId?: string;
  /** The same for those that may be about several. */
  tables?: string[];
  tableIds?: string[];
  text: string;
  /** What else names it after `before:`. */
  names: string[];
  /** Of a burst. */
  burst?: Pick<BurstExtent, "to" | "count" | "own">;
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
    ...(table === undefined ? {} : { table, tableId: id }),
    text,
    names: kind === "dropdb" ? [change.database!] : [],
  };
}

export function pointOfBurst(burst: Burst, names: TableNames): Point {
  const { kind, table, from, to, count, own } = burst;
  const what = kind === "deletes" ? "deleted" : "overwritten";
  return {
    id: burstId(kind, table, from),
    kind,
    at: from,
    before: from - 1,
    table: names.get(table) ?? table,
    tableId: table,
    text: `${counted(count, "document")} ${what} in ${formatDuration(to - from)}${ownText(own)}`,
    names: [],
    burst: { to, count, own },
  };
}

const ownText = (own: BurstExtent["own"]) =>
  [...own].map(([id, count]) => `, ${formatCount(count)} of them by ${id}`).join("");

/** Marks, pins and operations of instants from `from` up to and including `to`. */
export async function notedPoints(
  view: RepositoryView,
  store: ObjectStore,
  from: Instant,
  to: Instant,
): Promise<Point[]> {
  const pins = (await view.pins()).map(pointOfPin);
  return [
    ...(await listMarks(store, from, to)).map(pointOfMark),
    ...pins.filter(({ at }) => from <= at && at <= to),
    ...(await operationPoints(store, from, to)),
  ];
}

export const pointOfMark = ({ id, at, text }: Mark): Point => {
  return { id: `mark-${id}`, kind: "mark", at, before: at - 1, text, names: [text] };
};

export const pointOfPin = ({ name, at, note }: Pin): Point => {
  const text = note === undefined ? name : `${name}: ${note}`;
  return { id: `pin-${name}`, kind: "pin", at, before: at, text, names: [name] };
};

export const pointOfOperation = (operation: Operation): Point => {
  const { id, type, begun, pinned, table, name, description } = operation;
  const kind = type === "rewind" ? "rewind" : "undo";
  const about = { id: operationPointId(operation), kind, at: begun, before: pinned ?? begun - 1 };
  return {
    ...about,
    tables: [name],
    tableIds: [table],
    text: `${type}: ${description}`,
    names: [id],
  };
};

/** One point for each operation, with the tables of all its rounds. */
async function operationPoints(store: ObjectStore, from: Instant, to: Instant): Promise<Point[]> {
  const names = await listOperationNames(store);
  // An operation stands where its first round does, however much later further ones were made.
  const begun = new Map(names.toReversed().map(({ id, made }) => [id, made]));
  // What takes long to record is written long after the time of its name.
  const wanted = names.filter(({ id }) => {
    const made = begun.get(id)!;
    return from - recordingMsMax <= made && made <= to;
  });
  const points = new Map<string, Point>();
  const read = ({ name }: NamedOperation) => readOperation(store, name);
  for await (const operation of severalAtOnce(wanted, readsAtOnce, read)) {
    const point = pointOfOperation(operation);
    const known = points.get(operation.id) ?? point;
    const all = (of: "tables" | "tableIds") => [...new Set([...known[of]!, ...point[of]!])];
    points.set(operation.id, { ...known, tables: all("tables"), tableIds: all("tableIds") });
  }
  return [...points.values()].filter(({ at }) => from <= at && at <= to);
}

export const pointOfDrill = ({ unique, instant: at, ok, tables }: Drill): Point => {
  const what = ok ? "found equal" : "FOUND DIFFERENT";
  const count = tables.length === 1 ? "1 table" : `${tables.length} tables`;
  const text = `drill: ${count} restored and ${what}`;
  return { id: `drill-${unique}`, kind: "drill", at, before: at, text, names: [] };
};

/** Drills that have restored an instant from `from` up to and including `to`. */
export async function drillPoints(
  store: ObjectStore,
  from: Instant,
  to: Instant,
): Promise<Point[]> {
  // A drill restores an instant before its end.
  const wanted = (await listDrills(store)).filter((name) => {
    return (parseDrillName(name)?.ended ?? from) >= from;
  });
  const points: Point[] = [];
  const reading = severalAtOnce(wanted, readsAtOnce, (name) => readDrill(store, name));
  for await (const drill of reading) points.push(pointOfDrill(drill));
  return points.filter(({ at }) => from <= at && at <= to);
}
