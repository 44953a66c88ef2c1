/** The documents that cases are run on: generated orders, and the package index of a Debian machine. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { canonicalJson, seededRandom } from "../endtoend/workload.js";
import { order } from "./orders.js";

/** A document: its key and its JSON text. */
export interface Row {
  id: string;
  text: Buffer;
}

/** Rows in the order of their keys. */
export interface DataSet {
  name: string;
  rows: Row[];
}

export function orders(count: number): DataSet {
  const random = seededRandom(1);
  const rows = Array.from({ length: count }, (_, number) => rowOf(order(number, random)));
  return { name: `${count} orders`, rows };
}

/** One document for each package that the machine could install, of its `apt-cache`; undefined where there is none. */
export async function packages(countMax: number): Promise<DataSet | undefined> {
  let text: string;
  try {
    const printed = await promisify(execFile)("apt-cache", ["dumpavail"], { maxBuffer: 2 ** 30 });
    text = printed.stdout;
  } catch (error) {
    process.stdout.write(`no Debian packages: apt-cache cannot be run (${String(error)})\n`);
    return undefined;
  }
  const rows = new Map<string, Row>();
  for (const stanza of text.split("\n\n")) {
    const fields = fieldsOf(stanza);
    const id = `${fields["Package"]}:${fields["Architecture"]}:${fields["Version"]}`;
    if (fields["Package"] && rows.size < countMax) rows.set(id, rowOf({ id, ...fields }));
  }
  if (rows.size === 0) {
    process.stdout.write("no Debian packages: apt-cache knows none\n");
    return undefined;
  }
  const sorted = [...rows.values()].sort((a, b) =>
    Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)),
  );
  return { name: `${rows.size} Debian packages`, rows: sorted };
}

/** The document after a change of one field. */
export function revised({ id, text }: Row, revision: number): Row {
  return rowOf({ ...(JSON.parse(text.toString()) as { id: string }), id, revision });
}

/** The text is that which the server gives back: its fields are sorted. */
function rowOf(document: { id: string; [field: string]: unknown }): Row {
  return { id: document.id, text: Buffer.from(canonicalJson(document)) };
}

/** Fields of a stanza of a Debian control file; lines that begin with a blank continue the field before. */
function fieldsOf(stanza: string): Record<string, string> {
  const fields: Record<string, string> = {};
  let last = "";
  for (const line of stanza.split("\n")) {
    const colon = line.indexOf(":");
    if (line.startsWith(" ")) fields[last] += `\n${line.slice(1)}`;
    else if (colon > 0) fields[(last = line.slice(0, colon))] = line.slice(colon + 1).trim();
  }
  return fields;
}
