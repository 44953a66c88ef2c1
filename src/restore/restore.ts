/**
 * Carries out a plan: makes databases and tables, merges base and log, and writes the last version of each document
 * once.
 */
import { untilAborted } from "../abort.js";
import type { TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { KeyFilter } from "../key-filter.js";
import type { TableName, TableSpec, Target } from "../rethinkdb/target.js";
import { textOfJson } from "../server-text.js";
import { severalAtOnce } from "../several-at-once.js";
import { fillTable } from "./fill.js";
import { isGuard } from "./guard.js";
import { HeldKeys } from "./held-keys.js";
import type { Pace } from "./pace.js";
import type { PlannedTable, RestorePlan } from "./plan.js";
import { PlannedLog } from "./planned-log.js";
import { readBack } from "./read-back.js";
import { isPart } from "./request.js";
import { type Begun, refusalOf, tagOf, takenError } from "./tag.js";
import { TagKeeper } from "./tag-keeper.js";

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
  /** Keys that were asked for, and that no document of it has: JSON texts. */
  missingKeys: string[];
  /** What shows that the choice of documents is mistyped, one sentence each. */
  doubts: string[];
  /** How many documents an earlier run of the same restore had written. */
  already: number;
  /** Which fields were masked, how, and in how many documents; null if the documents are as they were. */
  masked: { path: string; rule: string; documents: number }[] | null;
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
  const names = new Set(plan.tables.map(({ to }) => nameOf(to)));
  const taken = (await target.tables()).filter((table) => names.has(nameOf(table)));
  if (taken.length > 0) throw takenError(taken);
}

export interface RestoreOptions {
  /** Ends the restore between two steps, with its reason; what was made by then stays. Then nothing is written. */
  signal?: AbortSignal;
  /** Tags the tables until they are whole, and goes on with those that are begun. Without it tables have no tags. */
  begun?: Begun;
  /** Called when all tables are complete, before the last of them loses its tag. */
  beforeEnd?: () => Promise<void>;
  /** As fast as the target takes it if absent. */
  pace?: Pace | undefined;
  /** How many tables are restored at once; a gentle pace restores one after the other. */
  tablesAtOnce?: number;
}

/**
 * While a table is made, compared or indexed, others are written; and small tables cost the target little but waiting.
 */
const tablesAtOnceDefault = 4;

/**
 * Makes the plan's databases and tables. Users and grants are restored after them, by restoreAccess.
 * @returns the tables that it has completed; not those that were whole already
 */
export async function restore(
  repository: Repository,
  plan: RestorePlan,
  target: Target,
  clock: Clock,
  observer: RestoreObserver,
  options: RestoreOptions = {},
): Promise<RestoredTable[]> {
  const { signal = new AbortController().signal, begun } = options;
  const atOnce = options.pace?.isGentle ? 1 : (options.tablesAtOnce ?? tablesAtOnceDefault);
  if (!begun) await refuseExisting(plan, target);
  if (plan.tables.length === 0) {
    await createDatabases(plan, target, signal);
    await options.beforeEnd?.();
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
  let keeper: TagKeeper | undefined;
  try {
    // Only now: what is damaged of the log has been met, and nothing is made on the target then.
    await createDatabases(plan, target, signal);
    const unfinished = begun && new Map(begun.made);
    if (begun) {
      await makeTagged(plan, target, begun, { atOnce, signal });
      keeper = new TagKeeper(plan, target, begun, clock);
      await keeper.restoreLost();
    }
    const tables = plan.tables.filter(({ to }) => !begun?.whole.has(nameOf(to)));
    const last = plan.tables.at(-1)!;
    // A table that is not as it was written keeps its tag, and the last one for it: the restore goes on with them.
    const complete = async (table: PlannedTable, of: RestoredTable, all = [of]) => {
      if (begun && !all.every(({ matches }) => matches)) return;
      await keeper?.release(begun!.made.get(nameOf(table.to))!);
      await setHook(table, target, begun !== undefined);
      observer.complete?.(of);
    };
    const restored = await eachTable(tables, atOnce, signal, async (table, stop) => {
      const making = { begun, unfinished, pace: options.pace, signal: stop };
      const of = await restoreTable(table, log, target, clock, observer, making);
      if (table !== last) await complete(table, of);
      return of;
    });
    if (tables.includes(last)) {
      await options.beforeEnd?.();
      await complete(last, restored.get(last)!, [...restored.values()]);
    }
    return tables.map((table) => restored.get(table)!);
  } finally {
    await keeper?.end();
    await log.dispose();
  }
}

/**
 * Does the work of several tables at once, begun in their order. If one fails, `stop` aborts for the others, and no
 * other is begun. Ends when all that was begun has ended; rejects then with the first failure.
 */
async function eachTable(
  tables: readonly PlannedTable[],
  atOnce: number,
  signal: AbortSignal,
  work: (table: PlannedTable, stop: AbortSignal) => Promise<RestoredTable>,
): Promise<Map<PlannedTable, RestoredTable>> {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const restored = new Map<PlannedTable, RestoredTable>();
  const waiting = tables.values();
  const oneAfterTheOther = async () => {
    for (const table of waiting) {
      stop.throwIfAborted();
      restored.set(table, await work(table, stop));
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, tables.length) }, oneAfterTheOther);
  await Promise.all(workers.map((ended) => ended.catch((error: unknown) => failed.abort(error))));
  stop.throwIfAborted();
  return restored;
}

