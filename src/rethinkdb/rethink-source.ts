import { type Clock, withTimeout } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { fieldName } from "../json-bytes.js";
import { type CatalogRecord, readCatalog, type TableConfig } from "./catalog-reader.js";
import type { Dial } from "./channel.js";
import { Connection } from "./connection.js";
import { type Feed, feedPace, StreamFeed } from "./feed.js";
import { r, systemTable, tableTerm } from "./reql.js";
import { ConnectionLost } from "./response.js";
import { type Source, type TableReference } from "./source.js";
import { checkIdentity, type WalkBatch, type WalkOptions, walkTable } from "./walk.js";

/** Feeds that share a connection. A connection is pinned to one thread of the server. */
const feedsPerConnection = 16;
/** Elements that the server queues for a feed while we do not read. */
const feedQueueElements = 100_000;
/** An answer of administration that takes longer than this does not come any more. */
const answerMsMax = 30_000;
const hintTables = ["db_config", "table_config", "users", "permissions"];

interface FeedPlace {
  connection: Promise<Connection>;
  feeds: number;
}

export class RethinkSource implements Source {
  private admin: Promise<Connection> | undefined;
  private hints: CatalogHints | undefined;
  private feedPlaces: FeedPlace[] = [];
  private readonly connections = new Set<Connection>();
  private closed = false;
  /** Names of tables by id, as last read: a feed outlives a rename, and a probe must not use the old name. */
  private names = new Map<string, Pick<TableReference, "db" | "name">>();

  constructor(
    readonly location: string,
    private readonly dial: Dial,
    private readonly clock: Clock,
  ) {}

  async readCatalog(): Promise<CatalogRecord[]> {
    const connection = await this.adminConnection();
    const records = await this.answered(connection, readCatalog(connection));
    const configs = records
      .filter(({ key }) => key[0] === "table")
      .map((r) => r.value as TableConfig);
    const reachable = configs.filter(({ error }) => error === undefined);
    this.names = new Map(reachable.map(({ id, db, name }) => [id, { db, name }]));
    return records;
  }

