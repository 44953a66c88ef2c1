/** A person's word that a hole is known and what it was. It changes no claim; status shows it beside the hole. */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import { ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { encodeJsonObject, readJsonObject } from "./json-object.js";
import { acknowledgementName } from "./names.js";

export interface Acknowledgement {
  table: string;
  /** The hole's interval. */
  from: Instant;
  to: Instant;
  note: string;
  at: Instant;
}

/** Writes an acknowledgement down. Returns false if the hole was acknowledged before: the first note stays. */
export async function putAcknowledgement(
  store: ObjectStore,
  acknowledgement: Acknowledgement,
): Promise<boolean> {
  const { table, from, to } = acknowledgement;
  try {
    const bytes = encodeJsonObject("acknowledgement", acknowledgement);
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
  const one = await readJsonObject<Acknowledgement>(store, name, "acknowledgement");
  if (name !== acknowledgementName(one.table, one.from, one.to)) {
    throw damaged(name, "its name and its content differ");
  }
  return one;
}
