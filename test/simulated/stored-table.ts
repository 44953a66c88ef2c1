/**
 * A table that users make. Invariant: rows, indexes and feeds see one sequence of writes; a write is applied and put on
 * its way to the feeds in one step, so that no feed misses one that a read has shown.
 */
import type { ChangeHub } from "./change-hub.js";
import { type Datum, type DatumObject, equal, isObject, typeName } from "./datum.js";
import type { Engine } from "./engine.js";
import { queryContext } from "./evaluate.js";
import { type IndexRange, isEmpty } from "./index-range.js";
import { documentText, prettyText } from "./json-text.js";
import { hashShard, hashShards, primaryCode } from "./key-code.js";
import { DocumentCounts } from "./meter.js";
import type { QueryContext } from "./query-context.js";
import { logicError, opFailed, ReqlError } from "./reql-error.js";
import { OrderedCursor, RowStore } from "./row-store.js";
import type { SecondaryIndex } from "./secondary-index.js";
import type {
  ChangeStream,
  ReadMode,
  SelectionTable,
  WriteFunction,
  WriteOptions,
  WriteOutcome,
} from "./selection-table.js";
import { ArraySource, type Source, WatchedSource } from "./sequence.js";
import { KeyRows, RangeRows, type ShardRows, ShardsSource } from "./shard-rows.js";
import { evenSplits, type TableConfig } from "./table-config.js";
import { TableOutage } from "./table-outage.js";
import { UnflushedWrites } from "./unflushed-writes.js";
import type { WriteHook } from "./write-hook.js";

export class StoredTable implements SelectionTable {
  readonly id: string;
  readonly isSystem = false;
  readonly primaryKey: string;
  databaseId: string;
  name: string;
  config: TableConfig;
  writeHook: WriteHook | undefined;
  readonly indexes = new Map<string, SecondaryIndex>();
  readonly hub: ChangeHub;
  /** What has been acknowledged. */
  rows = new RowStore();
  readonly outage: TableOutage;
  readonly unflushed: UnflushedWrites;
  readonly #engine: Engine;
  /** What the server that clients are connected to reads: what has been acknowledged, unless it is cut off. */
  #served = this.rows;
  readonly #counts = new Map<string, DocumentCounts>();
  #version = 0;
  #knownSplits: readonly string[] | undefined;

  constructor(
    engine: Engine,
    identity: { id: string; databaseId: string; name: string; primaryKey: string },
    config: TableConfig,
  ) {
    this.#engine = engine;
    this.id = identity.id;
    this.databaseId = identity.databaseId;
    this.name = identity.name;
    this.primaryKey = identity.primaryKey;
    this.config = config;
    this.hub = engine.makeHub();
    this.outage = new TableOutage(engine.timers, () => engine.unavailable());
    this.unflushed = new UnflushedWrites(engine.options.flushIntervalMs);
    // A new table is split as if its keys were to be UUIDs.
    this.#splits();
  }

  get databaseName(): string {
    return this.#engine.databases.get(this.databaseId)?.name ?? "__deleted_database__";
  }

  /** The servers that have replicas of some shard. */
  get replicas(): string[] {
    const { shards } = this.config;
    return [...new Set(shards.flatMap((shard) => [...shard.replicas, ...shard.nonvotingReplicas]))];
  }

