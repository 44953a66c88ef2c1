/**
 * What maintenance has found out and a running capture has to know of: that a change was missed, or that a table cannot be
 * restored any more to what it is now. Kept for ever: a missed change narrows what may be claimed.
 */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import { ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { encodeJsonObject, readJsonObject } from "./json-object.js";
import { evidenceName } from "./names.js";

/** Proof, found while folding, that a change was missed. */
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

/**
 * A table is captured, but from an instant on it is damaged: only another base helps. It narrows nothing, because coverage
 * knows by itself; and nothing is damaged any more once the missing object is put back.
 */
export interface DamageEvidence {
  table: string;
  /** The first instant that is damaged. */
  at: Instant;
  /** No version has this number. */
  sequence: 0;
  /** Names the object that is missing. */
  reason: string;
}

/** Writes evidence down; the same evidence twice is one object. Returns whether it is new. */
export async function putEvidence(
  store: ObjectStore,
  evidence: Evidence | DamageEvidence,
): Promise<boolean> {
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

/** All evidence of missed changes, by table and time. */
export async function listEvidence(store: ObjectStore): Promise<Evidence[]> {
  const evidence: Evidence[] = [];
  const names = await evidenceNames(store);
  const reading = severalAtOnce(names, readsAtOnce, (name) => readEvidence(store, name));
  for await (const one of reading) if (!isDamageEvidence(one)) evidence.push(one);
  return evidence;
}

export async function evidenceNames(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("evidence/")) names.push(name);
  return names;
}

export function isDamageEvidence(evidence: Evidence | DamageEvidence): evidence is DamageEvidence {
  return evidence.sequence === 0;
}

export async function readEvidence(
  store: ObjectStore,
  name: string,
): Promise<Evidence | DamageEvidence> {
  const one = await readJsonObject<Evidence | DamageEvidence>(store, name, "evidence");
  const isSound = isDamageEvidence(one)
    ? typeof one.reason === "string"
    : Number.isSafeInteger(one.before) && typeof one.key === "string";
  if (!isSound || name !== evidenceName(one.table, one.at, one.sequence)) {
    throw damaged(name, "its name and its content differ");
  }
  return one;
}
