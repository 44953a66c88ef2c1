import driver, { type Term } from "rethinkdb";

export type { Term };

/** The official driver's query builder. */
export const r = driver;

export function tableTerm(table: { db: string; name: string }): Term {
  return r.db(table.db).table!(table.name);
}

/** A value given as JSON text of the server. It goes back as these bytes: as a string of the driver it might be another. */
export function valueTerm(json: Buffer): Term {
  return r.json(r.binary(json).coerceTo!("string"));
}

export function systemTable(name: string): Term {
  return r.db("rethinkdb").table!(name);
}
