/** Proof, found while folding, that a change was missed. Kept for ever: it narrows what may be claimed. */
import { damaged, UnusableObject } from "../errors.js";
import type { Instant } from "../instant.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import { ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { encodeJsonObject, readJsonObject } from "./json-object.js";
import { evidenceName } from "./names.js";

export interface Evidence {
  table: string;
  /** JSON text of the key. */
  key: string;
  /** When the version before was captured; what was missed came after it. */
  before: Instant;
  /** When the version was captured whose predecessor is not the one stored. */
  at: Instant;
  /** Its place in the log. */
  sequence: number;
  /** The digest that it names as its predecessor, and that of the version stored before it; null for no document. */
  named: string | null;
  stored: string | null;
}

/** Writes evidence down; the same evidence twice is one object. Returns whether it is new. */
export async function putEvidence(store: ObjectStore, evidence: Evidence): Promise<boolean> {
  try {
    await store.put(
      evidenceName(evidence.table, evidence.at, evidence.sequence),
      encodeJsonObject("evidence", evidence),
    );
    return true;
  } catch (error) {
    if (error instanceof ObjectExists) return false;
    throw error;
  }
}

/** All evidence, by table and time. */
export function listEvidence(store: ObjectStore): Promise<Evidence[]> {
  return readAll(store, (name) => readEvidence(store, name));
}

/** The same without what is damaged: for who acts on what there is, and claims nothing by it. */
export async function listReadableEvidence(store: ObjectStore): Promise<Evidence[]> {
  const readable = await readAll(store, (name) =>
    readEvidence(store, name).catch((error: unknown) => {
      if (error instanceof UnusableObject) return undefined;
      throw error;
    }),
  );
  return readable.filter((one) => one !== undefined);
}

async function readAll<T>(store: ObjectStore, read: (name: string) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  const names: string[] = [];
  for await (const { name } of store.list("evidence/")) names.push(name);
  for await (const one of severalAtOnce(names, readsAtOnce, read)) all.push(one);
  return all;
}

export async function readEvidence(store: ObjectStore, name: string): Promise<Evidence> {
  const one = await readJsonObject<Evidence>(store, name, "evidence");
  const isSound = Number.isSafeInteger(one.before) && typeof one.key === "string";
  if (!isSound || name !== evidenceName(one.table, one.at, one.sequence)) {
    throw damaged(name, "its name and its content differ");
  }
  return one;
}
