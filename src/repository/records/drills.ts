/** Drills: proofs that a restore was made on purpose and held what the repository holds; or that it did not. */
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
/** Some keys of documents: how many, and the JSON texts of the first few. */
export type KeyList = Of<typeof keyList>;

const differences = fields({
  /** Documents that the target did not hold, held otherwise, or held although they were not restored. */
  missing: keyList,
  altered: keyList,
  extra: keyList,
  /** Sentences about indexes and configuration. */
  settings: list(text),
});
/** What a restored table had otherwise than the repository. */
export type TableDifferences = Of<typeof differences>;

const drilledTable = fields({
  id: tableId,
  /** "db.table" at the instant. */
  name: text,
  ok: flag,
  /** Documents that the target held, bytes of their JSON text, and their combined digest (SetDigest). */
  rows: count,
  bytes: count,
  digest,
  /** What its restore took, without the comparison that a drill adds. */
  seconds: amount,
  /** Present unless `ok`. */
  differences: v.exactOptional(differences),
});
export type DrilledTable = Of<typeof drilledTable>;

/** docs/format.md §9.4. */
export const drillKind = jsonKind("drill", {
  /** Tells apart drills that end in the same millisecond: 12 hexadecimal digits. */
  unique: text,
  begun: instant,
  ended: instant,
  /** The instant that was restored, and the least class that a table had there. */
  instant,
  class: oneOf(classesWorstFirst),
  /** True if every table was restored and equal. */
  ok: flag,
  /** Why the drill came to no comparison. */
  failure: v.exactOptional(fields({ code: text, message: text })),
  /** What the target says it is; null if its user may not read that. */
  server: v.nullable(text),
  /** Of the whole restore: documents, bytes of their JSON text, and what it took from the first read to the last index. */
  documents: count,
  bytes: count,
  seconds: amount,
  documentsPerSecond: amount,
  bytesPerSecond: amount,
  tables: list(drilledTable),
});
export type Drill = Stored<typeof drillKind>;

/** Stores a drill; returns the object's name. */
export async function putDrill(store: ObjectStore, drill: Drill): Promise<string> {
  const name = drillName(drill.ended, drill.unique);
  await store.put(name, encodeStored(drillKind, drill));
  return name;
}

/** Names of the stored drills, the newest first. */
export async function listDrills(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("drills/")) names.push(name);
  return names.reverse();
}

export async function readDrill(store: ObjectStore, name: string): Promise<Drill> {
  const drill = await readStored(store, name, drillKind);
  if (name === drillName(drill.ended, drill.unique)) return drill;
  throw damaged(name, "its name and its content differ");
}

/** That tables were restored to `instant` and found equal, by the drill that ended at `done`. */
export interface Proof {
  instant: Instant;
  done: Instant;
}

/** What the drills say. */
export interface Proofs {
  /** By table: the newest drill that found it equal. */
  tables: Map<string, Proof>;
  /** By table: the newest drill of it, if that found it different. */
  failed: Map<string, Drill>;
  /** The drill that proved most of the tables that are there now, and how many; of several the newest. */
  widest: (Proof & { tables: number }) | undefined;
  /** The newest drill of all, if it failed. */
  lastFailed: Drill | undefined;
  /** Drills that cannot be read, and so prove nothing. */
  damaged: ThinkbackError[];
}

/**
 * Reads drills, the newest first, until all is known that is asked for.
 * @param tables ids of all tables to be looked for
 * @param present those of them that are there now
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
  return proofs;
}

/** Takes a drill that is older than those that were taken before. */
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
