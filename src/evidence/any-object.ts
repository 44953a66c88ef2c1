/** Reads small objects whatever their kind, so that a report has what other parts of the program store. */
import { damaged } from "../errors.js";
import { decodeJsonObject } from "../format/json-object.js";
import type { Instant } from "../instant.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";

/** The fields of a record, with the name of its object and when it was made. */
export interface StoredRecord {
  object: string;
  at?: Instant;
  [field: string]: unknown;
}

/**
 * Reads a small object. Undefined if it is gone by now.
 * @throws code "damaged", naming it, if it fails its checksum or is no such object
 */
export async function readAny(store: ObjectStore, name: string): Promise<StoredRecord | undefined> {
  let bytes: Buffer;
  try {
    bytes = await store.get(name);
  } catch (error) {
    if (failureOf(error) === "missing") return undefined;
    throw error;
  }
  const {
    thinkback: _,
    version: __,
    checksum: ___,
    ...fields
  } = decodeJsonObject(bytes, name, typeOf(bytes, name));
  return { object: name, ...fields };
}

function typeOf(bytes: Buffer, name: string): string {
  const type = /^\{"thinkback":"([A-Za-z]+)"/.exec(bytes.subarray(0, 100).toString("latin1"))?.[1];
  if (type === undefined) throw damaged(name, "it is not an object of Thinkback");
  return type;
}
