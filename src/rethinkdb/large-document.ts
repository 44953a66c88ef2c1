/**
 * Writes a document whose text is too large for one query. Its row first holds the text in pieces, each sent in a query
 * of its own. Then the server joins the pieces, parses the text, and replaces the row. Every character of the terms
 * built here is one byte of the query.
 *
 * Invariant: a row that holds pieces is replaced or deleted before the write ends. Break it and a restored table has
 * a document that never existed.
 */
import { changeTerm, insertTerm, nameText, row } from "./guarded-write.js";
import type { TableReference } from "./table-reference.js";

const terms = { add: 24, append: 29, getField: 31, json: 98, args: 154 } as const;

/** The terms that write one document, in the order to run them. If one of them is refused, the row MUST be deleted. */
export function* largeDocumentTerms(
  table: TableReference,
  key: Buffer,
  document: Buffer,
  pieceBytesMax: number,
): Generator<string> {
  const field = JSON.stringify(table.primaryKey === "pieces" ? "pieces of it" : "pieces");
  const pieces = `[${terms.getField},[${row},${field}]]`;
  const primary = nameText(table.primaryKey);
  yield insertTerm(table, [
    Buffer.from(`{${primary}:${key.toString("latin1")},${field}:[]}`, "latin1"),
  ]);
  for (const piece of piecesOf(document, pieceBytesMax)) {
    const text = JSON.stringify(piece.toString("latin1"));
    yield changeTerm("update", table, key, `{${field}:[${terms.append},[${pieces},${text}]]}`);
  }
  const whole = `[${terms.add},[[${terms.args},[${pieces}]]]]`;
  yield changeTerm("replace", table, key, `[${terms.json},[${whole}]]`);
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
