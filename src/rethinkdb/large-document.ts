/**
 * Writes a document whose text is too large for one query. Its row first holds the text in pieces, each sent in a query
 * of its own. Then the server joins the pieces, parses the text, and replaces the row. Every character of the terms
 * built here is one byte of the query.
 *
 * Invariant: a row that holds pieces is replaced or deleted before the write ends. Break it and a restored table has
 * a document that never existed.
 */
import type { KeyedTable } from "./target.js";

const terms = {
  args: 154,
  db: 14,
  table: 15,
  get: 16,
  add: 24,
  append: 29,
  bracket: 31,
  update: 53,
  delete: 54,
  replace: 55,
  insert: 56,
  func: 69,
  makeArray: 2,
  variable: 10,
  json: 98,
} as const;

const options = '{"durability":"soft","ignore_write_hook":true}';
const row = `[${terms.variable},[1]]`;

/** A term that writes documents. They travel as one JSON text, which the server parses at once, not as many terms. */
export function insertTerm(table: { db: string; name: string }, documents: Buffer[]): string {
  const texts = documents.map((document) => document.toString("latin1"));
  const json = jsonTerm(`[${texts.join(",")}]`);
  return `[${terms.insert},[${tableTerm(table)},${json}],{"conflict":"replace",${options.slice(1)}]`;
}

/** The terms that write one document, in the order to run them. If one of them is refused, `undoTerm` MUST be run. */
export function* largeDocumentTerms(
  table: KeyedTable,
  key: Buffer,
  document: Buffer,
  pieceBytesMax: number,
): Generator<string> {
  const field = JSON.stringify(table.primaryKey === "pieces" ? "pieces of it" : "pieces");
  const pieces = `[${terms.bracket},[${row},${field}]]`;
  const primary = Buffer.from(JSON.stringify(table.primaryKey)).toString("latin1");
  yield insertTerm(table, [
    Buffer.from(`{${primary}:${key.toString("latin1")},${field}:[]}`, "latin1"),
  ]);
  for (const piece of piecesOf(document, pieceBytesMax)) {
    const text = JSON.stringify(piece.toString("latin1"));
    yield changeTerm(terms.update, table, key, `{${field}:[${terms.append},[${pieces},${text}]]}`);
  }
  const whole = `[${terms.add},[[${terms.args},[${pieces}]]]]`;
  yield changeTerm(terms.replace, table, key, `[${terms.json},[${whole}]]`);
}

/** A term that deletes what an unfinished write has left. */
export function undoTerm(table: KeyedTable, key: Buffer): string {
  return `[${terms.delete},[${rowTerm(table, key)}],${options}]`;
}

/** Cuts only between characters, because the server refuses a text that ends within one. */
export function* piecesOf(document: Buffer, bytesMax: number): Generator<Buffer> {
  for (let from = 0; from < document.length; ) {
    let to = Math.min(from + bytesMax, document.length);
    while (to < document.length && (document[to]! & 0xc0) === 0x80) to -= 1;
    yield document.subarray(from, to);
    from = to;
  }
}

function changeTerm(term: number, table: KeyedTable, key: Buffer, body: string): string {
  const change = `[${terms.func},[[${terms.makeArray},[1]],${body}]]`;
  return `[${term},[${rowTerm(table, key)},${change}],${options}]`;
}

function rowTerm(table: KeyedTable, key: Buffer): string {
  return `[${terms.get},[${tableTerm(table)},${jsonTerm(key.toString("latin1"))}]]`;
}

function jsonTerm(text: string): string {
  return `[${terms.json},[${JSON.stringify(text)}]]`;
}

function tableTerm({ db, name }: { db: string; name: string }): string {
  return `[${terms.table},[[${terms.db},[${JSON.stringify(db)}]],${JSON.stringify(name)}]]`;
}
