import type { TableConfig } from "../catalog-record.js";
import { type Clock, withTimeout } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { fieldName } from "../json-bytes.js";
import { type CatalogReading, type KnownIndexes, readCatalog } from "./catalog-reader.js";
import type { Dial } from "./channel.js";
import { Connection } from "./connection.js";
import { type Feed, feedPace, StreamFeed } from "./feed.js";
import { FenceChain } from "./fence.js";
import { r, systemTable, tableTerm } from "./reql.js";
import { ConnectionLost, isRefusal } from "./response.js";
import { type ScanBatch, type ScanOptions, scanTable } from "./scan.js";
import { ForeignCluster, type Source, type Survey } from "./source.js";
import { Surveyor, type Topology, topologyOf } from "./survey.js";
import { heldTable, isReplaced, orReplaced } from "./table-identity.js";
import { type TableReference, TableReplaced } from "./table-reference.js";
import type { TableWrites } from "./table-writes.js";

/** Feeds that share a connection. A connection is pinned to one thread of the server. */
const feedsPerConnection = 16;
/** Elements that the server queues for a feed while we do not read. */
const feedQueueElements = 100_000;
/** An answer of administration that takes longer than this does not come any more. */
const answerMsMax = 30_000;
interface FeedPlace {
  connection: Promise<Connection>;
  feeds: number;
}

export class RethinkSource implements Source {
  private admin: Promise<Connection> | undefined;
  private feedPlaces: FeedPlace[] = [];
  private readonly connections = new Set<Connection>();
  private closed = false;
  /** Ids of a cluster's servers, databases and tables by which it is known; while it is empty, every cluster is accepted. */
  private recognised = new Set<string>();
  private topology: Topology | undefined;
  private readonly indexes: KnownIndexes = new Map();
  private readonly surveyor: Surveyor;

  constructor(
    readonly location: string,
    private readonly dial: Dial,
    private readonly clock: Clock,
  ) {
    this.surveyor = new Surveyor(clock);
  }

  recognise(ids: Iterable<string>): void {
    this.recognised = new Set([...this.recognised, ...ids]);
  }

  async readCatalog(): Promise<CatalogReading> {
    const connection = await this.adminConnection();
    const readAtMs = this.clock.monotonicMs();
    const reading = await this.answered(connection, readCatalog(connection, this.indexes));
    const configs = reading.structure
      .filter(({ key }) => key[0] === "table")
      .map(({ value }) => value as TableConfig);
    this.topology = topologyOf(configs, readAtMs);
    // The servers that join a cluster which is known are known.
    if (this.recognised.size > 0) this.recognise(reading.servers.map(({ id }) => id));
    return reading;
  }

  async survey(tables: readonly TableReference[]): Promise<Survey> {
    const connection = await this.adminConnection();
    const surveying = this.surveyor.survey(connection, tables, this.topology);
    return this.answered(connection, surveying);
  }

  /** The fence first, then the feed: the feed owes nothing that is not behind the fence. */
  async openFeed(table: () => TableReference): Promise<Feed> {
    const admin = await this.adminConnection();
    const count = () => this.answered(admin, this.surveyor.counted(admin, table().id));
    const place = this.feedPlace();
    place.feeds += 1;
    const release = () => {
      place.feeds -= 1;
    };
    let connection: Connection | undefined;
    try {
      connection = await place.connection;
      const opening = this.openFeedOn(connection, table, count, release);
      return await this.answered(connection, opening);
    } catch (error) {
      release();
      // A server that refuses a feed while it has no other: the next opening may reach one that does not.
      if (place.feeds === 0 && !isRefusal(error)) connection?.close();
      throw error;
    }
  }

  async *scan(table: TableReference, options: ScanOptions): AsyncGenerator<ScanBatch> {
    const connection = await this.connect();
    const close = () => connection.close();
    options.signal.addEventListener("abort", close, { once: true });
    try {
      options.signal.throwIfAborted();
      yield* scanTable(connection, table, options);
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
    table: () => TableReference,
    count: () => Promise<TableWrites | undefined>,
    release: () => void,
  ): Promise<Feed> {
    const { clock } = this;
    let feed: StreamFeed | undefined;
    const fences = new FenceChain(
      connection,
      table,
      () => feed?.delivered ?? 0,
      () => clock.monotonicMs(),
    );
    try {
      await fences.begin();
      // Right before, because what is written between the two is counted, and never comes.
      const writesBefore = await count();
      const openedMs = clock.monotonicMs();
      const called = table();
      const term = heldTable(called).changes!({
        squash: orReplaced(called, false),
        changefeedQueueSize: feedQueueElements,
      });
      const stream = connection.stream(term, {}, feedPace(clock));
      const opened = { fences, openedMs, writesBefore };
      feed = new StreamFeed(connection, stream, fieldName(called.primaryKey), opened, release);
      await feed.begin();
      return feed;
    } catch (error) {
      fences.close();
      await feed?.stop();
      throw isReplaced(error) ? new TableReplaced(table()) : error;
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

  /** An address is not a cluster: another server may answer there since. */
  private async identify(connection: Connection): Promise<void> {
    const { recognised, location } = this;
    if (recognised.size === 0) return;
    const { id } = await connection.serverInfo();
    if (recognised.has(id)) return;
    const ids = (table: string) => connection.rows(systemTable(table).getField!("id"));
    const asked = await Promise.all(["server_config", "db_config", "table_config"].map(ids));
    if (asked.flat().some((one) => recognised.has(one as string))) return;
    connection.close();
    throw new ForeignCluster(location);
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
      await this.answered(connection, this.identify(connection));
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
