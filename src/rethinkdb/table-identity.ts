/**
 * Holds a query to a table. ReQL names a table; the server looks the name up once for each place where it stands in a
 * query, and no row says which table it is from. Asking for the id in another query proves nothing: in between, a name
 * may come to stand for another table and back. So the id is asked for within the term that reads, right after the name
 * was looked up.
 *
 * Seen in the server's source and live on 2.4.4: A term's first argument is looked up before anything else of the term
 * is evaluated, options included. A name is looked up in what the query's own thread knows, and nothing else runs on
 * that thread meanwhile. Only a table that the thread has not used for a minute makes the query wait, after the
 * look-up.
 *
 * Invariant: between the name in `heldTable` and the name in `orReplaced` nothing may be evaluated that makes the query
 * wait. Break it, and a table gets another table's rows, and nobody notices.
 */
import type { Term } from "rethinkdb";
import type { Connection } from "./connection.js";
import { r, tableTerm } from "./reql.js";
import { ReqlError } from "./response.js";
import { type TableReference, TableReplaced } from "./table-reference.js";

/**
 * How often the name is looked up before the look-up that counts. If a look-up finds a table that is ready, the next
 * one finds the same table. So for the rows to be another table's, so many other tables and one more must have had the
 * name in turn, all of them not ready.
 */
const lookUpsBefore = 3;
const replaced = "the name stands for another table";

/**
 * The table, as the first argument of a term whose first evaluated option is `orReplaced`. The server lets other
 * queries run after each 256 terms of a query, so only few terms may come before that option.
 */
export function heldTable(table: TableReference, options: { readMode?: string } = {}): Term {
  const { db, name } = table;
  const before = Array.from({ length: lookUpsBefore }, () => tableTerm(table).typeOf!());
  return r.db(r.expr([...before, db]).nth!(lookUpsBefore)).table!(name, options);
}

/** The value of an option if the name stands for the table; otherwise the term fails. */
export function orReplaced(table: TableReference, value: unknown): Term {
  return ifHeld(idTerm(table), table, value);
}

/**
 * The same for a user that may configure the table, as one that made it may. `config` takes the id when it is given the
 * name, and does not count documents as `info` does: a server that is being written to answers that late.
 */
export function orReplacedForItsMaker(table: TableReference, value: unknown): Term {
  return ifHeld(tableTerm(table).config!().bracket!("id"), table, value);
}

function ifHeld(id: Term, table: TableReference, value: unknown): Term {
  return r.branch(id.eq!(table.id), value, r.error(replaced));
}

/** The id of the table that the name stands for now. */
export function idTerm(table: { db: string; name: string }): Term {
  return tableTerm(table).info!().bracket!("id");
}

/**
 * Why a query by a table's name failed: TableReplaced if the table has been replaced, else the error itself. Any error
 * may mean a replaced table: one with another primary key has no index of this name, and its rows lack this key.
 */
export async function toldApart(
  error: unknown,
  connection: Connection,
  table: TableReference,
): Promise<unknown> {
  if (isReplaced(error)) return new TableReplaced(table);
  const found = await checkIdentity(connection, table).catch((other: unknown) => other);
  return found instanceof TableReplaced ? found : error;
}

/** True for the error of a term that `orReplaced` made fail. */
export function isReplaced(error: unknown): boolean {
  return error instanceof ReqlError && error.message.includes(replaced);
}

/** Throws TableReplaced if the name does not stand for the table now. This tells nothing about any other moment. */
export async function checkIdentity(connection: Connection, table: TableReference): Promise<void> {
  const id = await connection.value<string>(idTerm(table));
  if (id !== table.id) throw new TableReplaced(table);
}
