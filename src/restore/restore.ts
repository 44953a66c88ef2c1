/** Carries out a plan: makes databases and tables, merges base and log, writes each surviving document once. */
import type { Clock } from "../clock.js";
import { digestOf, SetDigest } from "../digest.js";
import { ThinkbackError } from "../errors.js";
import { baseCursor } from "../repository/base-reader.js";
import { mergeLatest } from "../repository/merge.js";
import type { Repository } from "../repository/repository.js";
import { LogCollection } from "../repository/runs.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import { BatchWriter } from "./batch-writer.js";
import type { PlannedTable, RestorePlan } from "./plan.js";

export interface RestoredTable {
  from: string;
  to: string;
  class: string;
  documents: number;
  /** Bytes of the documents' JSON text. */
  bytes: number;
  seconds: number;
  indexes: number;
  /** Combined digest of what was written, and of what the target then held. */
  written: string;
  held: string;
  matches: boolean;
}

export interface RestoreObserver {
  reading(segmentsRead: number, segments: number): void;
  writing(table: TableName, documents: number, bytes: number): void;
  finishing(table: TableName, step: string): void;
}

/** A range of keys that is compared at once: its documents fit into one short query of the target. */
const compareDocuments = 50_000;

/** Throws, before anything is written, if a table that the plan would make exists. */
export async function refuseExisting(plan: RestorePlan, target: Target): Promise<void> {
  const present = new Set((await target.tables()).map(({ db, name }) => `${db}.${name}`));
  const taken = plan.tables
    .map(({ to }) => `${to.db}.${to.name}`)
    .filter((name) => present.has(name));
  if (taken.length === 0) return;
  throw new ThinkbackError("target", `the target has ${taken.join(", ")} already`, {
    hint: "restore under another name with --rename old.table=new.table, or drop it first",
  });
}

/**
 * Makes the plan's databases and tables. Users and grants are restored after them, by restoreAccess.
 * @param signal ends it between two steps, with the signal's reason; what was made by then stays
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
  const present = new Set(await target.databases());
  for (const db of plan.databases) {
    signal.throwIfAborted();
    if (!present.has(db)) await target.createDatabase(db);
  }
  if (plan.tables.length === 0) return [];
  let segmentsRead = 0;
  const log = await LogCollection.read(
    plan.log,
    plan.tables.map(({ config, base }) => ({ table: config.id, after: base.logFrom })),
    plan.instant,
    {
      onSegment: () => {
        observer.reading((segmentsRead += 1), plan.segments);
        signal.throwIfAborted();
      },
    },
  );
  try {
    const restored: RestoredTable[] = [];
    for (const table of plan.tables) {
      restored.push(await restoreTable(repository, table, log, target, clock, observer, signal));
    }
    // Last of all, so that no hook runs on what is restored.
    for (const { config, to } of plan.tables) {
      if (config.write_hook) await target.setWriteHook(to, config.write_hook.function);
    }
    return restored;
  } finally {
    await log.dispose();
  }
}

async function restoreTable(
  repository: Repository,
  table: PlannedTable,
  log: LogCollection,
  target: Target,
  clock: Clock,
  observer: RestoreObserver,
  signal: AbortSignal,
): Promise<RestoredTable> {
  signal.throwIfAborted();
  const { config, base, from, to } = table;
  const began = clock.monotonicMs();
  await target.createTable({
    db: to.db,
    name: to.name,
    primaryKey: config.primary_key,
    durability: config.durability,
    writeAcks: config.write_acks,
    shards: config.shards.length,
    replicas: Math.max(...config.shards.map(({ replicas }) => replicas.length)),
  });
  const cursors = [baseCursor(repository.store, base), ...log.cursors(config.id)];
  const ranges = new RangeList();
  const writer = new BatchWriter(target, to);
  for await (const winners of mergeLatest(cursors)) {
    for (const { version } of winners) {
      if (version.document === null) continue;
      ranges.add(version.key, version.document);
      writer.add(version.document);
    }
    await writer.room();
    observer.writing(to, writer.documents, writer.bytes);
    signal.throwIfAborted();
  }
  await writer.finish();
  observer.finishing(to, "syncing");
  await target.sync(to);
  observer.finishing(to, "comparing");
  const { written, held, matches } = await ranges.compare(target, to);
  signal.throwIfAborted();
  observer.finishing(to, "building indexes");
  for (const index of table.indexes) await target.createIndex(to, index);
  await target.waitForIndexes(to);
  return {
    from: `${from.db}.${from.name}`,
    to: `${to.db}.${to.name}`,
    class: table.class,
    documents: writer.documents,
    bytes: writer.bytes,
    seconds: (clock.monotonicMs() - began) / 1000,
    indexes: table.indexes.length,
    written,
    held,
    matches,
  };
}

/** Digests of what was written, by ranges of keys, to be compared with what the target holds. */
class RangeList {
  private readonly ranges: { upTo: Buffer; digest: SetDigest }[] = [];
  private open = new SetDigest();
  private lastKey: Buffer | undefined;

  add(key: Buffer, document: Buffer): void {
    this.open.add(digestOf(document));
    this.lastKey = key;
    if (this.open.count >= compareDocuments) this.close(key);
  }

  async compare(target: Target, table: TableName) {
    if (this.lastKey && this.open.count > 0) this.close(this.lastKey);
    const written = new SetDigest();
    let matches = true;
    const held: string[] = [];
    let after: Buffer | undefined;
    for (const [i, { upTo, digest }] of this.ranges.entries()) {
      // The last range is open above, so that a document too many is found wherever it lies.
      const end = i === this.ranges.length - 1 ? undefined : upTo;
      const found = await target.digest(table, after, end);
      if (found.count !== digest.count || found.hex !== digest.hex()) matches = false;
      held.push(found.hex);
      written.addSet(digest);
      after = upTo;
    }
    if (this.ranges.length === 0) {
      const found = await target.digest(table, undefined, undefined);
      matches = found.count === 0;
      held.push(found.hex);
    }
    return { written: written.hex(), held: xorHex(held), matches };
  }

  private close(key: Buffer): void {
    this.ranges.push({ upTo: Buffer.from(key), digest: this.open });
    this.open = new SetDigest();
  }
}

function xorHex(digests: string[]): string {
  const all = new SetDigest();
  for (const digest of digests) all.add(digest);
  return all.hex();
}
