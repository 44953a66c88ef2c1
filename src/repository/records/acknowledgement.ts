/**
 * A person's note on a gap: that it is known, and what it was. It changes no coverage; status shows it with the gap.
 */
import { damaged } from "../../errors.js";
import { instant, tableId, text } from "../../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { acknowledgementName } from "../../format/names.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import { ObjectExists, type ObjectStore } from "../../storage/object-store.js";

export const acknowledgementKind = jsonKind("acknowledgement", {
  table: tableId,
  /** The gap's interval. */
  from: instant,
  to: instant,
  note: text,
  /** When it was noted. */
  at: instant,
});
export type Acknowledgement = Stored<typeof acknowledgementKind>;

/** Stores an acknowledgement. Returns false if the gap was acknowledged before; then the first note stays. */
export async function putAcknowledgement(
  store: ObjectStore,
  acknowledgement: Acknowledgement,
): Promise<boolean> {
  const { table, from, to } = acknowledgement;
  try {
    const bytes = encodeStored(acknowledgementKind, acknowledgement);
    await store.put(acknowledgementName(table, from, to), bytes);
    return true;
  } catch (error) {
    if (error instanceof ObjectExists) return false;
    throw error;
  }
}

export async function listAcknowledgements(store: ObjectStore): Promise<Acknowledgement[]> {
  const acknowledgements: Acknowledgement[] = [];
  const names: string[] = [];
  for await (const { name } of store.list("acknowledged/")) names.push(name);
  const reading = severalAtOnce(names, readsAtOnce, (name) => readAcknowledgement(store, name));
  for await (const one of reading) acknowledgements.push(one);
  return acknowledgements;
}

export async function readAcknowledgement(
  store: ObjectStore,
  name: string,
): Promise<Acknowledgement> {
  const one = await readStored(store, name, acknowledgementKind);
  if (name !== acknowledgementName(one.table, one.from, one.to)) {
    throw damaged(name, "its name and its content differ");
  }
  return one;
}
