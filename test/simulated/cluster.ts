/** A RethinkDB server in memory, with the faults that real ones have, for tests and for the whole-system simulation. */
import { Connection } from "./connection.js";
import { type Datum, type DatumObject, isObject } from "./datum.js";
import { Engine, type EngineOptions, feedAborted, type ServerIdentity } from "./engine.js";
import { Feed } from "./feed.js";
import { documentText, jsonText } from "./json-text.js";
import { primaryCode } from "./key-code.js";
import type { Link, Weather } from "./link.js";
import { configRow, databaseRow, indexNames } from "./metadata-rows.js";
import { Proxy } from "./proxy.js";
import type { Random } from "./random.js";
import { readDatum } from "./read-json.js";
import type { StoredTable } from "./stored-table.js";
import { shardsOn } from "./table-config.js";
import { terms } from "./terms.js";
import { indexQuery } from "./terms-index.js";
import { realTimers, type Timers } from "./timers.js";
import { permissionRows, userRows } from "./user-tables.js";
import type { User } from "./users.js";

export interface ClusterOptions extends Partial<EngineOptions> {
  readonly timers?: Timers;
}

/** A write made without a query: a whole document, or the key of one to delete; both as JSON values or as RawJson. */
export type DirectWrite = { readonly put: unknown } | { readonly delete: unknown };

/** Refused: the server is not reachable, the user is unknown or the password wrong. */
export class ConnectionRefused extends Error {
  override readonly name = "ConnectionRefused";
  /** The handshake's error code; undefined when nobody listens. */
  readonly code: number | undefined;

  constructor(message: string, code?: number) {
    super(message);
    this.code = code;
  }
}

export interface Credentials {
  readonly user?: string;
  readonly password?: string;
}

const NOT_READY_AFTER_RESTART_MS = 500;

export class Cluster {
  readonly timers: Timers;
  readonly #engine: Engine;
  readonly #weather: Weather = { latencyMs: 0, paused: false };
  readonly #connections = new Set<Connection>();
  readonly #proxy: Proxy;
  #refusing = false;
  #down = false;

  constructor(options: ClusterOptions = {}) {
    this.timers = options.timers ?? realTimers;
    const engineOptions: EngineOptions = {
      seed: options.seed ?? 1,
      serverName: options.serverName ?? "simulated_1",
      otherServers: options.otherServers ?? [],
      feedDelayMsMax: options.feedDelayMsMax ?? 3,
      indexBuildMs: options.indexBuildMs ?? 20,
      flushIntervalMs: options.flushIntervalMs ?? 1000,
    };
    this.#engine = new Engine(this.timers, engineOptions, terms);
    this.#proxy = new Proxy(this.#engine.serverId, this.timers);
  }

  /**
   * Connects without a socket and without the handshake's messages.
   * @throws {ConnectionRefused} when not reachable, for an unknown user (code 17) or a wrong password (code 12)
   */
  open(credentials: Credentials = {}): Link {
    return this.#open(credentials);
  }

  /** The same through the cluster's proxy. */
  openThroughProxy(credentials: Credentials = {}): Link {
    return this.#open(credentials, this.#proxy);
  }

