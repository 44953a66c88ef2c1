import driver, { type Term } from "rethinkdb";

export type { Term };

/** The official driver's query builder. */
export const r = driver;

export function tableTerm(table: { db: string; name: string }): Term {
  return r.db(table.db).table!(table.name);
}

/** A value given as the server's JSON text. It goes back as the same bytes; the driver's strings might change it. */
export function valueTerm(json: Buffer): Term {
  return r.json(r.binary(json).coerceTo!("string"));
}

export function systemTable(name: string): Term {
  return r.db("rethinkdb").table!(name);
}

/** The term for a binary pseudo type of the catalog. */
export function binaryTerm(pseudoType: object): Term {
  const { data } = pseudoType as { data: string };
  return r.binary(Buffer.from(data, "base64"));
}
