import type { Term } from "rethinkdb";
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import { clearAfter, ThinkbackError } from "../errors.js";
import type { Dial } from "./channel.js";
import type { Term as BuiltTerm, Connection } from "./connection.js";
import { insertTerm, permissionTerm, removalTerm } from "./guarded-write.js";
import { largeDocumentTerms } from "./large-document.js";
import { binaryTerm, r, systemTable, tableTerm } from "./reql.js";
import { errorClasses, isRefusal, ReqlError } from "./response.js";
import { type ScanBatch, type ScanOptions, scanTable } from "./scan.js";
import { type ServerRow, serverRows } from "./server-rows.js";
import { readDocuments, replaceDocuments, syncTerm } from "./table-documents.js";
import { isReplaced } from "./table-identity.js";
import { type TableReference, TableReplaced } from "./table-reference.js";
import {
  DocumentsRefused,
  type Durability,
  type GrantScope,
  type GuardedWrite,
  type TableGrant,
  type TableName,
  type TableSettings,
  type TableSpec,
  type Target,
  type WriteOutcome,
} from "./target.js";
import { TargetConnections } from "./target-connections.js";
import {
  doesNotHold,
  textUnderCondition,
  underCondition,
  type WriteCondition,
} from "./write-condition.js";

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

export class RethinkTarget implements Target {
  readonly writesAtOnce = writeConnections;
  readonly documentBytesMax = documentBytesMax;
  private readonly connections: TargetConnections;

  constructor(
    readonly location: string,
    connections: Dial | TargetConnections,
    private readonly condition?: WriteCondition,
  ) {
    const isMade = connections instanceof TargetConnections;
    this.connections = isMade ? connections : new TargetConnections(connections);
  }

  onlyIf(condition: WriteCondition): RethinkTarget {
    return new RethinkTarget(this.location, this.connections, condition);
  }

  async version(): Promise<string | undefined> {
    return (await this.serverRows())?.[0]?.process?.version;
  }

  async servers(): Promise<string[] | undefined> {
    return (await this.serverRows())?.map(({ id }) => id);
  }

  private async serverRows(): Promise<ServerRow[] | undefined> {
    const explain = (error: unknown) => this.explain(error, "read which servers there are");
    return serverRows(await this.connections.admin(), explain);
  }

  async databases(): Promise<string[]> {
    return this.ask<string[]>(r.dbList(), "list the databases");
  }

  async tables(): Promise<TableConfig[]> {
    return (await this.rows(systemTable("table_config"), "list the tables")) as TableConfig[];
  }

  async createDatabase(name: string): Promise<void> {
    await this.alter(r.dbCreate(name), `create database ${name}`);
  }

  async dropDatabase(name: string): Promise<void> {
    await this.alter(r.dbDrop(name), `drop database ${name}`);
  }

  async renameDatabase(name: string, to: string): Promise<void> {
    const change = r.db(name).config!().update!({ name: to });
    refuseErrors(await this.alter(change, `rename database ${name} to ${to}`));
  }

  async dropTable({ db, name }: TableName): Promise<void> {
    await this.alter(r.db(db).tableDrop!(name), `drop table ${db}.${name}`);
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
    const refusing = (id: Term) => [id, refusingHook(spec, refusal!)];
    const id = await this.alter<string | [string, object]>(
      refusal === undefined ? made : made.do!(refusing),
      what,
    );
    if (spec.writeAcks !== "majority") {
      await this.alter(tableTerm(spec).config!().update!({ write_acks: spec.writeAcks }), what);
    }
    await this.ask(tableTerm(spec).wait!({ waitFor: "ready_for_writes" }), what);
    return typeof id === "string" ? id : id[0];
  }

  async write(table: TableReference, documents: Buffer[]): Promise<void> {
    await this.writing(table, async (connection) => {
      const { inserted, replaced, unchanged } = await change(
        connection,
        this.conditional(insertTerm(table, documents)),
      );
      const stored = inserted + replaced + unchanged;
      if (stored === documents.length) return;
      throw new ThinkbackError("target", `${this.location} did not store every document`);
    });
  }

  async writeLarge(table: TableReference, key: Buffer, document: Buffer): Promise<void> {
    await this.writing(table, async (connection) => {
      try {
        for (const term of largeDocumentTerms(table, key, document, this.documentBytesMax)) {
          await change(connection, this.conditional(term));
        }
      } catch (error) {
        const remove = () => change(connection, this.conditional(removalTerm(table, [key])));
        if (error instanceof DocumentsRefused) await clearAfter(error, remove);
        throw error;
      }
    });
  }

  async remove(table: TableReference, keys: readonly Buffer[]): Promise<void> {
    const term = this.conditional(removalTerm(table, keys));
    await this.writing(table, async (connection) => {
      await change(connection, term);
    });
  }

  async documents(table: TableReference, keys: readonly Buffer[]): Promise<(Buffer | null)[]> {
    return this.writing(table, (connection) => readDocuments(connection, table, keys));
  }

