/**
 * Chooses where fences are laid: ranges of keys that hold few documents, and of which at least one meets each range
 * shard of the table. The server does not tell where the shards are split, but the order in which documents come tells
 * enough.
 *
 * Invariant: all keys between two neighbouring ranges lie in one range shard, and the lower of the two ranges meets
 * that shard. Break it, and a range shard without documents is behind no fence.
 */
import type { Term } from "rethinkdb";
import { fieldName, JsonText, RowPlaces } from "../json-bytes.js";
import { compareKeys } from "../key-order.js";
import type { Connection } from "./connection.js";
import { r, tableTerm, valueTerm } from "./reql.js";
import { heldTable, orReplaced } from "./table-identity.js";
import type { TableReference } from "./table-reference.js";

/** JSON texts of the range's first and last key; undefined for the end of the table. */
export interface KeyRange {
  from: Buffer | undefined;
  to: Buffer | undefined;
}

/** Ranges that should meet every range shard, and the keys that have to be compared to show it. */
export interface FenceRanges {
  ranges: KeyRange[];
  /** The first key of each hash shard; all lie in the ranges. */
  anchors: Buffer[];
  /** The first keys of ranges: each must be in one range shard with an anchor before it. */
  begins: Buffer[];
}

/**
 * At most so many documents between two anchors are few. A fence reads through the documents of its ranges, large ones
 * too; but another range costs as much as many small documents.
 */
const fewDocuments = 100;

/** Makes each response hold one row of each hash shard, in the order of its keys. */
const oneRow = { max_batch_rows: 1 };

/**
 * A table that holds few documents is one range. Another one is cut at each stretch between two anchors that holds
 * many: one range ends with the anchor before the stretch, and the next begins with the stretch's last document.
 * Undefined if many documents were written meanwhile before the first anchor, where there were none.
 */
export async function chooseRanges(
  connection: Connection,
  table: TableReference,
): Promise<FenceRanges | undefined> {
  const isMany = await connection.value<boolean>(holdsMany(tableTerm(table), table));
  if (!isMany) return { ranges: [{ from: undefined, to: undefined }], anchors: [], begins: [] };
  const [anchors = []] = await readKeys(connection, table, tableTerm(table), oneRow, 1);
  anchors.sort(compareKeys);
  const bounds = [undefined, ...anchors, undefined];
  const stretches = bounds.slice(1).map((to, i) => between(table, { from: bounds[i], to }, "open"));
  const lasts = r.union(...stretches.map((stretch) => lastOfMany(stretch, table)));
  const begins = (await readKeys(connection, table, lasts)).flat();
  const ranges: KeyRange[] = [{ from: undefined, to: undefined }];
  for (const begin of begins.sort(compareKeys)) {
    const to = anchors.findLast((anchor) => compareKeys(anchor, begin) < 0);
    if (!to) return undefined;
    ranges.at(-1)!.to = to;
    ranges.push({ from: begin, to: undefined });
  }
  return { ranges, anchors, begins };
}

/**
 * Whether the ranges meet every range shard, which then holds until the table is sharded anew. Each key that a range
 * begins with must come after an anchor in the same hash shard: then both are in one range shard, and so is all that
 * lies between them. Of the keys asked for, the first response holds the first one of each hash shard.
 */
export async function areMet(
  connection: Connection,
  table: TableReference,
  { anchors, begins }: FenceRanges,
): Promise<boolean> {
  if (begins.length === 0) return true;
  const asked = tableTerm(table).getAll!(...[...anchors, ...begins].map(valueTerm));
  const [first = [], ...later] = await readKeys(connection, table, asked, oneRow);
  const isIn = (keys: Buffer[], key: Buffer) => keys.some((other) => other.equals(key));
  return begins.every((begin) => !isIn(first, begin) && isIn(later.flat(), begin));
}

/** The documents of a range: with its first and last key, or, if the bounds are open, without both. */
export function between(
  table: TableReference,
  { from, to }: KeyRange,
  bounds: "closed" | "open" = "closed",
): Term {
  const low = from ? valueTerm(from) : r.minval;
  const high = to ? valueTerm(to) : r.maxval;
  return tableTerm(table).between!(low, high, { leftBound: bounds, rightBound: bounds });
}

/** The documents of a range, first and last key included. If the name does not stand for the table, the query fails. */
export function heldBetween(table: TableReference, { from, to }: KeyRange): Term {
  const low = from ? valueTerm(from) : r.minval;
  const high = to ? valueTerm(to) : r.maxval;
  const leftBound = orReplaced(table, "closed");
  return heldTable(table).between!(low, high, { leftBound, rightBound: "closed" });
}

/** The stretch's last document if it holds many; no document if it holds few. */
function lastOfMany(stretch: Term, table: TableReference): Term {
  const last = stretch.orderBy!({ index: r.desc(table.primaryKey) }).limit!(1);
  return r.branch(holdsMany(stretch, table), last, stretch.limit!(0));
}

function holdsMany(stretch: Term, { primaryKey }: TableReference): Term {
  return stretch.pluck!(primaryKey).limit!(fewDocuments + 1).count!().gt!(fewDocuments);
}

/** The keys that a read gives, by response; only those of the first `responsesMax` responses. */
async function readKeys(
  connection: Connection,
  { primaryKey }: TableReference,
  term: Term,
  options: { max_batch_rows?: number } = {},
  responsesMax = Number.POSITIVE_INFINITY,
): Promise<Buffer[][]> {
  const stream = connection.stream(term.pluck!(primaryKey), options);
  const responses: Buffer[][] = [];
  const rows = new RowPlaces();
  try {
    for await (const { bytes, firstRow } of stream) {
      new JsonText(bytes).cutRows(firstRow, fieldName(primaryKey), rows);
      responses.push(rows.values(bytes));
      if (responses.length === responsesMax) break;
    }
  } finally {
    await stream.return();
  }
  return responses;
}
