/**
 * Where fences are laid: ranges of keys of which each range shard of the table meets at least one, and which hold few
 * documents. Where the shards are split is not to be had, but the order in which documents come tells enough.
 *
 * Invariant: all that lies between two of the ranges lies in one range shard, which the lower of the two meets. Break it,
 * and a range shard without documents is behind no fence.
 */
import type { Term } from "rethinkdb";
import { fieldName, JsonText, RowPlaces } from "../json-bytes.js";
import { compareKeys } from "../key-order.js";
import type { Connection } from "./connection.js";
import { r, tableTerm, valueTerm } from "./reql.js";
import { heldTable, orReplaced } from "./table-identity.js";
import type { TableReference } from "./table-reference.js";

/** JSON texts of its first and last key; undefined for the end of the table. */
export interface KeyRange {
  from: Buffer | undefined;
  to: Buffer | undefined;
}

/** Ranges that are meant to meet every range shard, and what has to be shown for that. */
export interface FenceRanges {
  ranges: KeyRange[];
  /** Keys of the ranges. */
  anchors: Buffer[];
  /** First keys of ranges: each has to be in one range shard with an anchor before it. */
  begins: Buffer[];
}

/** A fence reads through the documents of its ranges, large ones too. Another range costs as much as many small ones. */
const fewDocuments = 100;

/** One row of each hash shard at a time, in the order of its keys. */
const oneRow = { max_batch_rows: 1 };

/**
 * The table cut where many documents follow on the first key of a hash shard, up to the last one before the next such
 * key. Undefined if documents were written meanwhile where none were.
 */
export async function chooseRanges(
  connection: Connection,
  table: TableReference,
): Promise<FenceRanges | undefined> {
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
 * Whether the ranges meet every range shard, as long as the table is not sharded anew. Each key that a range begins with
 * has to come after an anchor in one hash shard: then both are in one range shard, and so is all that lies between. The
 * first response holds the first key of each hash shard, of those asked for.
 */
export async function areMet(
  connection: Connection,
  table: TableReference,
  { anchors, begins }: FenceRanges,
): Promise<boolean> {
  if (begins.length === 0) return true;
  const asked = tableTerm(table).getAll!(...[...anchors, ...begins].map(valueTerm));
  const [first = [], ...later] = await readKeys(connection, table, asked, oneRow);
  const isIn = (keys: Buffer[], key: Buffer) => keys.some((one) => one.equals(key));
  return begins.every((begin) => !isIn(first, begin) && isIn(later.flat(), begin));
}

/** The documents of a range, its last key included; its first one unless that is left out. */
export function between(
  table: TableReference,
  { from, to }: KeyRange,
  bounds: "closed" | "open" = "closed",
): Term {
  const low = from ? valueTerm(from) : r.minval;
  const high = to ? valueTerm(to) : r.maxval;
  return tableTerm(table).between!(low, high, { leftBound: bounds, rightBound: bounds });
}

/** The same, if the name stands for the table; else the query fails. */
export function heldBetween(table: TableReference, { from, to }: KeyRange): Term {
  const low = from ? valueTerm(from) : r.minval;
  const high = to ? valueTerm(to) : r.maxval;
  const leftBound = orReplaced(table, "closed");
  return heldTable(table).between!(low, high, { leftBound, rightBound: "closed" });
}

/** The last document of many; none of few. */
function lastOfMany(stretch: Term, { primaryKey }: TableReference): Term {
  const isMany = stretch.pluck!(primaryKey).limit!(fewDocuments + 1).count!().gt!(fewDocuments);
  const last = stretch.orderBy!({ index: r.desc(primaryKey) }).limit!(1);
  return r.branch(isMany, last, stretch.limit!(0));
}

/** The keys that a read gives, by response; of the first responses only, if so many are given. */
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
