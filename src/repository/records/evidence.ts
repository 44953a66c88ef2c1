/**
 * What maintenance has found out and a running capture has to know of: that a change was missed, or that a table cannot be
 * restored any more to what it is now. Kept for ever: a missed change narrows what may be claimed.
 */
import * as v from "valibot";
import { damaged } from "../../errors.js";
import { digest, fields, instant, type Of, ordinal, tableId, text } from "../../format/fields.js";
import { encodeStored, type JsonKind, readStored } from "../../format/json-object.js";
import { evidenceName } from "../../format/names.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import { ObjectExists, type ObjectStore } from "../../storage/object-store.js";

const missedChange = fields({
  table: tableId,
  /** JSON text of the key. */
  key: text,
  /** When the version before was captured; what was missed came after it. */
  before: instant,
  /** When the version was captured whose predecessor is not the one stored. */
  at: instant,
  /** Its place in the log. */
  sequence: ordinal,
  /** The digest that it names as its predecessor, and that of the version stored before it; null for no document. */
  named: v.nullable(digest),
  stored: v.nullable(digest),
});
/** Proof, found while folding, that a change was missed. */
export type Evidence = Of<typeof missedChange>;

const damage = fields({
  table: tableId,
  /** The first instant that is damaged. */
  at: instant,
  /** No version has this number. */
  sequence: v.literal(0, "0"),
  /** Names the object that is missing. */
  reason: text,
});
/**
 * A table is captured, but from an instant on it is damaged: only another base helps. It narrows nothing, because coverage
 * knows by itself; and nothing is damaged any more once the missing object is put back.
 */
export type DamageEvidence = Of<typeof damage>;

export const evidenceKind: JsonKind<Evidence | DamageEvidence> = {
  type: "evidence",
  schema: v.variant("sequence", [damage, missedChange], "0, or the number of a version"),
};

/** Writes evidence down; the same evidence twice is one object. Returns whether it is new. */
export async function putEvidence(
  store: ObjectStore,
  evidence: Evidence | DamageEvidence,
): Promise<boolean> {
  try {
    await store.put(
      evidenceName(evidence.table, evidence.at, evidence.sequence),
      encodeStored(evidenceKind, evidence),
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
  const one = await readStored(store, name, evidenceKind);
  if (name === evidenceName(one.table, one.at, one.sequence)) return one;
  throw damaged(name, "its name and its content differ");
}
