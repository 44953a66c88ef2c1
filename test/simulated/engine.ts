/** The simulated server's state: databases, tables, users, and what the system tables show of them. */
import { ChangeHub } from "./change-hub.js";
import { Meter } from "./meter.js";
import { Outages } from "./outages.js";
import { Random } from "./random.js";
import { logicError, opFailed } from "./reql-error.js";
import type { ReqlFunction, StoredFunction } from "./reql-function.js";
import { restoreFunction } from "./reql-function.js";
import { StoredTable } from "./stored-table.js";
import type { SystemTable } from "./system-table.js";
import { createSystemTables } from "./system-tables.js";
import type { TableConfig } from "./table-config.js";
import { TermCompiler } from "./term.js";
import type { TermDefinition } from "./term-definition.js";
import type { Timers } from "./timers.js";
import { SYSTEM_DATABASE_ID, Users } from "./users.js";

export interface EngineOptions {
  readonly seed: number;
  readonly serverName: string;
  /** Names of servers that are in the cluster, but hold no primary replica: `server_config` shows them. */
  readonly otherServers: readonly string[];
  /** The most that a change takes from its write to a feed. */
  readonly feedDelayMsMax: number;
  /** How long an index is under construction. */
  readonly indexBuildMs: number;
  /** How often soft writes reach the disk. */
  readonly flushIntervalMs: number;
}

export interface ServerIdentity {
  readonly id: string;
  readonly name: string;
  /** Since when the one that clients are connected to is connected to it. */
  connectedMs: number;
}

export interface CutOff {
  /** When both have given each other up. */
  readonly noticedMs: number;
  /** Whether the others reach it. */
  readonly isSeen: boolean;
}

export interface Database {
  readonly id: string;
  name: string;
}

export const SERVER_VERSION = "2.4.4";

export class Engine {
  readonly timers: Timers;
  readonly options: EngineOptions;
  readonly random: Random;
  readonly users: Users;
  readonly databases = new Map<string, Database>();
  readonly tables = new Map<string, StoredTable>();
  readonly systemTables: ReadonlyMap<string, SystemTable>;
  readonly compiler: TermCompiler;
  readonly serverId: string;
  readonly startedMs: number;
  /** The members of the cluster; the first is the one that clients are connected to. */
  readonly servers: ServerIdentity[];
  /** Of the others, those that it is cut off from, by id. */
  readonly cutOff = new Map<string, CutOff>();
  readonly outages: Outages;
  readonly traffic: { connections: number; queries: Meter };
  /** How far the server's clock is from the true one. */
  clockOffsetMs = 0;
  /** Until then tables have no primary replica: the time after a restart. */
  unavailableUntilMs = 0;

  constructor(timers: Timers, options: EngineOptions, terms: ReadonlyMap<number, TermDefinition>) {
    this.timers = timers;
    this.options = options;
    this.random = new Random(options.seed);
    this.users = new Users(() => this.random.bytes(16));
    this.compiler = new TermCompiler(terms);
    this.serverId = this.random.uuid();
    this.systemTables = createSystemTables(this);
    this.startedMs = timers.now();
    this.servers = [{ id: this.serverId, name: options.serverName, connectedMs: this.startedMs }];
    for (const name of options.otherServers) this.addServer(name);
    this.outages = new Outages(
      timers,
      () =>
        [...this.tables.values()].some(({ outage }) => outage.isolated && !outage.noticed) ||
        [...this.cutOff.values()].some(({ noticedMs }) => timers.now() < noticedMs),
    );
    this.traffic = { connections: 0, queries: new Meter(timers) };
    this.createDatabase("test");
  }

  /** The server's own clock, in milliseconds since the Unix epoch. */
  serverNow(): number {
    return this.timers.now() + this.clockOffsetMs;
  }

  addServer(name: string): void {
    this.servers.push({ id: this.random.uuid(), name, connectedMs: this.timers.now() });
    this.noteMetadataChange();
  }

