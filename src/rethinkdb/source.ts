/**
 * What capture needs of a RethinkDB. Implemented by RethinkSource over a Dial; a simulated server behind another Dial
 * makes the simulated source.
 */
import { ThinkbackError } from "../errors.js";
import type { CatalogReading } from "./catalog-reader.js";
import type { Feed } from "./feed.js";
import type { ScanBatch, ScanOptions } from "./scan.js";
import type { TableReference } from "./table-reference.js";
import type { TableWrites } from "./table-writes.js";
/**
 * By table id, what is counted for each table that was asked for: undefined if a server that may have acknowledged a
 * write, or a majority of a shard's replicas, does not answer. None rejects, and none waits for another table's
 * servers.
 */
export type Survey = ReadonlyMap<string, Promise<TableWrites | undefined>>;

export interface Source {
  /** For messages; never holds a secret. */
  readonly location: string;

  /**
   * From now on only a cluster that has one of these ids is believed: of a server, a database or a table. With any
   * other one everything here rejects with ForeignCluster.
   */
  recognise(ids: Iterable<string>): void;

  /** Everything that the catalog holds, read after the call. */
  readCatalog(): Promise<CatalogReading>;

  /** Asks, after the call, every server that may have acknowledged a write to these tables, as the topology is now. */
  survey(tables: readonly TableReference[]): Promise<Survey>;

  /**
   * True if a majority of every shard answers for the table through another server than the one that its feed comes
   * from: then that one is cut off. False if there is no other server.
   */
  servedElsewhere(table: TableReference): Promise<boolean>;

  /**
   * Opens a feed. When the promise resolves, every write committed later will come.
   * MUST reject if the name no longer belongs to the table's id.
   * @param table as it is called now: a feed outlives a rename
   */
  openFeed(table: () => TableReference): Promise<Feed>;

  /**
   * Reads the table in the order of primary keys. Each batch carries what `options.stamp` returned when the request
   * of its rows was sent: no row is older than that. MUST throw if the name came to belong to another table.
   */
  scan(table: TableReference, options: ScanOptions): AsyncIterable<ScanBatch>;

  /** Number of documents by the server's own estimate; for progress only. */
  estimateDocuments(table: TableReference): Promise<number>;

  /** The server's clock less this machine's. */
  serverClock(): Promise<{ offsetMs: number; uncertaintyMs: number }>;

  close(): void;
}

/** Another cluster answers at the source's address: whatever it says is nothing of ours. */
export class ForeignCluster extends ThinkbackError {
  constructor(location: string) {
    super(
      "source",
      `another cluster answers at ${location}: it has none of the servers, databases and tables that are backed up`,
      {
        hint: "bring the right server back; or stop, and accept this cluster with --accept-cluster",
      },
    );
  }
}