  async replace(
    table: TableReference,
    writes: readonly GuardedWrite[],
    durability: Durability,
  ): Promise<WriteOutcome[]> {
    const conditional = (term: string) => this.conditional(term);
    return this.writing(table, (connection) =>
      replaceDocuments(connection, table, writes, durability, conditional),
    );
  }

  async checkMayReplace(table: TableReference): Promise<void> {
    const term = Buffer.from(permissionTerm(table), "latin1");
    await this.writing(table, (connection) => connection.answer(term));
  }

  /** Runs a write on a connection that no other write uses. */
  private async writing<T>(
    table: TableReference,
    write: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const connection = await this.connections.take();
    try {
      return await write(connection);
    } catch (error) {
      throw this.explain(
        isReplaced(error) ? new TableReplaced(table) : error,
        `write to ${table.db}.${table.name}`,
      );
    } finally {
      this.connections.giveBack(connection);
    }
  }

  async count(table: TableName): Promise<number> {
    const counted = await this.ask(tableTerm(table).count!(), `count ${table.db}.${table.name}`);
    return counted as number;
  }

  async sync(table: TableReference): Promise<void> {
    await this.writing(table, (connection) => connection.rows(syncTerm(table)));
  }

  async createIndex(table: TableName, index: IndexStatus): Promise<void> {
    await this.alter(
      tableTerm(table).indexCreate!(index.index, binaryTerm(index.function)),
      `create index ${index.index} on ${table.db}.${table.name}`,
    );
  }

  async waitForIndexes(table: TableName): Promise<void> {
    await this.ask(tableTerm(table).indexWait!(), `build the indexes of ${table.db}.${table.name}`);
  }

  async dropIndex(table: TableName, index: string): Promise<void> {
    const what = `drop index ${index} of ${table.db}.${table.name}`;
    await this.alter(tableTerm(table).indexDrop!(index), what);
  }

  async setWriteHook(table: TableName, hook: object | null): Promise<void> {
    await this.alter(
      tableTerm(table).setWriteHook!(hook && binaryTerm(hook)),
      `set the write hook of ${table.db}.${table.name}`,
    );
  }

  async refuseWrites(table: TableName, refusal: string): Promise<void> {
    const what = `set the write hook of ${table.db}.${table.name}`;
    await this.alter(refusingHook(table, refusal), what);
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
    const { errors, skipped, first_error: reason } = await this.alter<Renamed>(term, what);
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
    const connection = await this.connections.connect();
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
    await this.alter(systemTable("users").insert!({ id: name, password }), `create user ${name}`);
  }

  async tableGrants({ db, name }: TableName): Promise<TableGrant[]> {
    const of = systemTable("permissions").filter!({ database: db, table: name });
    return (await this.rows(of, `read the grants on ${db}.${name}`)) as TableGrant[];
  }

  async grant(user: string, scope: GrantScope, permissions: object): Promise<void> {
    await this.alter(grantTerm(user, scope, permissions), `grant to user ${user}`);
  }

  close(): void {
    this.connections.close();
  }

  /** Runs a term that changes something, if the condition holds. */
  private alter<T>(term: Term, what: string): Promise<T> {
    return this.ask<T>(this.condition ? underCondition(this.condition, term) : term, what);
  }

  /** The same for a term's text. */
  private conditional(term: string): string {
    return this.condition ? textUnderCondition(this.condition, term) : term;
  }

  private async ask<T>(term: BuiltTerm, what: string): Promise<T> {
    return (await this.rows(term, what))[0] as T;
  }

  private async rows(term: BuiltTerm, what: string): Promise<unknown[]> {
    try {
      return await (await this.connections.admin()).rows(term);
    } catch (error) {
      throw this.explain(error, what);
    }
  }

  private explain(error: unknown, what: string): unknown {
    if (error instanceof ThinkbackError) return error;
    if (this.condition && doesNotHold(error)) return this.condition.otherwise();
    if (isRefusal(error)) {
      return new ThinkbackError(
        "target",
        `${this.location} does not permit to ${what}: ${error.message}`,
        {
          hint: 'grant the target\'s user read, write and config, and r.db("rethinkdb").grant(user, {read: true}); for users and grants write there too',
        },
      );
    }
    if (error instanceof TableReplaced) {
      return new ThinkbackError("target", `cannot ${what} on ${this.location}: ${error.message}`, {
        cause: error,
        hint: "it was renamed, or dropped and made again; nothing was read of or written to the other table",
      });
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

function refusingHook(table: TableName, refusal: string): Term {
  return tableTerm(table).setWriteHook!((_context: Term, _old: Term, _new: Term) =>
    r.error(refusal),
  );
}

function grantTerm(user: string, { db, table }: GrantScope, permissions: object): Term {
  if (db === undefined) return r.grant(user, permissions);
  const database = r.db(db);
  return (table === undefined ? database : database.table!(table)).grant!(user, permissions);
}
