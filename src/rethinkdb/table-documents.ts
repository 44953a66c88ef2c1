/** Reads and replaces documents of one table by their keys, and makes them durable; held to the table's id. */
import { fieldName, JsonText, RowPlaces } from "../json-bytes.js";
import { type OrderCode, orderCode } from "../key-order.js";
import type { Connection } from "./connection.js";
import { guardedTerm, outcomesOf, queriesOf, type SentWrite, sentWrite } from "./guarded-write.js";
import { r, type Term, tableTerm, valueTerm } from "./reql.js";
import { heldTable, orReplaced, toldApart } from "./table-identity.js";
import type { TableReference } from "./table-reference.js";
import type { Durability, GuardedWrite, WriteOutcome } from "./target.js";

/** The documents of the keys, as copies of their texts, in the order of the keys; null where there is none. */
export async function readDocuments(
  connection: Connection,
  table: TableReference,
  keys: readonly Buffer[],
): Promise<(Buffer | null)[]> {
  const found = new Map<OrderCode, Buffer>();
  const index = orReplaced(table, table.primaryKey);
  const rows = heldTable(table).getAll!(...keys.map(valueTerm), { index });
  const places = new RowPlaces();
  const name = fieldName(table.primaryKey);
  try {
    for await (const response of connection.stream(rows)) {
      const { bytes, firstRow } = response;
      new JsonText(bytes).cutRows(firstRow, name, places);
      for (let at = 0; at < places.count; at += 1) {
        const document = Buffer.from(places.object(bytes, at));
        found.set(orderCode(places.value(bytes, at)), document);
      }
      connection.recycle(response);
    }
  } catch (error) {
    throw await toldApart(error, connection, table);
  }
  return keys.map((key) => found.get(orderCode(key)) ?? null);
}

/**
 * Carries guarded writes out; what became of each, in their order.
 * @param conditional makes a query of a term; see write-condition.ts
 */
export async function replaceDocuments(
  connection: Connection,
  table: TableReference,
  writes: readonly GuardedWrite[],
  durability: Durability,
  conditional: (term: string) => string,
): Promise<WriteOutcome[]> {
  const outcomes: WriteOutcome[] = [];
  const sent: SentWrite[] = [];
  const places: number[] = [];
  for (const [place, write] of writes.entries()) {
    const found = sentWrite(write);
    if (typeof found === "string" || "refused" in found) {
      outcomes[place] = found;
      continue;
    }
    sent.push(found);
    places.push(place);
  }
  let done = 0;
  for (const query of queriesOf(sent)) {
    const term = Buffer.from(conditional(guardedTerm(table, query, durability)), "latin1");
    for (const outcome of outcomesOf(await connection.answer(term), query)) {
      outcomes[places[done]!] = outcome;
      done += 1;
    }
  }
  return outcomes;
}

/**
 * Makes what was written to the table durable. The term takes no option, so the id is asked for before and after it: it
 * fails unless the name stood for the table at both times.
 */
export function syncTerm(table: TableReference): Term {
  return r.expr([orReplaced(table, true), tableTerm(table).sync!(), orReplaced(table, true)]);
}
