import type { TableConfig } from "../catalog-record.js";
import { type Clock, withTimeout } from "../clock.js";
import { clearAfter, ThinkbackError } from "../errors.js";
import { fieldName } from "../json-bytes.js";
import { type CatalogReading, type KnownIndexes, readCatalog } from "./catalog-reader.js";
import type { Dial, DialOptions } from "./channel.js";
import { Connection } from "./connection.js";
import { type Feed, feedPace, StreamFeed } from "./feed.js";
import { FenceChain } from "./fence.js";
import { r, systemTable, tableTerm } from "./reql.js";
import { ConnectionLost, isRefusal, isUnavailable } from "./response.js";
import { type ScanBatch, type ScanOptions, scanTable } from "./scan.js";
import { ForeignCluster, type Source, type Survey } from "./source.js";
import { askMajority, Surveyor, type Topology, topologyOf } from "./survey.js";
import { heldTable, isReplaced, orReplaced } from "./table-identity.js";
import { type TableReference, TableReplaced } from "./table-reference.js";

/** Feeds that share a connection. A connection is pinned to one thread of the server. */
const feedsPerConnection = 16;
/** Elements that the server queues for a feed while we do not read. */
const feedQueueElements = 100_000;
/** An answer of administration that takes longer than this does not come any more. */
const answerMsMax = 30_000;

interface FeedPlace {
  connection: Promise<Connection>;
  /** The id of the connection's server, once it is known. */
  server?: string;
  feeds: number;
}

export class RethinkSource implements Source {
  private admin: Promise<Connection> | undefined;
  private feedPlaces: FeedPlace[] = [];
  private readonly connections = new Set<Connection>();
  private closed = false;
  /**
   * Ids of a cluster's servers, databases and tables by which it is known; while it is empty, every cluster is
   * accepted.
   */
  private recognised = new Set<string>();
  private topology: Topology | undefined;
  private readonly indexes: KnownIndexes = new Map();
  /** By the id of the server that is asked: one that is cut off must not speak for another. */
  private readonly surveyors = new Map<string, Surveyor>();
  /** The id of each open connection's server. */
  private readonly servers = new Map<Connection, string>();
  /** The connection of each table's feed, by table id. */
  private readonly feedConnections = new Map<string, Connection>();
  /** Connections to other servers than those at some addresses, by these. */
  private readonly others = new Map<string, Promise<Connection>>();

  constructor(
    readonly location: string,
    private readonly dial: Dial,
    private readonly clock: Clock,
  ) {}

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

  /**
   * Each table is asked for through the server that its feed comes from. A server that is cut off from the others feeds
   * on what it has itself, and answers fences by itself; that it hears no majority is what tells.
   */
  async survey(tables: readonly TableReference[]): Promise<Survey> {
    const admin = await this.adminConnection();
    const groups = new Map<string, { connection: Connection; tables: TableReference[] }>();
    for (const table of tables) {
      const own = this.feedConnections.get(table.id) ?? admin;
      const server = this.serverOf(own);
      const group = groups.get(server);
      if (group) group.tables.push(table);
      else
        groups.set(server, {
          connection: this.serverOf(admin) === server ? admin : own,
          tables: [table],
        });
    }
    const asked = [...groups.values()];
    const surveys = await Promise.allSettled(
      asked.map((group) => {
        const { connection } = group;
        const survey = this.surveyor(connection).survey(connection, group.tables, this.topology);
        return this.answered(connection, survey);
      }),
    );
    const answers = surveys.filter((survey) => survey.status === "fulfilled");
    const [failed] = surveys.filter((survey) => survey.status === "rejected");
    // What one server does not say is missing; the others' tables are proven.
    if (failed && answers.length === 0) throw failed.reason;
    return new Map(answers.flatMap(({ value }) => [...value]));
  }

  async servedElsewhere(table: TableReference): Promise<boolean> {
    const where = this.feedConnections.get(table.id)?.where;
    return where !== undefined && this.preferOther(table, where);
  }

  /** The fence first, then the feed: the feed owes nothing that is not behind the fence. */
  async openFeed(table: () => TableReference): Promise<Feed> {
    const place = this.feedPlace();
    place.feeds += 1;
    const release = () => {
      place.feeds -= 1;
    };
    let connection: Connection | undefined;
    try {
      connection = await place.connection;
      place.server = this.serverOf(connection);
      const opened = await this.answered(connection, this.openFeedOn(connection, table, release));
      this.feedConnections.set(table().id, connection);
      return opened;
    } catch (error) {
      release();
      await this.leaveIfServedElsewhere(table(), connection, error);
      // A server that refuses a feed while it has no other: the next opening may reach one that does not.
      if (place.feeds === 0 && !isRefusal(error)) connection?.close();
      throw error;
    }
  }

  async *scan(table: TableReference, options: ScanOptions): AsyncGenerator<ScanBatch> {
    // The survey says of the feed's server alone that it hears a majority.
    const only = this.feedConnections.get(table.id)?.where;
    const connection = await this.connect(undefined, only === undefined ? {} : { only });
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
    // A clock that was set meanwhile says less of the offset, whichever way it was set.
    return { offsetMs, uncertaintyMs: Math.ceil(Math.abs(after - before) / 2) };
  }

  close(): void {
    this.closed = true;
    for (const connection of this.connections) connection.close();
    this.connections.clear();
    for (const surveyor of this.surveyors.values()) surveyor.close();
    this.others.clear();
  }

