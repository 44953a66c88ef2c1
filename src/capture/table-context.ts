/** What the captures of all tables share. */
import type { Clock } from "../clock.js";
import type { Repository } from "../format/description.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { ScanQueue } from "./scan-queue.js";
import type { SharedReads } from "./shared-reads.js";
import type { TableState } from "./table-state.js";
import type { Turns } from "./turns.js";

/** Told what a table's capture does; for progress displays and logs. */
export interface TableObserver {
  state(table: TableReference, state: TableState, detail?: object): void;
  /** The table could not be opened or is not watched any more; it is tried again. Told once per reason. */
  lost(table: TableReference, reason: string): void;
  /** A defect has stopped the table's capture; it is tried again, but seldom. Told once per reason. */
  stopped(table: TableReference, error: unknown): void;
  /** The table is captured in another lane from now on. */
  moved(table: { id: string; db?: string; name?: string }, lane: number): void;
  /** The table has another name, or is in another database. */
  renamed(table: TableReference): void;
  scanned(table: TableReference, documents: number, bytes: number, estimate: number): void;
}

export interface TableCaptureContext {
  source: Source;
  repository: Repository;
  clock: Clock;
  /** Bounds what is asked of the source for tables that are opened. */
  openings: Turns;
  scans: ScanQueue;
  reads: SharedReads;
  /** See CaptureOptions. */
  bothEndsFrom: number;
  /** Copies wait while the repository's store is full: ticks have a spool to wait on. */
  waitsForRoom: boolean;
  random: () => number;
  observer: TableObserver;
}
