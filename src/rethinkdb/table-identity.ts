/**
 * Holding a query to a table. ReQL names a table; the server looks the name up once for each place where it stands in a
 * query, and no row says whose it is. Asking for the id in another query proves nothing: a name may come to stand for
 * another table and back in between. So the id is asked for within the term that reads, right after the name was looked up.
 *
 * Seen in the server's source and live on 2.4.4: a term's first argument is looked up before anything else of the term is
 * evaluated, an option included; a name is looked up in what the query's own thread knows, and nothing else runs on that
 * thread meanwhile; only a table that the thread has not used for a minute makes the query wait, after it was looked up.
 *
 * Invariant: between the name in `heldTable` and the one in `orReplaced` nothing may be evaluated that makes the query wait.
 * Break it, and a table gets another one's rows, and nobody hears of it.
 */
import type { Term } from "rethinkdb";
import type { Connection } from "./connection.js";
import { r, tableTerm } from "./reql.js";
import { ReqlError } from "./response.js";
import { type TableReference, TableReplaced } from "./table-reference.js";

/**
 * So often the name is looked up before. A look-up that finds a table which is ready finds what the next one finds: for the
 * rows to be another table's, so many others and one more must have had the name in turn, all of them not ready.
 */
const lookUpsBefore = 3;
const replaced = "the name stands for another table";

/**
 * The table, as the first argument of a term that has `orReplaced` for the option that it evaluates first. The server lets
 * others run after each 256 terms of a query, so not many may come before it there.
 */
export function heldTable(table: TableReference, options: { readMode?: string } = {}): Term {
  const { db, name } = table;
  const before = Array.from({ length: lookUpsBefore }, () => tableTerm(table).typeOf!());
  return r.db(r.expr([...before, db]).nth!(lookUpsBefore)).table!(name, options);
}

/** The value of an option, if the name stands for the table; else the term fails. */
export function orReplaced(table: TableReference, value: unknown): Term {
  return r.branch(idTerm(table).eq!(table.id), value, r.error(replaced));
}

/** The id of the table that the name stands for now. */
export function idTerm(table: { db: string; name: string }): Term {
  return tableTerm(table).info!().bracket!("id");
}

/**
 * Why something failed that was asked of a table by its name: that it has been replaced, if it has. One with another
 * primary key has no index of this one's name, and no row of it has this one's key.
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

/** Whether it is what a term fails with that `orReplaced` ends. */
export function isReplaced(error: unknown): boolean {
  return error instanceof ReqlError && error.message.includes(replaced);
}

/** Whether the name stands for the table now: of another moment that tells nothing. */
export async function checkIdentity(connection: Connection, table: TableReference): Promise<void> {
  const id = await connection.value<string>(idTerm(table));
  if (id !== table.id) throw new TableReplaced(table);
}
