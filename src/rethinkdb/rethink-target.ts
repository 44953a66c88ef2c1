import type { Term } from "rethinkdb";
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Dial } from "./channel.js";
import { Connection } from "./connection.js";
import {
  documentsOf,
  documentsTerm,
  guardedTerm,
  outcomesOf,
  removalTerm,
} from "./guarded-write.js";
import { insertTerm, largeDocumentTerms, undoTerm } from "./large-document.js";
import { r, systemTable, tableTerm } from "./reql.js";
import { errorClasses, ReqlError } from "./response.js";
import { type ScanBatch, type ScanOptions, scanTable } from "./scan.js";
import type { TableReference } from "./table-reference.js";
import {
  DocumentsRefused,
  type GrantScope,
  type GuardedWrite,
  type KeyedTable,
  type TableGrant,
  type TableName,
  type TableSettings,
  type TableSpec,
  type Target,
  type WriteOutcome,
} from "./target.js";

/** How many connections write. A thread of the server serves each; a few keep it busy without crowding out others. */
const writeConnections = 4;

/**
 * At most so large may a document be in one query. The server takes a query of at most 134,217,727 bytes, and a JSON
 * text in it may double: two backslashes for each one. So there is room for a batch beside such a document.
 */
const documentBytesMax = 32 * 1024 * 1024;

/** The counts of a write, as the server answers them. */
interface WriteSummary {
  inserted: number;
  replaced: number;
  unchanged: number;
  errors: number;
  first_error?: string;
}

/** What the server answers to a rename. */
interface Renamed {
  errors: number;
  skipped: number;
  first_error?: string;
}

/** A row of the system table of servers. */
interface ServerRow {
  id: string;
  process?: { version?: string };
}

export class RethinkTarget implements Target {
  readonly writesAtOnce = writeConnections;
  readonly documentBytesMax = documentBytesMax;
  private readonly idle: Connection[] = [];
  private readonly open = new Set<Connection>();
  private admin: Promise<Connection> | undefined;
  private closed = false;

  constructor(
    readonly location: string,
    private readonly dial: Dial,
  ) {}

  async version(): Promise<string | undefined> {
    return (await this.serverRows("read the server's version"))?.[0]?.process?.version;
  }

  async servers(): Promise<string[] | undefined> {
    return (await this.serverRows("read which servers there are"))?.map(({ id }) => id);
  }

  /** Undefined if the user may not read them. */
  private async serverRows(doing: string): Promise<ServerRow[] | undefined> {
    try {
      const rows = await (await this.adminConnection()).rows(systemTable("server_status"));
      return rows as ServerRow[];
    } catch (error) {
      if (error instanceof ReqlError && error.errorClass === errorClasses.permission)
        return undefined;
      throw this.explain(error, doing);
    }
  }

  async databases(): Promise<string[]> {
    return this.ask<string[]>(r.dbList(), "list the databases");
  }

  async tables(): Promise<TableConfig[]> {
    return (await this.rows(systemTable("table_config"), "list the tables")) as TableConfig[];
  }

  async createDatabase(name: string): Promise<void> {
    await this.ask(r.dbCreate(name), `create database ${name}`);
  }

  async dropDatabase(name: string): Promise<void> {
    await this.ask(r.dbDrop(name), `drop database ${name}`);
  }

  async renameDatabase(name: string, to: string): Promise<void> {
    const change = r.db(name).config!().update!({ name: to });
    refuseErrors(await this.ask(change, `rename database ${name} to ${to}`));
  }

  async dropTable({ db, name }: TableName): Promise<void> {
    await this.ask(r.db(db).tableDrop!(name), `drop table ${db}.${name}`);
  }

  async createTable(spec: TableSpec, refusal?: string): Promise<string> {
    const servers = await this.rows(systemTable("server_config"), "list the servers");
    const replicas = Math.max(1, Math.min(spec.replicas, servers.length));
    const what = `create table ${spec.db}.${spec.name}`;
    const { primaryKey, shards, durability } = spec;
    const create = r.db(spec.db).tableCreate!(spec.name, {
      primaryKey,
      shards,
      replicas,
      durability,
    });
    const made = create.getField!("config_changes").nth!(0).getField!("new_val").getField!("id");
    // In one query, so that nothing can come between the two.
    const hook = (_context: Term, _old: Term, _new: Term) => r.error(refusal!);
    const refusing = (id: Term) => [id, tableTerm(spec).setWriteHook!(hook)];
    const id = await this.ask<string | [string, object]>(
      refusal === undefined ? made : made.do!(refusing),
      what,
    );
    if (spec.writeAcks !== "majority") {
      await this.ask(tableTerm(spec).config!().update!({ write_acks: spec.writeAcks }), what);
    }
    await this.ask(tableTerm(spec).wait!({ waitFor: "ready_for_writes" }), what);
    return typeof id === "string" ? id : id[0];
  }

