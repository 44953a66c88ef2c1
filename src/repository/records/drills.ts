/**
 * Records of drills. A drill restores on purpose and compares: it proves that the restore equals the repository, or
 * not.
 */
import * as v from "valibot";
import { damaged, isDamage, type ThinkbackError } from "../../errors.js";
import { classesWorstFirst } from "../../format/coverage-record.js";
import {
  amount,
  count,
  digest,
  fields,
  flag,
  instant,
  list,
  type Of,
  oneOf,
  tableId,
  text,
} from "../../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { drillName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";

const keyList = fields({ count, keys: list(text) });
/** Keys of some documents: how many there are, and the JSON texts of the first few. */
export type KeyList = Of<typeof keyList>;

const differences = fields({
  /** Documents that the target lacked, held with other content, or held although they were not restored. */
  missing: keyList,
  altered: keyList,
  extra: keyList,
  /** Sentences about differences in indexes and configuration. */
  settings: list(text),
});
/** How a restored table differs from the repository. */
export type TableDifferences = Of<typeof differences>;

const drilledTable = fields({
  id: tableId,
  /** "db.table", as it was named at the instant. */
  name: text,
  ok: flag,
  /** The documents that the target held: how many, bytes of their JSON text, and their combined digest (SetDigest). */
  rows: count,
  bytes: count,
  digest,
  /** How long its restore took, without the comparison that a drill adds. */
  seconds: amount,
  /** Present unless `ok`. */
  differences: v.exactOptional(differences),
});
export type DrilledTable = Of<typeof drilledTable>;

/** What became of an expectation. Only the first is a pass. */
const checkOutcomes = ["passed", "differs", "not run"] as const;

const check = fields({
  /** "db.table" */
  table: text,
  /** What is expected of it, in words. */
  what: text,
  outcome: oneOf(checkOutcomes),
  /** How many documents there are, of those that are asked for. */
  found: v.exactOptional(count),
  /** Why it could not be checked, or what else there is to say. */
  reason: v.exactOptional(text),
});
export type DrillCheck = Of<typeof check>;

/** docs/format.md §9.4. */
export const drillKind = jsonKind("drill", {
  /** Tells apart drills that end in the same millisecond: 12 hexadecimal digits. */
  unique: text,
  begun: instant,
  ended: instant,
  /** The instant that was restored, and the worst class that a table had there. */
  instant,
  class: oneOf(classesWorstFirst),
  /** True if every table was restored and equal. */
  ok: flag,
  /** Why the drill could compare nothing; absent if it did. */
  failure: v.exactOptional(fields({ code: text, message: text })),
  /** The target's own version text; null if the target's user may not read it. */
  server: v.nullable(text),
  /** The whole restore: documents, bytes of their JSON text, and the time from the first read to the last index. */
  documents: count,
  bytes: count,
  seconds: amount,
  documentsPerSecond: amount,
  bytesPerSecond: amount,
  tables: list(drilledTable),
  /** Absent if nothing was expected. It changes nothing in `ok`, which is about the restore alone. */
  checks: v.exactOptional(list(check)),
});
export type Drill = Stored<typeof drillKind>;

/** Stores a drill; returns the object's name. */
export async function putDrill(store: ObjectStore, drill: Drill): Promise<string> {
  const name = drillName(drill.ended, drill.unique);
  await store.put(name, encodeStored(drillKind, drill));
  return name;
}

/** The names of the stored drills, the newest first. */
export async function listDrills(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("drills/")) names.push(name);
  return names.reverse();
}

/** The checks of a drill that have not passed. */
export const notPassed = ({ checks = [] }: Drill): DrillCheck[] =>
  checks.filter(({ outcome }) => outcome !== "passed");

export async function readDrill(store: ObjectStore, name: string): Promise<Drill> {
  const drill = await readStored(store, name, drillKind);
  if (name === drillName(drill.ended, drill.unique)) return drill;
  throw damaged(name, "its name and its content differ");
}

/** The drill that ended at `done` restored a table, or several, to `instant` and found them equal. */
export interface Proof {
  instant: Instant;
  done: Instant;
}

/** What the drills have proven. */
export interface Proofs {
  /** By table: the newest drill that found it equal. */
  tables: Map<string, Proof>;
  /** By table: the newest drill of it, if that drill found it different. */
  failed: Map<string, Drill>;
  /** The drill that proved the most of the present tables, and how many; of several such drills the newest. */
  widest: (Proof & { tables: number }) | undefined;
  /** The newest drill of all, if it failed. */
  lastFailed: Drill | undefined;
  /** The newest drill of all, if a check of it has not passed. */
  lastUnexpected: Drill | undefined;
  /** The errors of drills that cannot be read; such drills prove nothing. */
  damaged: ThinkbackError[];
}

/**
 * Reads drills, the newest first, until every table has a proof and no older drill can prove more of the present
 * tables.
 * @param tables ids of all tables
 * @param present ids of those tables that exist now
 */
export async function readProofs(
  store: ObjectStore,
  tables: string[],
  present: string[],
): Promise<Proofs> {
  const proofs: Proofs = {
    tables: new Map(),
    failed: new Map(),
    widest: undefined,
    lastFailed: undefined,
    lastUnexpected: undefined,
    damaged: [],
  };
  const now = new Set(present);
  let newest: Drill | undefined;
  for (const name of await listDrills(store)) {
    try {
      const drill = await readDrill(store, name);
      newest ??= drill;
      addOlderDrill(proofs, drill, now);
    } catch (error) {
      if (!isDamage(error)) throw error;
      proofs.damaged.push(error);
    }
    const complete = proofs.widest?.tables === now.size;
    if (complete && tables.every((id) => proofs.tables.has(id))) break;
  }
  if (newest && !newest.ok) proofs.lastFailed = newest;
  if (newest && notPassed(newest).length > 0) proofs.lastUnexpected = newest;
  return proofs;
}

/** Takes in a drill that is older than all taken in before. */
function addOlderDrill(proofs: Proofs, drill: Drill, present: Set<string>): void {
  const proof: Proof = { instant: drill.instant, done: drill.ended };
  let proven = 0;
  for (const { id, ok } of drill.tables) {
    if (ok && present.has(id)) proven += 1;
    if (proofs.tables.has(id)) continue;
    if (ok) proofs.tables.set(id, proof);
    else if (!proofs.failed.has(id)) proofs.failed.set(id, drill);
  }
  if (proven > (proofs.widest?.tables ?? 0)) proofs.widest = { ...proof, tables: proven };
}
