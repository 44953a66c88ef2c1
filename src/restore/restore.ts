/**
 * Carries out a plan: makes databases and tables, merges base and log, and writes the last version of each document
 * once.
 */
import type { TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { SetDigest } from "../digest.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { mergeLatest } from "../format/merge.js";
import type { KeyFilter } from "../key-filter.js";
import { BothEnds, bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import type { TableName, TableSpec, Target } from "../rethinkdb/target.js";
import { BatchWriter } from "./batch-writer.js";
import type { PlannedTable, RestorePlan } from "./plan.js";
import { PlannedLog } from "./planned-log.js";

export interface RestoredTable {
  from: string;
  to: string;
  class: string;
  documents: number;
  /** Bytes of the documents' JSON text. */
  bytes: number;
  seconds: number;
  indexes: number;
  /** Set digest of what was written, and of what the target then held. */
  written: string;
  held: string;
  matches: boolean;
  /** Documents that the target refused to store, and why. */
  leftOut: { key: string; reason: string }[];
}

export interface RestoreObserver {
  reading(segmentsRead: number, segments: number): void;
  writing(table: TableName, documents: number, bytes: number): void;
  finishing(table: TableName, step: string): void;
  /** The table is about to be made: from here on the target may have it, half-filled. */
  making?(table: TableName): void;
  /** The table is complete, with its documents, indexes and write hook. */
  complete?(table: RestoredTable): void;
}

/** Which documents of a table are restored: all, if it has no member. */
export interface Chosen {
  /** Asked about keys. */
  filter?: KeyFilter;
  /** Asked about a document's text. */
  matches?: (document: Buffer) => boolean;
}

/** Throws, before anything is written, if a table that the plan would make exists. */
export async function refuseExisting(plan: RestorePlan, target: Target): Promise<void> {
  const present = new Set((await target.tables()).map(({ db, name }) => `${db}.${name}`));
  const taken = plan.tables
    .map(({ to }) => `${to.db}.${to.name}`)
    .filter((name) => present.has(name));
  if (taken.length === 0) return;
  throw new ThinkbackError("target", `the target has ${taken.join(", ")} already`, {
    hint: "restore under another name with --rename old.table=new.table, or drop the table on the target first",
  });
}

/**
 * Makes the plan's databases and tables. Users and grants are restored after them, by restoreAccess.
 * @param signal ends the restore between two steps, with the signal's reason; what was made by then stays. Then nothing
 * is written any more
 * @param chosen tells of a table which of its documents are restored
 */
export async function restore(
  repository: Repository,
  plan: RestorePlan,
  target: Target,
  clock: Clock,
  observer: RestoreObserver,
  signal: AbortSignal = new AbortController().signal,
  chosen: (table: PlannedTable) => Chosen = () => ({}),
): Promise<RestoredTable[]> {
  await refuseExisting(plan, target);
  if (plan.tables.length === 0) {
    await createDatabases(plan, target, signal);
    return [];
  }
  let segmentsRead = 0;
  const filters = new Map(plan.tables.map((table) => [table.config.id, chosen(table).filter]));
  const log = await PlannedLog.read(repository, plan, {
    filterOf: (table) => filters.get(table),
    onSegment: () => {
      observer.reading((segmentsRead += 1), plan.segments);
      signal.throwIfAborted();
    },
  });
  try {
    // Only now: what is damaged of the log has been met, and nothing is made on the target then.
    await createDatabases(plan, target, signal);
    const restored: RestoredTable[] = [];
    for (const table of plan.tables) {
      const { matches } = chosen(table);
      const of = await restoreTable(table, log, target, clock, observer, signal, matches);
      observer.complete?.(of);
      restored.push(of);
    }
    return restored;
  } finally {
    await log.dispose();
  }
}

async function createDatabases(
  { databases }: RestorePlan,
  target: Target,
  signal: AbortSignal,
): Promise<void> {
  const present = new Set(await target.databases());
  for (const db of databases) {
    signal.throwIfAborted();
    if (!present.has(db)) await target.createDatabase(db);
  }
}

async function restoreTable(
  table: PlannedTable,
  log: PlannedLog,
  target: Target,
  clock: Clock,
  observer: RestoreObserver,
  signal: AbortSignal,
  matches: (document: Buffer) => boolean = () => true,
): Promise<RestoredTable> {
  signal.throwIfAborted();
  const { config, from, to } = table;
  const began = clock.monotonicMs();
  observer.making?.(to);
  await target.createTable(specOf(config, to));
  const cursors = log.cursors(table);
  const written = new SetDigest();
  const writer = new BatchWriter(target, { ...to, primaryKey: config.primary_key });
  try {
    for await (const winners of mergeLatest(cursors)) {
      for (const { version } of winners) {
        if (version.document === null || !matches(version.document)) continue;
        written.addDocument(version.document);
        writer.add(version.key, version.document);
      }
      await writer.room();
      observer.writing(to, writer.documents, writer.bytes);
      signal.throwIfAborted();
    }
    await writer.finish();
  } finally {
    await writer.ended();
  }
  for (const { document } of writer.refused) written.removeDocument(document);
  observer.finishing(to, "syncing");
  await target.sync(to);
  observer.finishing(to, "comparing");
  const held = await heldBy(target, to, writer.documents, signal);
  signal.throwIfAborted();
  observer.finishing(to, "building indexes");
  for (const index of table.indexes) await target.createIndex(to, index);
  await target.waitForIndexes(to);
  // Last of all, so that it runs on none of the documents that are restored.
  if (config.write_hook) await target.setWriteHook(to, config.write_hook.function);
  return {
    from: `${from.db}.${from.name}`,
    to: `${to.db}.${to.name}`,
    class: table.class,
    documents: writer.documents,
    bytes: writer.bytes,
    seconds: (clock.monotonicMs() - began) / 1000,
    indexes: table.indexes.length,
    written: written.hex(),
    held: held.hex(),
    matches: held.count === written.count && held.hex() === written.hex(),
    leftOut: writer.refused.map(({ key, reason }) => ({ key: key.toString(), reason })),
  };
}

/** How to make a table like that of a catalog, under another name. */
export function specOf(config: TableConfig, to: TableName): TableSpec {
  return {
    db: to.db,
    name: to.name,
    primaryKey: config.primary_key,
    durability: config.durability,
    writeAcks: config.write_acks,
    shards: config.shards.length,
    replicas: Math.max(...config.shards.map(({ replicas }) => replicas.length)),
  };
}

/**
 * The set digest of what the target holds, read back document by document.
 * @param documents how many there should be
 */
async function heldBy(
  target: Target,
  table: TableName,
  documents: number,
  signal: AbortSignal,
): Promise<SetDigest> {
  const { id, primary_key: primaryKey } = (await target.settings(table)).config;
  const held = new SetDigest();
  const ends = new BothEnds();
  await ends.run(documents >= bothEndsFromDefault, signal, async (options) => {
    for await (const batch of target.scan({ ...table, id, primaryKey }, options)) {
      signal.throwIfAborted();
      ends.forEach(options.order, batch, (_, document) => held.addDocument(document));
    }
  });
  return held;
}
