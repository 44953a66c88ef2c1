import driver, { type Term } from "rethinkdb";

/** The official driver's query builder. */
export const r = driver;

export function tableTerm(table: { db: string; name: string }): Term {
  return r.db(table.db).table!(table.name);
}

export function systemTable(name: string): Term {
  return r.db("rethinkdb").table!(name);
}
