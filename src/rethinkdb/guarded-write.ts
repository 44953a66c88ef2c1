/**
 * Terms that read and replace single documents. A replacement is guarded: inside one atomic `replace`, the server
 * compares the document with the text that it must have, and leaves it alone if it has another.
 *
 * Every character of the terms built here is one byte of the query.
 */
import { JsonText } from "../json-bytes.js";
import type { Response } from "./response.js";
import type { GuardedWrite, TableName, WriteOutcome } from "./target.js";

const terms = {
  makeArray: 2,
  variable: 10,
  db: 14,
  table: 15,
  get: 16,
  getAll: 78,
  delete: 54,
  eq: 17,
  replace: 55,
  branch: 65,
  func: 69,
  json: 98,
  toJsonString: 172,
} as const;

const row = `[${terms.variable},[1]]`;
const options = '{"durability":"hard","ignore_write_hook":true}';
/** What is not durable yet is written again. */
const soft = '{"durability":"soft","ignore_write_hook":true}';

export function guardedTerm(table: TableName, writes: readonly GuardedWrite[]): string {
  const replaces = writes.map(({ key, expected, document }) => {
    const guard = `[${terms.eq},[[${terms.toJsonString},[${row}]],${stringOf(expected)}]]`;
    const written = document === null ? "null" : `[${terms.json},[${stringOf(document)}]]`;
    const change = `[${terms.branch},[${guard},${written},${row}]]`;
    const func = `[${terms.func},[[${terms.makeArray},[1]],${change}]]`;
    return `[${terms.replace},[${rowTerm(table, key)},${func}],${options}]`;
  });
  return `[${terms.makeArray},[${replaces.join(",")}]]`;
}

/** The counts that the server answers a replacement with. */
interface Summary {
  inserted: number;
  replaced: number;
  deleted: number;
  errors: number;
  first_error?: string;
}

export function outcomesOf(response: Response): WriteOutcome[] {
  const [summaries] = response.rows() as [Summary[]];
  return summaries.map(({ inserted, replaced, deleted, errors, first_error: reason }) => {
    if (errors > 0) return { refused: String(reason) };
    return inserted + replaced + deleted > 0 ? "written" : "moved";
  });
}

/** Deletes the documents of some keys, without running a write hook. */
export function removalTerm(table: TableName, keys: readonly Buffer[]): string {
  const values = keys.map((key) => `[${terms.json},[${stringOf(key)}]]`);
  return `[${terms.delete},[[${terms.getAll},[${[tableTerm(table), ...values].join(",")}]]],${soft}]`;
}

export function documentsTerm(table: TableName, keys: readonly Buffer[]): string {
  return `[${terms.makeArray},[${keys.map((key) => rowTerm(table, key)).join(",")}]]`;
}

/** The documents of an answer, as copies of their texts, in the order of the keys; null where there is none. */
export function documentsOf({ bytes, firstRow }: Response): (Buffer | null)[] {
  const text = new JsonText(bytes);
  return [...text.items(firstRow)].map(({ start, end }) =>
    bytes[start] === 0x6e ? null : Buffer.from(bytes.subarray(start, end)),
  );
}

function rowTerm(table: TableName, key: Buffer): string {
  return `[${terms.get},[${tableTerm(table)},[${terms.json},[${stringOf(key)}]]]]`;
}

function tableTerm({ db, name }: TableName): string {
  return `[${terms.table},[[${terms.db},[${JSON.stringify(db)}]],${JSON.stringify(name)}]]`;
}

/** A JSON string of a text; what is absent has the text of null. */
function stringOf(text: Buffer | null): string {
  return JSON.stringify(text === null ? "null" : text.toString("latin1"));
}
