/** Drills: proofs that a restore was made on purpose and held what the repository holds; or that it did not. */
import { damaged, isDamage, type ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { CoverageClass } from "./coverage.js";
import { encodeJsonObject, readJsonObject } from "./json-object.js";
import { drillName } from "./names.js";

/** Some keys of documents: how many, and the JSON texts of the first few. */
export interface KeyList {
  count: number;
  keys: string[];
}

/** What a restored table had otherwise than the repository. */
export interface TableDifferences {
  /** Documents that the target did not hold, held otherwise, or held although they were not restored. */
  missing: KeyList;
  altered: KeyList;
  extra: KeyList;
  /** Sentences about indexes and configuration. */
  settings: string[];
}

export interface DrilledTable {
  id: string;
  /** "db.table" at the instant. */
  name: string;
  ok: boolean;
  /** Documents that the target held, bytes of their JSON text, and their combined digest (SetDigest). */
  rows: number;
  bytes: number;
  digest: string;
  /** What its restore took, without the comparison that a drill adds. */
  seconds: number;
  /** Present unless `ok`. */
  differences?: TableDifferences;
}

/** A drill as it is stored. docs/format.md §9.4. */
export interface Drill {
  /** Tells apart drills that end in the same millisecond: 12 hexadecimal digits. */
  unique: string;
  begun: Instant;
  ended: Instant;
  /** The instant that was restored, and the least class that a table had there. */
  instant: Instant;
  class: CoverageClass;
  /** True if every table was restored and equal. */
  ok: boolean;
  /** Why the drill came to no comparison. */
  failure?: { code: string; message: string };
  /** What the target says it is; null if its user may not read that. */
  server: string | null;
  /** Of the whole restore: documents, bytes of their JSON text, and what it took from the first read to the last index. */
  documents: number;
  bytes: number;
  seconds: number;
  documentsPerSecond: number;
  bytesPerSecond: number;
  tables: DrilledTable[];
}

/** Stores a drill; returns the object's name. */
export async function putDrill(store: ObjectStore, drill: Drill): Promise<string> {
  const name = drillName(drill.ended, drill.unique);
  await store.put(name, encodeJsonObject("drill", drill));
  return name;
}

/** Names of the stored drills, the newest first. */
export async function listDrills(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("drills/")) names.push(name);
  return names.reverse();
}

export async function readDrill(store: ObjectStore, name: string): Promise<Drill> {
  const drill = await readJsonObject<Drill>(store, name, "drill");
  const { instant, ended, unique, ok, tables } = drill;
  const isSound =
    Number.isSafeInteger(instant) &&
    Number.isSafeInteger(ended) &&
    typeof ok === "boolean" &&
    Array.isArray(tables);
  if (!isSound || name !== drillName(ended, unique)) {
    throw damaged(name, "its name and its content differ");
  }
  return drill;
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
