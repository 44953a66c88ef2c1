/** The tables that a capture watches: started and stopped as the catalog says. */

import type { TableConfig } from "../catalog-record.js";
import { hasLeft } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import type { BaseInventory } from "../repository/bases/base.js";
import type { TableCoverage } from "../repository/coverage/coverage.js";
import type { Catalog } from "../repository/log/catalog.js";
import type { CatalogReading } from "../rethinkdb/catalog-reader.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { TableCapture } from "./table-capture.js";
import type { TableCaptureContext } from "./table-context.js";
import type { TableLog } from "./table-log.js";
import type { Continued, ContinuedTable } from "./take-over.js";
import { reference, type UnreachableTables } from "./unreachable-tables.js";

/** What a capture finds in its repository when it begins. */
export interface FoundAtBegin {
  /** By table id. */
  coverage: ReadonlyMap<string, TableCoverage>;
  /** The catalog as it was written last. */
  catalog: Catalog;
}

interface RunningTable {
  capture: TableCapture;
  stop: AbortController;
  done: Promise<void>;
}

export class CapturedTables {
  private readonly running = new Map<string, RunningTable>();
  /** Ids of tables whose capture has not ended yet: one that is there again is started at a later reading. */
  private readonly stopping = new Set<string>();
  private bases: BaseInventory | undefined;
  private continued = new Map<string, ContinuedTable>();
  /** Ids of the tables that have left for another lane. */
  private readonly moved = new Set<string>();
  private isStarted = false;
  private isClosed = false;
  private isAbsentNoted = false;

  /**
   * @param selects true for a table to be captured
   * @param logOf a table's part of the log
   * @param onStart told of the id of each table that is started
   * @param onDefect called with an error that ends the capture of all tables
   */
  constructor(
    private readonly context: TableCaptureContext,
    private readonly found: FoundAtBegin,
    private readonly selects: (table: TableReference) => boolean,
    private readonly unreachable: UnreachableTables,
    private readonly logOf: (table: string) => TableLog,
    private readonly onStart: (table: string) => void,
    private readonly onDefect: (error: unknown) => void,
  ) {}

  /**
   * Starts the tables of the first reading, which must all be readable; one that comes later may wait for its grant.
   * @param bases read once, for all tables that are there at the start
   * @param continued the tables that go on where the writer before ended
   */
  begin(reading: CatalogReading, bases: BaseInventory, continued: Continued["tables"]): void {
    this.bases = bases;
    this.continued = new Map(continued);
    this.apply(reading, false);
    this.bases = undefined;
    // These are not captured any more.
    for (const { feed } of this.continued.values()) feed.close().catch(() => undefined);
    this.continued.clear();
    this.isStarted = true;
  }

  /**
   * Starts and stops tables as the catalog says.
   * @param isWhole the reading has heard every server: a table that it does not tell is gone
   */
  apply({ structure }: CatalogReading, isWhole: boolean): void {
    if (this.isClosed) return;
    const present = new Map<string, TableReference>();
    const tables = structure.filter(({ key }) => key[0] === "table");
    const configs = tables.map(({ value }) => value as TableConfig);
    this.unreachable.note(configs);
    for (const config of configs) {
      // A table that cannot be reached now is neither new nor gone.
      const known = this.running.get(config.id)?.capture.table;
      const table = config.error === undefined ? reference(config) : known;
      if (table) present.set(config.id, table);
    }
    for (const [id, running] of this.running) {
      const table = present.get(id);
      if (table) this.rename(running.capture, table);
      else if (isWhole) this.stop(id, running, true).catch(this.onDefect);
    }
    for (const table of present.values()) {
      const { id } = table;
      if (!this.running.has(id) && !this.stopping.has(id) && this.selects(table)) {
        this.start(table);
      }
    }
  }

  /** Ids of the tables that are captured. */
  get ids(): string[] {
    return [...this.running.keys()];
  }

  /** True once the first tables were started, while none is being stopped. */
  get isAtRest(): boolean {
    return this.isStarted && this.stopping.size === 0;
  }