  /** What a server has read and written of this table. */
  countsOn(server: string): DocumentCounts {
    const known = this.#counts.get(server);
    if (known) return known;
    const counts = new DocumentCounts(this.#engine.timers);
    this.#counts.set(server, counts);
    return counts;
  }

  allCounts(): DocumentCounts[] {
    return this.replicas.map((server) => this.countsOn(server));
  }

  /** Counts writes of documents, also of those that change nothing. Each replica counts its own. */
  noteWritten(documents = 1): void {
    const own = this.#engine.options.serverName;
    const hearing = this.replicas.filter((server) => server !== own || !this.outage.isolated);
    for (const server of hearing) this.countsOn(server).written.note(documents);
  }

  noteRead(documents = 1): void {
    this.countsOn(this.#engine.options.serverName).read.note(documents);
  }

  /** What a start of the servers does. */
  forgetCounts(): void {
    this.#counts.clear();
  }

  checkReadable(user: string, mode: ReadMode): void {
    this.#engine.users.require(user, "read", this);
    this.outage.checkReadable(mode);
  }

  checkWritable(user: string): void {
    this.#engine.users.require(user, "write", this);
    this.outage.checkWritable();
  }

  /** @throws {ReqlError} when no feed can be opened now */
  checkWatchable(user: string): void {
    this.#engine.users.requireUncaught(user, "read", this);
    const refusal = this.outage.refusalOfFeeds(`${this.databaseName}.${this.name}`);
    if (refusal) throw refusal;
  }

  /**
   * Cuts the primary replica off from the others: it goes on with the rows that it has, and hears of no more writes,
   * while others write on. With no time it knows at once that it is alone.
   */
  isolate(noticedAfterMs: number): void {
    this.outage.isolate(noticedAfterMs);
    this.#version += 1;
    this.rows = this.rows.copy();
    this.hub.isolated = true;
    this.hub.loseTravelling();
  }

  endIsolation(): void {
    this.outage.endIsolation();
    this.#version += 1;
    this.#served = this.rows;
    this.hub.isolated = false;
  }

  get(key: Datum): DatumObject | null {
    this.noteRead();
    return this.#served.get(primaryCode(key))?.document ?? null;
  }

  read(range: IndexRange, order: "asc" | "desc" | undefined): Source {
    const source =
      range.index !== undefined
        ? this.#readIndex(range, order)
        : order
          ? new OrderedCursor(this.#served, range, order)
          : new ShardsSource(this.shardRows(range, undefined));
    return new WatchedSource(source, () => this.noteRead());
  }

  write(key: Datum, next: WriteFunction, options: WriteOptions): WriteOutcome {
    const code = primaryCode(key);
    const before = this.rows.get(code)?.document ?? null;
    this.noteWritten();
    let after: Datum | undefined;
    try {
      after = next(before);
      if (!options.ignoreWriteHook && this.writeHook) {
        after = this.writeHook.apply(before, after, this.primaryKey, this.#hookContext());
      }
      this.#checkReplacement(key, code, before, after);
      const written = after as DatumObject | null;
      if (before === written || equal(before, written)) return { before, after: before };
      this.commit(code, key, written, options.durability ?? this.config.durability);
      return { before, after: written };
    } catch (error) {
      if (!(error instanceof ReqlError)) throw error;
      return { before, ...(after !== undefined && { after }), error: error.message };
    }
  }

  /** Applies a write that has been checked, and sends it to the feeds. */
  commit(code: string, key: Datum, after: DatumObject | null, durability: "hard" | "soft"): void {
    const before = this.rows.get(code)?.document ?? null;
    if (after) {
      documentText(after);
      this.rows.put(code, key, after);
    } else {
      this.rows.delete(code);
    }
    this.#version += 1;
    this.unflushed.note({ code, key, before }, durability, this.#engine.timers.now());
    this.hub.emit({ code, shard: this.shardOf(code), key, before, after });
  }

  /** Puts back what was written softly and not flushed yet, without a word to the feeds: a server that lost power. */
  loseUnflushed(): void {
    for (const { code, key, before } of this.unflushed.takeNewestFirst(this.#engine.timers.now())) {
      if (before) this.rows.put(code, key, before);
      else this.rows.delete(code);
    }
    this.#version += 1;
  }

  changes(): ChangeStream {
    return this.hub;
  }

  hasIndex(index: string): boolean {
    return this.indexes.has(index);
  }

  indexCodes(index: string, document: DatumObject): string[] | undefined {
    return this.indexes.get(index)?.codes(document, this.#hookContext());
  }

  shardOf(code: string): number {
    const place = this.#splits().findLastIndex((split) => split <= code);
    return (place + 1) * hashShards + hashShard(code);
  }

  shardRows(range: IndexRange, codes: ReadonlySet<string> | undefined): ShardRows[] {
    if (codes) return this.#keyRows(codes);
    return this.#shardRanges(range).flatMap((part, place) =>
      Array.from(
        { length: isEmpty(part) ? 0 : hashShards },
        (_, hash) => new RangeRows(this.#served, part, place * hashShards + hash, hash),
      ),
    );
  }

  /** Lets the next use find new bounds of shards. */
  resplit(): void {
    this.#knownSplits = undefined;
  }

  /** Where the second and later shards begin. */
  #splits(): readonly string[] {
    this.#knownSplits ??= evenSplits(this.rows, this.config.shards.length);
    return this.#knownSplits;
  }

  /** What each range shard has of a range. */
  #shardRanges(range: IndexRange): IndexRange[] {
    const splits = this.#splits();
    return Array.from({ length: splits.length + 1 }, (_, place) => {
      const [from, to] = [splits[place - 1], splits[place]];
      const lower = from !== undefined && from > range.lower;
      const upper = to !== undefined && to <= range.upper;
      return {
        ...range,
        ...(lower && { lower: from, lowerOpen: false }),
        ...(upper && { upper: to, upperOpen: true }),
      };
    });
  }

  #keyRows(codes: ReadonlySet<string>): ShardRows[] {
    const byShard = new Map<number, string[]>();
    for (const code of codes) {
      const shard = this.shardOf(code);
      byShard.set(shard, [...(byShard.get(shard) ?? []), code]);
    }
    return [...byShard]
      .sort(([a], [b]) => a - b)
      .map(([shard, inShard]) => new KeyRows(this.#served, inShard, shard));
  }

  #readIndex(range: IndexRange, order: "asc" | "desc" | undefined): Source {
    const index = this.indexes.get(range.index ?? "");
    const where = `\`${range.index}\` on table \`${this.databaseName}.${this.name}\``;
    if (!index)
      throw opFailed(
        `Index \`${range.index}\` was not found on table \`${this.databaseName}.${this.name}\`.`,
      );
    if (index.readyAtMs > this.#engine.timers.now()) {
      throw opFailed(`Index ${where} was accessed before its construction was finished.`);
    }
    const rows = index.rows(this.#served, this.#version, range, this.#hookContext());
    return new ArraySource(order === "desc" ? rows.reverse() : rows);
  }

  #hookContext(): QueryContext {
    return queryContext(this.#engine, "admin");
  }

  #checkReplacement(key: Datum, code: string, before: DatumObject | null, after: Datum): void {
    if (after === null) return;
    if (!isObject(after) || after.has("$reql_type$")) {
      throw logicError(
        `Inserted value must be an OBJECT (got ${typeName(after)}):\n${prettyText(after)}`,
      );
    }
    const newKey = after.get(this.primaryKey);
    if (newKey === undefined) {
      throw logicError(
        `Inserted object must have primary key \`${this.primaryKey}\`:\n${prettyText(after)}`,
      );
    }
    if (before && !equal(newKey, key)) {
      throw logicError(
        `Primary key \`${this.primaryKey}\` cannot be changed (\`${prettyText(before)}\` -> \`${prettyText(after)}\`).`,
      );
    }
    if (primaryCode(newKey) !== code) {
      throw logicError(
        `Primary key \`${this.primaryKey}\` cannot be changed (null -> ${prettyText(after)})`,
      );
    }
  }
}