/** The wanted keys of a table of a plan, by its id. */
function filterOf({ tables }: RestorePlan): (table: string) => KeyFilter | undefined {
  const filters = new Map(tables.map(({ config, chosen }) => [config.id, chosen.filter]));
  return (table) => filters.get(table);
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

/** Makes the tables that the target has not yet; the last one last, because its tag names all others. */
async function makeTagged(
  { tables, instant }: RestorePlan,
  target: Target,
  { identity, made }: Begun,
  { atOnce, signal }: { atOnce: number; signal: AbortSignal },
): Promise<void> {
  const make = async (table: PlannedTable, others: object) => {
    signal.throwIfAborted();
    const refusal = refusalOf({ ...identity, at: instant, ...others });
    made.set(nameOf(table.to), await target.createTable(specOf(table.config, table.to), refusal));
  };
  const lacking = tables.filter(({ to }) => !made.has(nameOf(to)));
  const last = tables.at(-1)!;
  const making = severalAtOnce(
    lacking.filter((table) => table !== last),
    atOnce,
    (table) => make(table, {}),
  );
  for await (const _ of making);
  if (lacking.includes(last)) await make(last, { others: [...made.values()] });
}

/** Last of all, so that it runs on none of the documents that are restored. It takes the place of the table's tag. */
async function setHook(
  { config, to }: PlannedTable,
  target: Target,
  isTagged: boolean,
): Promise<void> {
  // A capture may have seen a table while it was being restored, or while it was a standby's.
  const isOurs = tagOf(config.write_hook) || isGuard(config.write_hook);
  const hook = isOurs ? null : config.write_hook;
  if (hook || isTagged) await target.setWriteHook(to, hook?.function ?? null);
}

/** Throws if documents have got the key of others. The table keeps its tag, so it is not taken for a whole one. */
function refuseCollisions(to: TableName, lost: number): void {
  if (lost <= 0) return;
  throw new ThinkbackError(
    "mismatch",
    `${nameOf(to)}: the mask gave ${lost} documents the key of another`,
    {
      hint: "drop the table on the target, and mask its primary key by a longer hash",
    },
  );
}

/** How one table of a plan is made. */
interface Making {
  signal: AbortSignal;
  /** The ids of the tables that an earlier run has made, by "db.table". */
  unfinished: Map<string, string> | undefined;
  begun: Begun | undefined;
  pace: Pace | undefined;
}

const nameOf = ({ db, name }: TableName) => `${db}.${name}`;

async function restoreTable(
  table: PlannedTable,
  log: PlannedLog,
  target: Target,
  clock: Clock,
  observer: RestoreObserver,
  { signal, begun, unfinished, pace }: Making,
): Promise<RestoredTable> {
  signal.throwIfAborted();
  const { from, to } = table;
  const began = clock.monotonicMs();
  observer.making?.(to);
  const id = begun?.made.get(nameOf(to)) ?? (await target.createTable(specOf(table.config, to)));
  const made = { ...to, id, primaryKey: table.config.primary_key };
  const isResumed = unfinished?.has(nameOf(to)) === true;
  // What was written under masked keys is in another order: all of it is written again.
  const isInOrder = isResumed && !table.mask?.movesKeys;
  const held = isInOrder ? new HeldKeys(target, made, signal) : undefined;
  const onWritten = (documents: number, bytes: number) => observer.writing(to, documents, bytes);
  const filled = await fillTable(table, log, target, made, { held, pace }, onWritten, signal);
  const { digest, documents } = filled;
  // The table keeps its tag then: nobody takes what is in it for masked.
  table.mask?.refuseUnused();
  observer.finishing(to, "syncing");
  await untilAborted(target.sync(made), signal);
  observer.finishing(to, "comparing");
  const found = await readBack(target, made, documents, signal);
  signal.throwIfAborted();
  if (table.mask?.movesKeys) refuseCollisions(to, digest.count - found.count);
  observer.finishing(to, "building indexes");
  const present = isResumed ? (await target.settings(to)).config.indexes : [];
  for (const index of table.indexes) {
    if (!present.includes(index.index)) await target.createIndex(to, index);
  }
  await untilAborted(target.waitForIndexes(to), signal);
  return {
    from: `${from.db}.${from.name}`,
    to: `${to.db}.${to.name}`,
    class: table.class,
    documents,
    bytes: filled.bytes,
    isPart: isPart(table.chosen),
    passedOver: table.chosen.filter ? null : filled.passedOver,
    missingKeys: filled.missingKeys.map(textOfJson),
    doubts: table.chosen.doubts?.() ?? [],
    already: filled.already,
    masked: table.mask?.counts() ?? null,
    seconds: (clock.monotonicMs() - began) / 1000,
    indexes: table.indexes.length,
    written: digest.hex(),
    held: found.hex(),
    matches: found.count === digest.count && found.hex() === digest.hex(),
    leftOut: filled.refused.map(({ key, reason }) => ({ key: key.toString(), reason })),
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