  async catalogHint(pollMs: number, signal: AbortSignal): Promise<void> {
    const connection = await this.adminConnection();
    if (this.hints?.connection !== connection) this.hints = new CatalogHints(connection);
    const timer = new AbortController();
    const giveUp = () => timer.abort(signal.reason);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await Promise.race([this.hints.next(), this.clock.sleep(pollMs, timer.signal)]);
    } finally {
      signal.removeEventListener("abort", giveUp);
      timer.abort(new Error("no longer waited for"));
    }
  }

  async openFeed(table: TableReference): Promise<Feed> {
    const place = this.feedPlace();
    place.feeds += 1;
    const release = () => {
      place.feeds -= 1;
    };
    try {
      const connection = await place.connection;
      return await this.answered(connection, this.openFeedOn(connection, table, release));
    } catch (error) {
      release();
      // Another server may open what this one refuses, and only a new connection leads to another.
      if (place.feeds === 0) {
        void place.connection.then(
          (connection) => connection.close(),
          () => undefined,
        );
      }
      throw error;
    }
  }

  async *walk(table: TableReference, options: WalkOptions): AsyncGenerator<WalkBatch> {
    const connection = await this.connect();
    const close = () => connection.close();
    options.signal.addEventListener("abort", close, { once: true });
    try {
      options.signal.throwIfAborted();
      yield* walkTable(connection, table, options);
    } finally {
      options.signal.removeEventListener("abort", close);
      connection.close();
    }
  }

  async estimateDocuments(table: TableReference): Promise<number> {
    const connection = await this.adminConnection();
    const counts = await this.answered(
      connection,
      connection.value<number[]>(tableTerm(table).info!().bracket!("doc_count_estimates")),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async serverClock(): Promise<{ offsetMs: number; uncertaintyMs: number }> {
    const connection = await this.adminConnection();
    const before = this.clock.now();
    const { epoch_time: seconds } = await this.answered(
      connection,
      connection.value<{ epoch_time: number }>(r.now()),
    );
    const after = this.clock.now();
    const offsetMs = Math.round(seconds * 1000 - (before + after) / 2);
    return { offsetMs, uncertaintyMs: Math.ceil((after - before) / 2) };
  }

  close(): void {
    this.closed = true;
    for (const connection of this.connections) connection.close();
    this.connections.clear();
  }

  private async openFeedOn(
    connection: Connection,
    table: TableReference,
    release: () => void,
  ): Promise<Feed> {
    const stream = connection.stream(
      tableTerm(table).changes!({ squash: false, changefeedQueueSize: feedQueueElements }),
      {},
      feedPace(this.clock),
    );
    const first = await stream.next();
    if (first.done) throw new Error("the feed ended at once");
    try {
      await checkIdentity(connection, table);
      const servers = await connection.rows(systemTable("server_config"));
      const probe =
        servers.length > 1
          ? () => majorityProbe(connection, { ...table, ...this.names.get(table.id) })
          : undefined;
      const keyField = fieldName(table.primaryKey);
      return new StreamFeed(connection, stream, first.value, keyField, release, probe);
    } catch (error) {
      await stream.return();
      throw error;
    }
  }

  /** Waits for an answer; a connection on which none comes is closed, so that nobody else waits on it. */
  private answered<T>(connection: Connection, answer: Promise<T>): Promise<T> {
    return withTimeout(this.clock, answerMsMax, answer, () => {
      connection.close();
      return new ThinkbackError("source", `${this.location} does not answer`);
    });
  }

  private adminConnection(): Promise<Connection> {
    this.admin ??= this.connect(() => {
      this.admin = undefined;
    });
    return this.admin;
  }

  private feedPlace(): FeedPlace {
    const free = this.feedPlaces.find(({ feeds }) => feeds < feedsPerConnection);
    if (free) return free;
    const place: FeedPlace = {
      feeds: 0,
      connection: this.connect(() => {
        this.feedPlaces = this.feedPlaces.filter((other) => other !== place);
      }),
    };
    this.feedPlaces.push(place);
    return place;
  }

  /** @param onGone called when the connection is lost, or could not be made */
  private async connect(onGone: () => void = () => undefined): Promise<Connection> {
    try {
      const connection = new Connection(await this.dial());
      if (this.closed) {
        // Nobody would ever close it, and an open socket keeps the process from ending.
        connection.close();
        throw new ConnectionLost(new Error("the source was closed meanwhile"));
      }
      this.connections.add(connection);
      void connection.lost.then(() => {
        this.connections.delete(connection);
        onGone();
      });
      return connection;
    } catch (error) {
      onGone();
      throw error;
    }
  }
}

/** Reads at most one document, from a majority of the replicas. Rejects if the name stands for another table. */
async function majorityProbe(connection: Connection, table: TableReference): Promise<void> {
  const { db, name, primaryKey } = table;
  const count = r.db(db).table!(name, { readMode: "majority" }).orderBy!({ index: primaryKey })
    .limit!(1).count!();
  await Promise.all([connection.rows(count), checkIdentity(connection, table)]);
}

/** Feeds on the system tables, read only for that something changed. */
class CatalogHints {
  private pending = false;
  private wake: (() => void) | undefined;

  constructor(readonly connection: Connection) {
    for (const table of hintTables) void this.listen(table);
  }

  /** Resolves at the next change, or at once if one came since the last call. */
  async next(): Promise<void> {
    if (!this.pending) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    this.pending = false;
  }

  private async listen(table: string): Promise<void> {
    try {
      for await (const response of this.connection.stream(systemTable(table).changes!())) {
        if (response.firstRow < response.bytes.length && response.rows().length > 0) this.notify();
      }
    } catch (error) {
      // A lost connection or a missing grant: the poll goes on without the hint.
      if (!(error instanceof ConnectionLost)) return;
      this.notify();
    }
  }

  private notify(): void {
    this.pending = true;
    this.wake?.();
  }
}