  async write(table: TableName, documents: Buffer[]): Promise<void> {
    await this.writing(table, async (connection) => {
      const { inserted, replaced, unchanged } = await change(
        connection,
        insertTerm(table, documents),
      );
      const stored = inserted + replaced + unchanged;
      if (stored === documents.length) return;
      throw new ThinkbackError("target", `${this.location} did not store every document`);
    });
  }

  async writeLarge(table: KeyedTable, key: Buffer, document: Buffer): Promise<void> {
    await this.writing(table, async (connection) => {
      try {
        for (const term of largeDocumentTerms(table, key, document, this.documentBytesMax)) {
          await change(connection, term);
        }
      } catch (error) {
        if (error instanceof DocumentsRefused) await change(connection, undoTerm(table, key));
        throw error;
      }
    });
  }

  async remove(table: TableName, keys: readonly Buffer[]): Promise<void> {
    const term = removalTerm(table, keys);
    await this.writing(table, async (connection) => {
      await change(connection, term);
    });
  }

  async documents(table: TableName, keys: readonly Buffer[]): Promise<(Buffer | null)[]> {
    const term = Buffer.from(documentsTerm(table, keys), "latin1");
    return this.writing(table, async (connection) => documentsOf(await connection.answer(term)));
  }

  async replace(table: TableName, writes: readonly GuardedWrite[]): Promise<WriteOutcome[]> {
    const term = Buffer.from(guardedTerm(table, writes), "latin1");
    return this.writing(table, async (connection) => outcomesOf(await connection.answer(term)));
  }

  /** Runs a write on a connection that no other write uses. */
  private async writing<T>(
    table: TableName,
    write: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const connection = this.idle.pop() ?? (await this.connect());
    try {
      return await write(connection);
    } catch (error) {
      throw this.explain(error, `write to ${table.db}.${table.name}`);
    } finally {
      if (connection.isOpen) this.idle.push(connection);
    }
  }

  async sync(table: TableName): Promise<void> {
    await this.ask(tableTerm(table).sync!(), `sync ${table.db}.${table.name}`);
  }

  async createIndex(table: TableName, index: IndexStatus): Promise<void> {
    await this.ask(
      tableTerm(table).indexCreate!(index.index, binaryTerm(index.function)),
      `create index ${index.index} on ${table.db}.${table.name}`,
    );
  }

  async waitForIndexes(table: TableName): Promise<void> {
    await this.ask(tableTerm(table).indexWait!(), `build the indexes of ${table.db}.${table.name}`);
  }

  async dropIndex(table: TableName, index: string): Promise<void> {
    const what = `drop index ${index} of ${table.db}.${table.name}`;
    await this.ask(tableTerm(table).indexDrop!(index), what);
  }

  async setWriteHook(table: TableName, hook: object | null): Promise<void> {
    await this.ask(
      tableTerm(table).setWriteHook!(hook && binaryTerm(hook)),
      `set the write hook of ${table.db}.${table.name}`,
    );
  }

  async renameTable(id: string, from: string, to: string): Promise<void> {
    const what = `rename table ${from} to ${to}`;
    const renamed = (row: Term) =>
      r.branch(
        row.getField!("name").eq!(to),
        {},
        row.getField!("name").eq!(from),
        { name: to },
        r.error("it has another name by now"),
      );
    const term = systemTable("table_config").get!(id).update!(renamed);
    const { errors, skipped, first_error: reason } = await this.ask<Renamed>(term, what);
    if (errors + skipped === 0) return;
    const why = reason ?? "it was dropped";
    throw new ThinkbackError("target", `cannot ${what} on ${this.location}: ${why}`);
  }

  async settings({ db, name }: TableName): Promise<TableSettings> {
    const what = `read the settings of ${db}.${name}`;
    const [config] = await this.rows(systemTable("table_config").filter!({ db, name }), what);
    if (!config) throw new ThinkbackError("target", `${this.location} has no table ${db}.${name}`);
    const indexes = await this.ask<IndexStatus[]>(tableTerm({ db, name }).indexStatus!(), what);
    return { config: config as TableConfig, indexes };
  }

