/** Records of verifications: what a check of the stored objects found. They are information only. */
import { damaged } from "../../errors.js";
import { amount, count, fields, flag, instant, list, text } from "../../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { verificationName } from "../../format/names.js";
import type { ObjectStore } from "../../storage/object-store.js";

const amountRead = fields({ objects: count, bytes: count });

/** docs/format.md §9.7. */
export const verificationKind = jsonKind("verification", {
  /** Tells apart verifications that end in the same millisecond: 12 hexadecimal digits. */
  unique: text,
  begun: instant,
  ended: instant,
  /** True if nothing is damaged, no version chain breaks, and every pin holds. */
  sound: flag,
  /** The share of the data objects that was to be read to the end, from 0 to 1. */
  share: amount,
  lanes: count,
  /** All objects that are there. */
  stored: amountRead,
  /** Those that were read to their ends. */
  read: amountRead,
  /** False if the keys at hand read no documents. */
  readsDocuments: flag,
  chainsFollowed: flag,
  /** How many objects are damaged or missing, and the names of the first few. */
  damage: fields({ count, objects: list(text) }),
  breaks: count,
  /** Names of pins that do not hold. */
  lostPins: list(text),
});
export type Verification = Stored<typeof verificationKind>;

/** At most so many damaged objects are named in a record; the others are counted. */
export const namedObjectsMax = 20;

export async function putVerification(store: ObjectStore, of: Verification): Promise<void> {
  await store.put(verificationName(of.ended, of.unique), encodeStored(verificationKind, of));
}

export async function readVerification(store: ObjectStore, name: string): Promise<Verification> {
  const one = await readStored(store, name, verificationKind);
  if (name === verificationName(one.ended, one.unique)) return one;
  throw damaged(name, "its name and its content differ");
}
