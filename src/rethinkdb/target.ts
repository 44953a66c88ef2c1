/** What a restore needs of a RethinkDB. */
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { ScanBatch, ScanOptions } from "./scan.js";
import type { TableReference } from "./table-reference.js";
import type { WriteCondition } from "./write-condition.js";

/** How to create a table. */
export interface TableSpec {
  db: string;
  name: string;
  primaryKey: string;
  durability: string;
  writeAcks: string;
  shards: number;
  /** Replicas of each shard; the target makes no more than it has servers. */
  replicas: number;
}

export interface TableName {
  db: string;
  name: string;
}

export interface IdentifiedTable extends TableName {
  id: string;
}

/** The server refuses to store documents because of what they are; it may take other documents. */
export class DocumentsRefused extends ThinkbackError {}

/** A table of a database, a database, or, if neither is given, everything. */
export interface GrantScope {
  db?: string;
  table?: string;
}

/** A replacement of one document. */
export interface GuardedWrite {
  /** JSON text of the primary key. */
  key: Buffer;
  /** The document's text, as the server gives it, without which nothing is written; null: there is no document. */
  expected: Buffer | null;
  /** What is there afterwards; null: no document. */
  document: Buffer | null;
}

/** Whether what is written is durable when it is acknowledged, or after the next sync. */
export type Durability = "hard" | "soft";

/** What became of a guarded write. */
export type WriteOutcome =
  | "written"
  /** The document had another text than was expected, and has it still. */
  | "moved"
  /** The server refused to store the document, for this reason. */
  | { refused: string };

export interface TableGrant {
  user: string;
  permissions: Record<string, boolean>;
}

/** What a table is, besides its documents. */
export interface TableSettings {
  config: TableConfig;
  indexes: IndexStatus[];
}

/**
 * Where a method takes a TableReference, it reads and writes the documents of that table only. It MUST reject with
 * TableReplaced, as the error or its cause, if another table has the name by then, also if that happens meanwhile.
 */
export interface Target {
  /** For messages; never holds a secret. */
  readonly location: string;
  /** What the server says it is, such as "rethinkdb 2.4.4"; undefined if the user may not read that. */
  version(): Promise<string | undefined>;
  /** The ids of its servers; undefined if the user may not read them. */
  servers(): Promise<string[] | undefined>;
  databases(): Promise<string[]>;
  /** The tables of all databases except the system's. */
  tables(): Promise<TableConfig[]>;
  createDatabase(name: string): Promise<void>;
  /** Drops a database with all its tables. */
  dropDatabase(name: string): Promise<void>;
  renameDatabase(name: string, to: string): Promise<void>;
  /**
   * Creates the table and waits until it can be written. Resolves with its id.
   * @param refusal if given, the table has a write hook from its begin, which refuses every write with this text
   */
  createTable(spec: TableSpec, refusal?: string): Promise<string>;
  dropTable(table: TableName): Promise<void>;
  /**
   * Writes documents (JSON text each) without running a write hook, replacing those of the same key. No document may
   * have more bytes than `documentBytesMax`, nor all together many more. MUST reject if any document was not stored:
   * with DocumentsRefused if the server refused one for what it is. It may be called again with the same documents.
   */
  write(table: TableReference, documents: Buffer[]): Promise<void>;
  /** Does the same for one document of any size. If it is refused, nothing of it is left in the table. */
  writeLarge(table: TableReference, key: Buffer, document: Buffer): Promise<void>;
  /** Deletes the documents of some keys (JSON text each), as far as there are any, without running a write hook. */
  remove(table: TableReference, keys: readonly Buffer[]): Promise<void>;
  /** The live documents of some keys, in their order; null where there is none. */
  documents(table: TableReference, keys: readonly Buffer[]): Promise<(Buffer | null)[]>;
  /**
   * Replaces documents, each only if it is as expected, without running a write hook. Resolves with what became of
   * each, in their order. It may be called again with the same writes: what was written is then "moved".
   */
  replace(
    table: TableReference,
    writes: readonly GuardedWrite[],
    durability: Durability,
  ): Promise<WriteOutcome[]>;
  /** Rejects, with code "target", if the user may not replace documents of the table without running its write hook. */
  checkMayReplace(table: TableReference): Promise<void>;
  readonly documentBytesMax: number;
  /** How many writes may be under way at once. */
  readonly writesAtOnce: number;
  /** How many documents the table has. The server counts them, which takes seconds for each million. */
  count(table: TableName): Promise<number>;
  /** Makes what was written durable. */
  sync(table: TableReference): Promise<void>;
  createIndex(table: TableName, index: IndexStatus): Promise<void>;
  dropIndex(table: TableName, index: string): Promise<void>;
  /** Resolves when all indexes of the table are built. */
  waitForIndexes(table: TableName): Promise<void>;
  /** @param hook the binary pseudo type that getWriteHook gives; null for no hook */
  setWriteHook(table: TableName, hook: object | null): Promise<void>;
  /** Gives the table a write hook that refuses every write with this text, in the place of the one that it has. */
  refuseWrites(table: TableName, refusal: string): Promise<void>;
  /**
   * Gives a table another name in its database. It may be called again: a table that has the name keeps it. MUST reject
   * if the table has a third name by then, or another table has the new one.
   */
  renameTable(id: string, from: string, to: string): Promise<void>;
  settings(table: TableName): Promise<TableSettings>;
  /** Reads the table in the order of primary keys, as the server sends it; ends at once when the signal aborts. */
  scan(table: TableReference, options: Omit<ScanOptions, "stamp">): AsyncIterable<ScanBatch>;
  /** Names of the users. */
  users(): Promise<string[]>;
  createUser(name: string, password: string): Promise<void>;
  /** What each user was granted on one table. */
  tableGrants(table: TableName): Promise<TableGrant[]>;
  grant(user: string, scope: GrantScope, permissions: object): Promise<void>;
  /** The same target, on the same connections, where every change is made only if the condition holds. */
  onlyIf(condition: WriteCondition): Target;
  close(): void;
}
