/**
 * Numbered chains: small facts that change, in a store whose objects never change. A chain is a number of JSON objects
 * under one prefix, counted from 1. The object with the greatest number counts. A change is put under the next number,
 * which only one process can.
 *
 * Invariant: a number is never used twice while it matters. In a chain whose old numbers are deleted, a process MUST
 * check after its put whether a greater number is there: its number may have been free only because it was old.
 */
import { damaged } from "../../errors.js";
import { decodeStored, encodeStored, type JsonKind } from "../../format/json-object.js";
import { numberedName, parseNumberedName } from "../../format/names.js";
import {
  getIfThere,
  ObjectExists,
  ObjectMissing,
  type ObjectStore,
} from "../../storage/object-store.js";

export interface Numbered {
  number: number;
}

/** The greatest number under `prefix`; 0 if there is none. It finds it even if the listing is a little behind. */
async function greatestNumber(store: ObjectStore, prefix: string): Promise<number> {
  let greatest = 0;
  for await (const { name } of store.list(prefix)) {
    greatest = Math.max(greatest, parseNumberedName(prefix, name) ?? 0);
  }
  while ((await store.size(numberedName(prefix, greatest + 1))) !== undefined) greatest += 1;
  return greatest;
}

/** How often an object may vanish between listing and reading before that is an error. */
const vanishingsMax = 10;

/** The object that counts; undefined if there is none. */
export async function newestNumbered<T extends Numbered>(
  store: ObjectStore,
  prefix: string,
  kind: JsonKind<T>,
): Promise<T | undefined> {
  for (let vanished = 0; ; vanished += 1) {
    const number = await greatestNumber(store, prefix);
    if (number === 0) return undefined;
    const name = numberedName(prefix, number);
    try {
      return decodeNumbered(await store.get(name), name, number, kind);
    } catch (error) {
      // It was deleted since it was listed, because a later one took its place: look again.
      if (!(error instanceof ObjectMissing)) throw error;
      if (vanished === vanishingsMax) throw damaged(name, "it is listed but missing");
    }
  }
}

/** Reads the object with this number. Throws, naming it, if it is missing or damaged. */
export async function readNumbered<T extends Numbered>(
  store: Pick<ObjectStore, "get">,
  prefix: string,
  number: number,
  kind: JsonKind<T>,
): Promise<T> {
  const found = await readNumberedIfThere(store, prefix, number, kind);
  if (!found) throw damaged(numberedName(prefix, number), "it is missing");
  return found;
}

/** Reads the object with this number; undefined if there is none. Throws, naming it, if it is damaged. */
export async function readNumberedIfThere<T extends Numbered>(
  store: Pick<ObjectStore, "get">,
  prefix: string,
  number: number,
  kind: JsonKind<T>,
): Promise<T | undefined> {
  const name = numberedName(prefix, number);
  const bytes = await getIfThere(store, name);
  return bytes && decodeNumbered(bytes, name, number, kind);
}

/** The object with this number in stored bytes. Throws, naming it, if they are not that. */
export function decodeNumbered<T extends Numbered>(
  bytes: Buffer,
  name: string,
  number: number,
  kind: JsonKind<T>,
): T {
  const found = decodeStored(bytes, name, kind);
  if (found.number !== number) throw damaged(name, "its name and its content differ");
  return found;
}

/** Puts an object under its number. Returns false if the number is taken. */
export async function putNumbered<T extends Numbered>(
  store: ObjectStore,
  prefix: string,
  kind: JsonKind<T>,
  content: T,
): Promise<boolean> {
  try {
    await store.put(numberedName(prefix, content.number), encodeStored(kind, content));
    return true;
  } catch (error) {
    if (error instanceof ObjectExists) return false;
    throw error;
  }
}