  /** The servers that the one that clients are connected to reaches: only itself once it knows that it is cut off. */
  get connectedServers(): readonly ServerIdentity[] {
    const alone = [...this.tables.values()].some(({ outage }) => outage.noticed);
    const now = this.timers.now();
    const isReached = ({ id }: ServerIdentity) =>
      now < (this.cutOff.get(id)?.noticedMs ?? Infinity);
    return alone ? this.servers.slice(0, 1) : this.servers.filter(isReached);
  }

  unavailable(): boolean {
    return this.timers.now() < this.unavailableUntilMs;
  }

  makeHub(delayMsMax = this.options.feedDelayMsMax): ChangeHub {
    return new ChangeHub({ timers: this.timers, random: this.random, delayMsMax });
  }

  /** @throws {ReqlError} */
  database(name: string): Database {
    if (name === "rethinkdb") return { id: SYSTEM_DATABASE_ID, name };
    for (const database of this.databases.values()) {
      if (database.name === name) return database;
    }
    throw opFailed(`Database \`${name}\` does not exist.`);
  }

  databaseNames(): string[] {
    return ["rethinkdb", ...[...this.databases.values()].map(({ name }) => name)].sort();
  }

  /** @throws {ReqlError} when there is one of that name */
  createDatabase(name: string, id = this.random.uuid()): Database {
    if (this.databaseNames().includes(name)) throw opFailed(`Database \`${name}\` already exists.`);
    const database = { id, name };
    this.databases.set(id, database);
    this.noteMetadataChange();
    return database;
  }

  /** Drops the tables too. */
  dropDatabase(database: Database): StoredTable[] {
    const tables = this.tablesOf(database.id);
    this.databases.delete(database.id);
    this.noteMetadataChange();
    for (const table of tables) this.dropTable(table);
    this.noteMetadataChange();
    return tables;
  }

  tablesOf(databaseId: string): StoredTable[] {
    return [...this.tables.values()].filter((table) => table.databaseId === databaseId);
  }

  findTable(databaseId: string, name: string): StoredTable | undefined {
    return this.tablesOf(databaseId).find((table) => table.name === name);
  }

  /** @throws {ReqlError} when the database has one of that name */
  createTable(
    identity: { databaseId: string; name: string; primaryKey: string; id?: string },
    config: TableConfig,
  ): StoredTable {
    const { databaseId, name } = identity;
    if (this.findTable(databaseId, name)) {
      throw opFailed(`Table \`${this.databases.get(databaseId)?.name}.${name}\` already exists.`);
    }
    const table = new StoredTable(this, { id: this.random.uuid(), ...identity }, config);
    this.tables.set(table.id, table);
    return table;
  }

  dropTable(table: StoredTable): void {
    this.tables.delete(table.id);
    this.users.forget(table.id);
    table.hub.abort(feedAborted);
    this.noteMetadataChange();
  }

  /** What a change of shards does: every feed ends. */
  noteResharded(table: StoredTable): void {
    table.resplit();
    table.hub.abort(feedAborted);
  }

  /** What `reconfigure` does. Seen on the real server: the table's write hook is gone afterwards, and nothing says so. */
  reshard(table: StoredTable, config: TableConfig): void {
    const moves = config.shards.length !== table.config.shards.length;
    table.config = config;
    table.writeHook = undefined;
    if (moves) this.noteResharded(table);
  }

  /** A function stored in an index or a write hook, ready to run. */
  restore(stored: StoredFunction): ReqlFunction {
    return restoreFunction(stored, (term, visible) => this.compiler.compile(term, visible));
  }

  /** Lets the system tables that push their changes see what is new. */
  noteMetadataChange(): void {
    for (const table of this.systemTables.values()) if (table.pushes) table.refresh();
  }
}

export const feedAborted = () => opFailed("Changefeed aborted (unavailable).");

/** @throws {ReqlError} for names with other characters than the server allows */
export function checkName(name: string, kind: "Database" | "Table" | "Server tag"): string {
  if (/^[A-Za-z0-9_-]+$/.test(name)) return name;
  throw logicError(`${kind} name \`${name}\` invalid (Use A-Z, a-z, 0-9, _ and - only).`);
}