  async *scan(
    table: TableReference,
    options: Omit<ScanOptions, "stamp">,
  ): AsyncGenerator<ScanBatch> {
    const { signal } = options;
    const connection = await this.connect();
    const close = () => connection.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      signal.throwIfAborted();
      // Nobody writes to a restored table yet, so it does not matter when a row was asked for.
      const stamp = () => ({ time: 0, sequence: 0 });
      yield* scanTable(connection, table, { ...options, stamp });
    } catch (error) {
      throw this.explain(error, `read ${table.db}.${table.name}`);
    } finally {
      signal.removeEventListener("abort", close);
      connection.close();
    }
  }

  async users(): Promise<string[]> {
    const rows = (await this.rows(systemTable("users"), "list the users")) as { id: string }[];
    return rows.map(({ id }) => id);
  }

  async createUser(name: string, password: string): Promise<void> {
    await this.ask(systemTable("users").insert!({ id: name, password }), `create user ${name}`);
  }

  async tableGrants({ db, name }: TableName): Promise<TableGrant[]> {
    const of = systemTable("permissions").filter!({ database: db, table: name });
    return (await this.rows(of, `read the grants on ${db}.${name}`)) as TableGrant[];
  }

  async grant(user: string, scope: GrantScope, permissions: object): Promise<void> {
    await this.ask(grantTerm(user, scope, permissions), `grant to user ${user}`);
  }

  close(): void {
    this.closed = true;
    for (const connection of this.open) connection.close();
  }

  private async connect(): Promise<Connection> {
    const connection = new Connection(await this.dial());
    this.open.add(connection);
    void connection.lost.then(() => this.open.delete(connection));
    if (this.closed) connection.close();
    return connection;
  }

  private async ask<T>(term: Term, what: string): Promise<T> {
    return (await this.rows(term, what))[0] as T;
  }

  private async rows(term: Term, what: string): Promise<unknown[]> {
    try {
      return await (await this.adminConnection()).rows(term);
    } catch (error) {
      throw this.explain(error, what);
    }
  }

  /** The connection for administration. A lost one is replaced, because what was made must be dropped even then. */
  private async adminConnection(): Promise<Connection> {
    const before = this.admin;
    const held = await before?.catch(() => undefined);
    if (held?.isOpen) return held;
    // Whoever came first in the meantime has begun to connect.
    if (this.admin === before) this.admin = this.connect();
    return this.admin!;
  }

  private explain(error: unknown, what: string): unknown {
    if (error instanceof ThinkbackError) return error;
    if (error instanceof ReqlError && error.errorClass === errorClasses.permission) {
      return new ThinkbackError(
        "target",
        `${this.location} does not permit to ${what}: ${error.message}`,
        {
          hint: 'grant the target\'s user read, write and config, and r.db("rethinkdb").grant(user, {read: true}); for users and grants write there too',
        },
      );
    }
    if (error instanceof Error) {
      return new ThinkbackError("target", `cannot ${what} on ${this.location}: ${error.message}`, {
        cause: error,
      });
    }
    return error;
  }
}

/** A change of a row of a system table answers with what it refuses, instead of failing. */
function refuseErrors({ errors, first_error: reason }: WriteSummary): void {
  if (errors > 0) throw new ThinkbackError("target", String(reason));
}

/** Classes of errors that a query gets for what it contains, and not for the state of the server. */
const classesOfDocuments: number[] = [errorClasses.resourceLimit, errorClasses.queryLogic];

/** Runs a term that writes. */
async function change(connection: Connection, term: string): Promise<WriteSummary> {
  let summary: WriteSummary;
  try {
    // Each character is a byte: documents go back as they came, and not all of them are UTF-8.
    const response = await connection.answer(Buffer.from(term, "latin1"));
    summary = response.rows()[0] as WriteSummary;
  } catch (error) {
    if (!(error instanceof ReqlError) || !classesOfDocuments.includes(error.errorClass))
      throw error;
    throw new DocumentsRefused("target", error.message, { cause: error });
  }
  if (summary.errors > 0) throw new DocumentsRefused("target", String(summary.first_error));
  return summary;
}

function grantTerm(user: string, { db, table }: GrantScope, permissions: object): Term {
  if (db === undefined) return r.grant(user, permissions);
  const database = r.db(db);
  return (table === undefined ? database : database.table!(table)).grant!(user, permissions);
}

/** The term for a binary pseudo type of the catalog. */
function binaryTerm(pseudoType: object): Term {
  const { data } = pseudoType as { data: string };
  return r.binary(Buffer.from(data, "base64"));
}