  /** True for a table with a history here that has neither gone nor left for another lane. */
  isHere(table: string): boolean {
    const state = this.found.coverage.get(table)?.state;
    return !this.moved.has(table) && (this.running.has(table) || (state ? !hasLeft(state) : false));
  }

  /** Up to where a captured table is proven; undefined while it is not live. */
  provenTo(table: string): Instant | undefined {
    const capture = this.running.get(table)?.capture;
    return capture?.state === "live" ? this.logOf(table).provenTo : undefined;
  }

  /**
   * The table is in another lane from now on: it is captured here no more.
   * @param since it is known there from here on
   */
  async move(table: string, lane: number, since: Instant): Promise<void> {
    this.moved.add(table);
    const running = this.running.get(table);
    if (running) await this.stop(table, running, false);
    this.logOf(table).record({ state: "moved", since, lane });
    this.logOf(table).forget();
    const last = this.found.catalog.tables().find(({ id }) => id === table);
    this.context.observer.moved(running?.capture.table ?? last ?? { id: table }, lane);
  }

  /**
   * Writes down, once, the tables with a history that are gone when this capture first knows the catalog: they were
   * dropped while nobody watched, or are of the cluster before. Nothing is known of them after their last proof.
   */
  noteAbsent({ structure }: CatalogReading): void {
    if (this.isAbsentNoted) return;
    this.isAbsentNoted = true;
    const present = new Set(structure.map(({ key }) => key[1]));
    const names = new Map(this.found.catalog.tables().map((table) => [table.id, table]));
    for (const [id, { state, frontier }] of this.found.coverage) {
      if (hasLeft(state) || this.moved.has(id) || present.has(id) || this.running.has(id)) continue;
      const log = this.logOf(id);
      log.record({ state: "dropped", since: frontier ?? log.provenTo });
      const last = names.get(id);
      if (last) this.context.observer.state(reference(last), "dropped");
    }
  }

  /** There is reason to think that changes of the table were missed: it is opened again and resynced. */
  suspect(table: string, reason: string): void {
    this.running.get(table)?.capture.suspect(reason);
  }

  /** Resolves when each table that runs now is live, gone, or stopped by a defect. */
  async complete(): Promise<void> {
    await Promise.all([...this.running.values()].map(({ capture }) => capture.complete));
  }

  /** Names of the tables that cannot be opened or that a defect has stopped, and why. */
  get troubled(): [name: string, reason: string][] {
    const defects = [...this.running.values()].flatMap(
      ({ capture: { defect, table } }): [string, string][] =>
        defect === undefined ? [] : [[`${table.db}.${table.name}`, defect]],
    );
    return [...this.unreachable.reasons, ...defects];
  }

  /** From now on no table is started or stopped by a reading. */
  close(): void {
    this.isClosed = true;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running].map(([id, running]) => this.stop(id, running, false)));
  }

  private rename(capture: TableCapture, table: TableReference): void {
    const { db, name } = capture.table;
    capture.table = table;
    if (table.db !== db || table.name !== name) this.context.observer.renamed(table);
  }

  private start(table: TableReference): void {
    const { id } = table;
    this.moved.delete(id);
    const lastCopy = this.found.coverage.get(id)?.lastCopy;
    const mustOpen = !this.isStarted;
    const { context, bases, continued } = this;
    const goesOn = continued.get(id);
    continued.delete(id);
    const log = this.logOf(id);
    const capture = new TableCapture(context, log, table, mustOpen, lastCopy, bases, goesOn);
    const stop = new AbortController();
    const done = capture.run(stop.signal).catch(this.onDefect);
    this.running.set(id, { capture, stop, done });
    this.onStart(id);
  }

  private async stop(id: string, running: RunningTable, dropped: boolean): Promise<void> {
    this.running.delete(id);
    this.stopping.add(id);
    running.stop.abort(new Error("the table is not captured any more"));
    await running.done;
    if (dropped) running.capture.noteDropped();
    this.stopping.delete(id);
  }
}
