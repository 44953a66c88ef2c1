/**
 * What capture needs of a RethinkDB. Implemented by RethinkSource over a Dial; a simulated server behind another Dial
 * makes the simulated source.
 */
import type { CatalogRecord } from "./catalog-reader.js";
import type { Feed } from "./feed.js";
import type { WalkBatch, WalkOptions } from "./walk.js";

/** A table as the source knows it now. */
export interface TableReference {
  /** UUID: what a table is known by. A rename keeps it; a drop and re-create makes a new one. */
  id: string;
  /** Name of its database. */
  db: string;
  name: string;
  /** Name of the primary key's field. */
  primaryKey: string;
}

export interface Source {
  /** For messages; never holds a secret. */
  readonly location: string;

  /** Everything that the catalog holds, read now. */
  readCatalog(): Promise<CatalogRecord[]>;

  /** Resolves when the catalog may have changed, or after `pollMs` in any case. */
  catalogHint(pollMs: number, signal: AbortSignal): Promise<void>;

  /**
   * Opens a feed. When the promise resolves, every write committed later will come.
   * MUST reject if the name no longer belongs to the table's id.
   */
  openFeed(table: TableReference): Promise<Feed>;

  /**
   * Reads the table in the order of primary keys. Each batch carries what `options.stamp` returned when the request
   * of its rows was sent: no row is older than that. MUST throw if the name came to belong to another table.
   */
  walk(table: TableReference, options: WalkOptions): AsyncIterable<WalkBatch>;

  /** Number of documents by the server's own estimate; for progress only. */
  estimateDocuments(table: TableReference): Promise<number>;

  /** The server's clock less ours. */
  serverClock(): Promise<{ offsetMs: number; uncertaintyMs: number }>;

  close(): void;
}

/** The table that a feed or walk was on is not what its name stands for any more. */
export class TableReplaced extends Error {
  constructor(table: TableReference) {
    super(`${table.db}.${table.name} is not the table ${table.id} any more`);
  }
}