  private async openFeedOn(
    connection: Connection,
    table: () => TableReference,
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
      const asked = await this.askedFor(connection);
      const writesBefore = await this.surveyor(connection).counted(asked, table().id);
      const openedMs = clock.monotonicMs();
      const called = table();
      const term = heldTable(called).changes!({
        squash: orReplaced(called, false),
        changefeedQueueSize: feedQueueElements,
      });
      const stream = connection.stream(term, {}, feedPace(clock));
      const opened = { fences, openedMs, writesBefore };
      const onSilent = () => this.leave(connection);
      const onCutOff = () => this.avoid(connection);
      const keyField = fieldName(called.primaryKey);
      feed = new StreamFeed(connection, stream, keyField, opened, {
        onClose: release,
        onSilent,
        onCutOff,
      });
      await feed.begin();
      return feed;
    } catch (error) {
      fences.close();
      await clearAfter(error, async () => feed?.stop());
      throw isReplaced(error) ? new TableReplaced(table()) : error;
    }
  }

  /** Waits for an answer; a connection on which none comes is given up, so that nobody else waits on it. */
  private answered<T>(connection: Connection, answer: Promise<T>): Promise<T> {
    return withTimeout(this.clock, answerMsMax, answer, () => {
      connection.giveUp();
      return new ThinkbackError("source", `${connection.where ?? this.location} does not answer`);
    });
  }

  private forget(connection: Connection): void {
    this.connections.delete(connection);
    this.servers.delete(connection);
    for (const [table, own] of this.feedConnections) {
      if (own === connection) this.feedConnections.delete(table);
    }
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

  private surveyor(connection: Connection): Surveyor {
    const server = this.serverOf(connection);
    let surveyor = this.surveyors.get(server);
    if (!surveyor) this.surveyors.set(server, (surveyor = new Surveyor(this.clock)));
    return surveyor;
  }

  /** The id of the connection's server; that of none if the connection is lost. */
  private serverOf(connection: Connection): string {
    return this.servers.get(connection) ?? "";
  }

  /** The connection for questions to the server of a feed's connection. */
  private async askedFor(connection: Connection): Promise<Connection> {
    const admin = await this.adminConnection();
    return this.serverOf(admin) === this.serverOf(connection) ? admin : connection;
  }

  /**
   * A server is cut off from others: the catalog is read through another one, and the next feeds come from there. Feeds
   * that come from it stay, because others may not serve their tables.
   */
  private avoid(cutOff: Connection): void {
    cutOff.blame();
    this.feedPlaces = this.feedPlaces.filter((place) => !this.isTo(place, cutOff));
    const leave = (admin: Connection) => {
      if (this.serverOf(admin) === this.serverOf(cutOff)) admin.close();
    };
    // One that cannot be made is reported where it is used.
    this.admin?.then(leave, () => undefined);
  }

  private isTo({ server }: FeedPlace, connection: Connection): boolean {
    return server !== undefined && server === this.serverOf(connection);
  }

  /**
   * A server does not answer: gives up all connections to it, so that what they are for is done through another one.
   */
  private leave(silent: Connection): void {
    silent.giveUp();
    if (silent.where === undefined) return;
    for (const connection of this.connections) {
      if (connection.where === silent.where) connection.close();
    }
  }

  /** A feed could not be opened because the table's servers cannot be reached: another server may reach them. */
  private async leaveIfServedElsewhere(
    table: TableReference,
    connection: Connection | undefined,
    error: unknown,
  ): Promise<void> {
    if (!connection || connection.where === undefined || !isUnavailable(error)) return;
    if (await this.preferOther(table, connection.where)) this.avoid(connection);
  }

  /**
   * Looks for another server than the one at `where`, through which a majority of every shard answers for the table.
   * The first one is preferred from now on. False if there is none.
   */
  private async preferOther(table: TableReference, where: string): Promise<boolean> {
    const avoid = [where];
    for (;;) {
      const connection = await this.otherThan(avoid).catch(() => undefined);
      if (connection?.where === undefined) return false;
      if (await askMajority(connection, table, this.clock).catch(() => false)) {
        connection.prefer();
        return true;
      }
      avoid.push(connection.where);
    }
  }

  /** A connection to another server than those at some addresses; several tables share it. */
  private otherThan(avoid: readonly string[]): Promise<Connection> {
    const key = avoid.join(" ");
    let other = this.others.get(key);
    if (!other) {
      other = this.connect(() => void this.others.delete(key), { avoid: [...avoid] });
      this.others.set(key, other);
    }
    return other;
  }

  /** An address is not a cluster: another server may answer there since. */
  private async identify(connection: Connection): Promise<void> {
    const { recognised, location } = this;
    const { id } = await connection.serverInfo();
    this.servers.set(connection, id);
    if (recognised.size === 0 || recognised.has(id)) return;
    const ids = (table: string) => connection.rows(systemTable(table).getField!("id"));
    const asked = await Promise.all(["server_config", "db_config", "table_config"].map(ids));
    if (asked.flat().some((one) => recognised.has(one as string))) return;
    connection.giveUp();
    throw new ForeignCluster(connection.where ?? location);
  }

  /**
   * @param onGone called when the connection is lost, or could not be made
   * @param options which servers will do
   */
  private async connect(
    onGone: () => void = () => undefined,
    options: DialOptions = {},
  ): Promise<Connection> {
    try {
      const connection = new Connection(await this.dial(options));
      if (this.closed) {
        // Nobody would ever close it, and an open socket keeps the process from ending.
        connection.close();
        throw new ConnectionLost(new Error("the source was closed meanwhile"));
      }
      this.connections.add(connection);
      await this.answered(connection, this.identify(connection));
      void connection.lost.then(() => {
        this.forget(connection);
        onGone();
      });
      return connection;
    } catch (error) {
      onGone();
      throw error;
    }
  }
}