  #open(credentials: Credentials, proxy?: Proxy): Link {
    const name = credentials.user ?? "admin";
    if (!this.accepting) throw new ConnectionRefused("the simulated server is not reachable");
    const user = this.findUser(name);
    if (!user) throw new ConnectionRefused("Unknown user", 17);
    if (user.password !== (credentials.password ?? ""))
      throw new ConnectionRefused("Wrong password", 12);
    return this.connect(name, false, proxy);
  }

  /** A connection for a user who has shown the password. `immediate` is for sockets, which have a latency of their own. */
  connect(user: string, immediate: boolean, proxy?: Proxy): Link {
    const connection = new Connection(
      this.#engine,
      this.#weather,
      user,
      immediate,
      (closed) => this.#forget(closed),
      proxy,
    );
    this.#connections.add(connection);
    this.#engine.traffic.connections = this.#connections.size;
    return connection.link();
  }

  /** Whether a new connection is answered at all. */
  get accepting(): boolean {
    return !this.#refusing && !this.#down;
  }

  get paused(): boolean {
    return this.#weather.paused;
  }

  get random(): Random {
    return this.#engine.random;
  }

  findUser(name: string): User | undefined {
    return this.#engine.users.get(name);
  }

  // Workload and oracle: direct writes and reads, seen by feeds and queries like any other.

  createDatabase(name: string): void {
    this.#engine.createDatabase(name);
  }

  /** Gives the table's id. */
  createTable(
    database: string,
    name: string,
    options: { primaryKey?: string; shards?: number; durability?: "hard" | "soft" } = {},
  ): string {
    const { id } = this.#engine.database(database);
    const shards = shardsOn(this.#engine.options.serverName, options.shards ?? 1);
    const durability = options.durability ?? "hard";
    const primaryKey = options.primaryKey ?? "id";
    const table = this.#engine.createTable(
      { databaseId: id, name, primaryKey },
      { durability, shards, writeAcks: "majority" },
    );
    return table.id;
  }

  dropTable(database: string, name: string): void {
    this.#engine.dropTable(this.#table(database, name));
  }

  tableId(database: string, name: string): string {
    return this.#table(database, name).id;
  }

  /** Applies a write at once and sends its change to the feeds. Works while the primary is isolated or connections are cut. */
  write(
    database: string,
    name: string,
    write: DirectWrite,
    durability: "hard" | "soft" = "hard",
  ): void {
    const table = this.#table(database, name);
    table.noteWritten();
    if ("put" in write) {
      const document = datumFrom(write.put);
      if (!isObject(document)) throw new Error(`not a document: ${jsonText(document)}`);
      const key = document.get(table.primaryKey) ?? null;
      table.commit(primaryCode(key), key, document, durability);
      return;
    }
    const key = datumFrom(write.delete);
    const code = primaryCode(key);
    if (table.rows.get(code)) table.commit(code, key, null, durability);
  }

  /** All documents as JSON text, byte for byte as the server sends them, by their keys' JSON text. */
  documents(database: string, name: string): Map<string, string> {
    const table = this.#table(database, name);
    const documents = new Map<string, string>();
    for (const [, { key, document }] of table.rows.entries()) {
      documents.set(jsonText(key), documentText(document));
    }
    return documents;
  }

  /** Names of databases and their tables, without `rethinkdb`. */
  tables(): { database: string; name: string; id: string }[] {
    return [...this.#engine.tables.values()].map(({ databaseName, name, id }) => ({
      database: databaseName,
      name,
      id,
    }));
  }

  /**
   * What the catalog of a backup has to hold, whoever can be reached: the rows of `db_config` and `table_config`, and
   * for each table the queries of its indexes; as JSON texts, by the JSON texts of [kind, id].
   */
  structure(): Map<string, string> {
    const rows = new Map<string, string>();
    for (const database of this.#engine.databases.values()) {
      rows.set(jsonText(["db", database.id]), jsonText(databaseRow(database)));
    }
    for (const table of this.#engine.tables.values()) {
      const queries = indexNames(table).map((name) =>
        indexQuery(name, table.indexes.get(name)!.definition),
      );
      rows.set(jsonText(["table", table.id]), jsonText(configRow(table)));
      rows.set(jsonText(["indexes", table.id]), jsonText(queries));
    }
    return rows;
  }

  /** The same of users and permissions. */
  access(): Map<string, string> {
    const users = userRows(this.#engine).map((row) => ["user", row] as const);
    const permissions = permissionRows(this.#engine).map((row) => ["permission", row] as const);
    return new Map(
      [...users, ...permissions].map(([kind, row]) => [
        jsonText([kind, row.get("id") ?? null].flat()),
        jsonText(row),
      ]),
    );
  }

  /** The feeds that are open over a table, those that read initial rows included; the oldest first. */
  feedsOf(tableId: string): readonly unknown[] {
    return this.#tableById(tableId).hub.subscribers;
  }

  /** How many changes wait in the longest queue of a table's feeds, because it is not read. */
  queuedChanges(tableId: string): number {
    const { subscribers } = this.#tableById(tableId).hub;
    return Math.max(0, ...subscribers.map((one) => (one instanceof Feed ? one.queued : 0)));
  }

  /** Names of the servers that have replicas of a table. */
  replicas(tableId: string): string[] {
    return this.#tableById(tableId).replicas;
  }

  hasIndex(tableId: string, name: string): boolean {
    return this.#tableById(tableId).indexes.has(name);
  }

  // Faults.

  /** Cuts connections, all of them unless a filter says which. */
  dropConnections(filter: (connection: { user: string }) => boolean = () => true): void {
    const cut = [...this.#connections].filter(filter);
    for (const connection of cut) connection.close();
  }

  /** Ends the feeds of a table as a change of its primary replica does. */
  abortFeeds(tableId: string): void {
    this.#tableById(tableId).hub.abort(feedAborted);
  }

  /**
   * Makes a table's changes reach its feeds at no more than this rate, in small responses, though writes are
   * acknowledged at once and everything else is answered at once; undefined ends it. What waits stands before the
   * queues of the feeds and overflows none.
   */
  lagFeeds(tableId: string, changesPerSecond: number | undefined): void {
    this.#tableById(tableId).hub.lag(changesPerSecond);
  }

  /** Reconfigures a table to another number of shards: feeds end, and its write hook is silently gone. */
  reshard(tableId: string, shards = 2): void {
    const table = this.#tableById(tableId);
    this.#engine.reshard(table, {
      ...table.config,
      shards: shardsOn(this.#engine.options.serverName, shards),
    });
  }

  /** Makes every feed on a table lose its queue and what is on its way to it, and say so as the server does. */
  overflow(tableId: string): void {
    const { hub } = this.#tableById(tableId);
    for (const [subscriber, lost] of hub.loseTravelling()) {
      if (!(subscriber instanceof Feed)) continue;
      subscriber.overflow(lost);
      subscriber.wake();
    }
  }

  /** Stops the server like SIGSTOP: nothing is answered, connections stay. */
  pause(): void {
    this.#weather.paused = true;
  }

  resume(): void {
    this.#weather.paused = false;
    for (const connection of this.#connections) connection.flow();
  }

  /** Another server joins. */
  addServer(name: string): void {
    this.#engine.addServer(name);
  }

  /** Gives every shard of a table replicas on these servers too, with the primary as it is: feeds stay open. */
  addReplicas(tableId: string, servers: readonly string[]): void {
    const table = this.#tableById(tableId);
    const shards = table.config.shards.map((shard) => ({
      ...shard,
      replicas: [...new Set([...shard.replicas, ...servers])],
    }));
    table.config = { ...table.config, shards };
  }

  /**
   * Cuts a table's primary replica off from the others while clients stay connected to it: its feeds stay open in
   * silence and `write` still writes, as on the side of the majority. Until the primary notices that it is alone (a
   * real one takes some 16 s) it opens feeds and answers plain reads from what it had, majority reads and writes
   * hang; after that both fail, no feed can be opened, and the server's tables show only itself. Configurations
   * stay as they were. Turned off, the feeds end.
   */
  isolatePrimary(
    tableId: string,
    on: boolean,
    { noticedAfterMs = 0 }: { noticedAfterMs?: number } = {},
  ): void {
    const table = this.#tableById(tableId);
    if (table.outage.isolated === on) return;
    if (on) {
      table.isolate(noticedAfterMs);
      this.timers.setTimeout(() => this.#engine.noteMetadataChange(), noticedAfterMs);
    } else {
      table.endIsolation();
      table.hub.abort(feedAborted);
      this.#engine.noteMetadataChange();
    }
  }

  /** All servers with replicas of a table are gone: feeds end, nothing is read or written, its configuration is unknown. */
  loseReplicas(tableId: string, on: boolean): void {
    const table = this.#tableById(tableId);
    table.outage.replicasLost = on;
    if (on) table.hub.abort(feedAborted);
  }

  /** Refuses reads of a table, while feeds on it can be opened and go on. */
  refuseScans(tableId: string, on: boolean): void {
    this.#tableById(tableId).outage.scansRefused = on;
  }

  /** How many reads of a table have been refused. */
  refusedScans(tableId: string): number {
    return this.#tableById(tableId).outage.refusals;
  }

  /** Leaves majority reads of a table without an answer, while everything else goes on. */
  hangMajority(tableId: string, on: boolean): void {
    this.#tableById(tableId).outage.majorityHangs = on;
  }

  /** Refuses to open feeds on a table, while those that are open go on and reads are answered. */
  refuseFeeds(tableId: string, on: boolean): void {
    this.#tableById(tableId).outage.feedsRefused = on;
  }

  /** Refuses readings of a system table to everybody. */
  refuseReading(systemTable: string, on: boolean): void {
    const { refusedReadings } = this.#engine.outages;
    if (on) refusedReadings.add(systemTable);
    else refusedReadings.delete(systemTable);
  }

  /** Makes every reading of a system table take so long; 0 ends it. */
  slowReading(systemTable: string, ms: number): void {
    this.#engine.outages.slowReadings.set(systemTable, ms);
  }

  /**
   * Freezes a member of the cluster that holds nothing: what is gathered from all members (`table_config`,
   * `table_status` and `stats` as a whole) takes so long, all else is answered; 0 ends it.
   */
  freezeMember(ms: number): void {
    this.#engine.outages.frozenMemberMs = ms;
  }

  /**
   * Cuts the way to another member. Until both have noticed, what is gathered from all members is not answered; then
   * the tables of servers go without it. With `isSeen` the others reach it, and say so.
   */
  cutOff(server: string, { noticedAfterMs = 12_000, isSeen = false } = {}): void {
    const { id } = this.#member(server);
    this.#engine.cutOff.set(id, { noticedMs: this.timers.now() + noticedAfterMs, isSeen });
    this.timers.setTimeout(() => this.#engine.noteMetadataChange(), noticedAfterMs);
  }

  /** The way to another member is there again, at once. */
  rejoin(server: string): void {
    const member = this.#member(server);
    this.#engine.cutOff.delete(member.id);
    member.connectedMs = this.timers.now();
    this.#engine.noteMetadataChange();
  }

  /**
   * Cuts the proxy off from the servers: it answers SERVER_INFO, constants and what it has copies of, everything else
   * hangs, and its feeds are silent. Turned off, all goes on; feeds are lost if it took more than 15 s.
   */
  cutProxy(on: boolean): void {
    if (on) {
      this.#proxy.cut();
      return;
    }
    const error = this.#proxy.reconnect() ? feedAborted() : undefined;
    for (const connection of this.#connections) {
      if (connection.proxy) connection.reconnected(error);
    }
  }

  /**
   * Closes every connection and refuses new ones for `downMs`; for half a second more tables have no primary replica.
   * With `loseUnflushed`, soft writes since the last flush are undone, though feeds may have shown them.
   */
  restart(options: { loseUnflushed?: boolean; downMs?: number } = {}): void {
    const downMs = options.downMs ?? 1000;
    this.#down = true;
    this.#weather.paused = false;
    this.dropConnections();
    for (const table of this.#engine.tables.values()) {
      table.hub.clear();
      table.forgetCounts();
      if (options.loseUnflushed) table.loseUnflushed();
      else table.unflushed.flush();
    }
    this.#engine.unavailableUntilMs = this.timers.now() + downMs + NOT_READY_AFTER_RESTART_MS;
    this.timers.setTimeout(() => {
      this.#down = false;
    }, downMs);
  }

  /** @param latencyMs for a query and its answer together */
  setLatency(latencyMs: number): void {
    this.#weather.latencyMs = latencyMs;
  }

  refuseConnections(on: boolean): void {
    this.#refusing = on;
  }

  /** Sets the server's clock off: `r.now()` and the times in its tables. */
  setClockOffset(offsetMs: number): void {
    this.#engine.clockOffsetMs = offsetMs;
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#engine.traffic.connections = this.#connections.size;
  }

  #table(database: string, name: string): StoredTable {
    const table = this.#engine.findTable(this.#engine.database(database).id, name);
    if (!table) throw new Error(`there is no table ${database}.${name}`);
    return table;
  }

  #member(name: string): ServerIdentity {
    const member = this.#engine.servers.find((server) => server.name === name);
    if (!member) throw new Error(`there is no server ${name}`);
    return member;
  }

  #tableById(id: string): StoredTable {
    const table = this.#engine.tables.get(id);
    if (!table) throw new Error(`there is no table with the id ${id}`);
    return table;
  }
}

/** JSON text is read as the server reads it; anything else is written as JSON first. */
function datumFrom(value: unknown): Datum | DatumObject {
  return readDatum(value instanceof RawJson ? value.text : JSON.stringify(value));
}

/** JSON text to be taken as it is, for documents that JavaScript values cannot hold. */
export class RawJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}
