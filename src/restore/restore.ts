/**
 * Carries out a plan: makes databases and tables, merges base and log, and writes the last version of each document
 * once.
 */
import type { Clock } from "../clock.js";
import { SetDigest } from "../digest.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { KeyFilter } from "../key-filter.js";
import { BothEnds, bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import { fillTable } from "./fill.js";
import type { PlannedTable, RestorePlan } from "./plan.js";
import { PlannedLog } from "./planned-log.js";

export interface RestoredTable {
  from: string;
  to: string;
  class: string;
  documents: number;
  /** Bytes of the documents' JSON text. */
  bytes: number;
  /** True if only some of its documents were asked for. */
  isPart: boolean;
  /** How many documents were not selected; null if the others were not all read, because keys were selected. */
  passedOver: number | null;
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
 */
export async function restore(
  repository: Repository,
  plan: RestorePlan,
  target: Target,
  clock: Clock,
  observer: RestoreObserver,
  signal: AbortSignal = new AbortController().signal,
): Promise<RestoredTable[]> {
  await refuseExisting(plan, target);
  if (plan.tables.length === 0) {
    await createDatabases(plan, target, signal);
    return [];
  }
  let segmentsRead = 0;
  const log = await PlannedLog.read(repository, plan, {
    filterOf: filterOf(plan),
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
      const of = await restoreTable(table, log, target, clock, observer, signal);
      observer.complete?.(of);
      restored.push(of);
    }
    return restored;
  } finally {
    await log.dispose();
  }
}

/** The wanted keys of a table of a plan, by its id. */
function filterOf({ tables }: RestorePlan): (table: string) => KeyFilter | undefined {
  const filters = new Map(tables.map(({ config, chosen }) => [config.id, chosen.filter]));
  return (table) => filters.get(table);
}

/** True if only some documents of a table were asked for. */
function isPart({ chosen }: PlannedTable): boolean {
  return chosen.filter !== undefined || chosen.matches !== undefined;
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
): Promise<RestoredTable> {
  signal.throwIfAborted();
  const { config, from, to } = table;
  const began = clock.monotonicMs();
  observer.making?.(to);
  await target.createTable({
    db: to.db,
    name: to.name,
    primaryKey: config.primary_key,
    durability: config.durability,
    writeAcks: config.write_acks,
    shards: config.shards.length,
    replicas: Math.max(...config.shards.map(({ replicas }) => replicas.length)),
  });
  const onWritten = (documents: number, bytes: number) => observer.writing(to, documents, bytes);
  const filled = await fillTable(table, log, target, onWritten, signal);
  const { digest, documents } = filled;
  observer.finishing(to, "syncing");
  await target.sync(to);
  observer.finishing(to, "comparing");
  const held = await heldBy(target, to, documents, signal);
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
    documents,
    bytes: filled.bytes,
    isPart: isPart(table),
    passedOver: table.chosen.filter ? null : filled.passedOver,
    seconds: (clock.monotonicMs() - began) / 1000,
    indexes: table.indexes.length,
    written: digest.hex(),
    held: held.hex(),
    matches: held.count === digest.count && held.hex() === digest.hex(),
    leftOut: filled.refused.map(({ key, reason }) => ({ key: key.toString(), reason })),
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
