/**
 * Evidence: what maintenance found out and a running capture has to know. Either a change was missed, or a table can no
 * longer be restored to its newest state. It is kept for ever, because a missed change makes the exact coverage
 * smaller.
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
  /** Capture time of the version before. The missed change came after it. */
  before: instant,
  /** Capture time of the version that names another predecessor than the stored one. */
  at: instant,
  /** Sequence number of that version. */
  sequence: ordinal,
  /** The digest of the predecessor that it names, and of the version stored before it; null for no document. */
  named: v.nullable(digest),
  stored: v.nullable(digest),
});
/** Proof that a change was missed; a fold finds it. */
export type Evidence = Of<typeof missedChange>;

const damage = fields({
  table: tableId,
  /** The first instant that is damaged. */
  at: instant,
  /** Tells it from evidence of a missed change: no version has number 0. */
  sequence: v.literal(0, "0"),
  /** A text that names the missing object. */
  reason: text,
});
/**
 * A table is captured, but damaged from an instant on, and only a new base helps. This evidence does not change
 * coverage, which finds the damage by itself, and finds none any more once the missing object is put back.
 */
export type DamageEvidence = Of<typeof damage>;

export const evidenceKind: JsonKind<Evidence | DamageEvidence> = {
  type: "evidence",
  schema: v.variant("sequence", [damage, missedChange], "0, or the number of a version"),
};

/** Stores evidence; the same evidence twice makes one object. Returns true if it is new. */
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

/** All evidence of missed changes, sorted by table and time. */
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
