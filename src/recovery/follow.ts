/**
 * A standby: a server that has everything of a repository, some seconds behind. Each step takes one look at the
 * repository, and brings every table to one instant: by the log since the last step or, where that does not suffice, by
 * a comparison of all keys.
 *
 * Invariant: a table's record says which instant it has reached, and up to which later one changes may have been
 * written; it never goes to an earlier one by the log. Break it, and after a kill an old version replaces a newer one.
 * Every change is made under the condition that this process still follows.
 */
import { randomUUID } from "node:crypto";
import type { TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { LogCollection } from "../repository/log/runs.js";
import { placeHold } from "../repository/registers/holds.js";
import { lookAt, type RepositoryView } from "../repository/repository-view.js";
import { planRestore } from "../restore/plan.js";
import { wholeDatabases } from "../restore/request.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { pastTable } from "./past.js";
import type { FollowedTable, StandbyStore } from "./standby-record.js";
import {
  disownedLanes,
  type HeldTable,
  isInLog,
  nextStep,
  placesAt,
  refuseLate,
  type Step,
} from "./standby-step.js";
import {
  makeDatabases,
  type Shaping,
  shapeIndexes,
  shapeTables,
  type TableEvent,
} from "./standby-tables.js";
import { type Written, writeDifferences, writeLatest } from "./standby-writer.js";

export interface FollowObserver {
  event(event: TableEvent, table: string, detail?: string): void;
  /** A table is compared with the repository; of a new one everything is copied. */
  copying(table: string, documents: number): void;
  /** Documents that the target refuses to store. */
  refused(table: string, key: Buffer, reason: string): void;
  /** A step is done. */
  stepped(progress: FollowProgress): void;
  /** The log was cut off after what was applied: tables are compared again. */
  disowned(): void;
  notHeld(error: Error): void;
}

export interface FollowProgress {
  /** Every table that is not held is as it was at this instant; undefined if nothing can be followed yet. */
  instant: Instant | undefined;
  tables: number;
  held: HeldTable[];
  isCatalogProven: boolean;
  /** Tables, "db.table" each, that exist at the instant, but of which nothing was captured. */
  notCaptured: string[];
  /** Documents written and deleted by this step. */
  changes: number;
}

export interface Following {
  repository: Repository;
  target: Target;
  store: StandbyStore;
  clock: Clock;
  observer: FollowObserver;
  drops: boolean;
  /** Compare all tables, and overwrite what somebody else has written to them. */
  overwrites: boolean;
  signal: AbortSignal;
}

/** Before anything can be followed. */
const nothing: Omit<FollowProgress, "tables" | "changes"> = {
  instant: undefined,
  held: [],
  isCatalogProven: false,
  notCaptured: [],
};

const nameOf = ({ db, name }: TableConfig) => `${db}.${name}`;

export class Follower {
  /** The catalog's records of each table as they were last carried out. */
  private readonly shaped = new Map<string, string>();
  private readonly shaping: Shaping;
  private changes = 0;
  private readonly of: Following;

  constructor(of: Following) {
    const { store, drops, overwrites, observer } = of;
    const target = of.target.onlyIf(store.condition());
    this.of = { ...of, target };
    const onEvent: Shaping["onEvent"] = (...event) => observer.event(...event);
    this.shaping = { target, store, drops, overwrites, onEvent };
    if (overwrites) forget(Object.values(store.record.followed));
  }

  /**
   * Takes one step, to the newest instant that is proven, or to `until`. Called again after it was ended anywhere, in
   * another process too, it goes on.
   * @throws {ThinkbackError} `damaged` if the repository is; `target`; `fenced` if another process follows; `instant`
   * if something is late at `until`
   */
  step(until: Instant = Number.MAX_SAFE_INTEGER): Promise<FollowProgress> {
    return lookAt(this.of.repository, (view) => this.stepOn(view, until));
  }

  private async stepOn(view: RepositoryView, until: Instant): Promise<FollowProgress> {
    const { store, observer } = this.of;
    this.changes = 0;
    this.doubt(disownedLanes(view, store.record));
    refusePast(store, until);
    const step = await nextStep(view, store.record, until);
    if (!step) return this.done(nothing, 0);
    if (step.instant === until) await refuseLate(view, step, store.record);
    const { record } = store;
    if (record.instant !== null && step.instant < record.instant) {
      // Less is proven than before, as when the catalog was too far behind to be waited for, and now is not.
      const waiting = this.done({ ...step, instant: record.instant }, step.ready.length);
      observer.stepped(waiting);
      return waiting;
    }
    record.instant = step.instant;
    const catalog = step.isCatalogProven ? step.catalog : undefined;
    const held = step.held.filter(({ reached }) => reached !== null);
    const present = [...step.ready, ...held.map(({ config }) => config)];
    await shapeTables(this.shaping, present, catalog, step.instant);
    // After them: a database of a new name may be a renamed one.
    await makeDatabases(this.shaping, wholeDatabases(step.catalog, record));
    await this.bring(view, step);
    for (const config of step.ready) await this.settle(config, step);
    observer.stepped(this.done(step, step.ready.length));
    return this.done(step, step.ready.length);
  }

  /** Nothing is known any more of tables whose log was not continued by another writer. */
  private doubt(lanes: number[]): void {
    const { record } = this.of.store;
    if (lanes.length === 0) return;
    forget(Object.values(record.followed).filter(({ lane }) => lanes.includes(lane)));
    for (const lane of lanes) delete record.places[lane];
    record.instant = null;
    this.of.observer.disowned();
  }

  private done(
    { instant, held, isCatalogProven, notCaptured }: typeof nothing,
    tables: number,
  ): FollowProgress {
    return { instant, held, isCatalogProven, notCaptured, tables, changes: this.changes };
  }

  /** Brings the tables to the instant of the step. */
  private async bring(view: RepositoryView, { instant, ready }: Step): Promise<void> {
    const { store } = this.of;
    const { followed, places } = store.record;
    const { tables: coverage } = await view.coverage();
    const byLog = new Map<number, TableConfig[]>();
    const byKeys: TableConfig[] = [];
    for (const config of ready) {
      const table = followed[config.id]!;
      // What may be ahead of this step waits for one that comes up with it.
      const { reached, writing } = table;
      if (reached !== null && (reached >= instant || (writing ?? 0) > instant)) continue;
      const { lane, view: ofLane } = await view.laneOf(config.id, instant);
      if (isInLog(ofLane, coverage.get(config.id), table, instant)) {
        byLog.set(lane, [...(byLog.get(lane) ?? []), config]);
      } else byKeys.push(config);
    }
    for (const config of [...byLog.values()].flat()) followed[config.id]!.writing = instant;
    // Before anything is written: after a kill, what is written by then must be known to be ahead.
    Object.assign(places, placesAt(view, instant));
    await store.put();
    for (const [lane, configs] of byLog) await this.bringByLog(view.lanes[lane]!, configs, instant);
    for (const config of byKeys) await this.bringByKeys(view, config, instant);
  }

  private async bringByLog(
    view: RepositoryView,
    configs: TableConfig[],
    instant: Instant,
  ): Promise<void> {
    const { target, store, signal } = this.of;
    const { followed } = store.record;
    const wanted = configs.map(({ id }) => ({ table: id, after: followed[id]!.reached! }));
    const log = await LogCollection.read(view.log, wanted, instant);
    try {
      for (const config of configs) {
        const table = followed[config.id]!;
        const between = () => this.beat();
        signal.throwIfAborted();
        const written = await writeLatest(
          target,
          referenceOf(config, table.made!),
          log.cursors(config.id),
          table.refused,
          between,
        );
        this.note(config, written);
        table.reached = instant;
        table.writing = null;
      }
    } finally {
      await log.dispose();
    }
  }

  private async bringByKeys(
    view: RepositoryView,
    config: TableConfig,
    instant: Instant,
  ): Promise<void> {
    const { repository, target, store, clock, observer, signal } = this.of;
    const table = store.record.followed[config.id]!;
    const name = nameOf(config);
    const request = { at: instant, tables: [name], databases: [], renames: new Map() };
    const allowed = { allowInexact: true, nearest: false, exactOnly: true };
    const plan = await planRestore(view, { ...request, ...allowed });
    const past = pastTable(repository, plan);
    if (past.table.instant !== instant) {
      throw new ThinkbackError("internal", `${name} is not whole at ${formatInstant(instant)}`);
    }
    const unique = randomUUID().replaceAll("-", "");
    const onRefused = (error: Error) => observer.notHeld(error);
    const hold = await placeHold(repository.store, clock, unique, instant, onRefused);
    try {
      table.writing = null;
      table.reached = null;
      await store.put();
      const live = referenceOf(config, table.made!);
      const between = async (documents: number) => {
        observer.copying(name, documents);
        await this.beat();
      };
      this.note(config, await writeDifferences(target, live, past, between, signal));
      table.reached = instant;
      table.lane = past.table.lane;
      await store.put();
      observer.event("copied", name);
    } finally {
      await hold.end();
    }
  }

  /** Indexes come after the first copy: they are built faster over all documents. */
  private async settle(config: TableConfig, { catalog }: Step): Promise<void> {
    // Under a new name it may be another table of the target.
    const records = `${nameOf(config)}\n${catalog.records.get(JSON.stringify(["indexes", config.id]))}`;
    if (this.shaped.get(config.id) === records) return;
    await shapeIndexes(this.shaping, config, catalog);
    this.shaped.set(config.id, records);
  }

  private async beat(): Promise<void> {
    this.of.signal.throwIfAborted();
    await this.of.store.beat();
  }

  private note(config: TableConfig, { documents, removed, refused, refusedKeys }: Written): void {
    this.changes += documents + removed;
    this.of.store.record.followed[config.id]!.refused = refusedKeys;
    for (const { key, reason } of refused) this.of.observer.refused(nameOf(config), key, reason);
  }
}

/** Lets everything be compared that these tables hold. */
function forget(tables: FollowedTable[]): void {
  for (const table of tables) Object.assign(table, { reached: null, writing: null });
}

function referenceOf(config: TableConfig, id: string): TableReference {
  return { id, db: config.db, name: config.name, primaryKey: config.primary_key };
}

/** Throws if a table has gone beyond the instant at which the standby is to end. */
function refusePast({ record }: StandbyStore, until: Instant): void {
  const instants = Object.values(record.followed).flatMap(({ reached, writing }) => {
    return [reached ?? 0, writing ?? 0];
  });
  const ahead = Math.max(record.instant ?? 0, ...instants);
  if (ahead <= until) return;
  throw new ThinkbackError(
    "instant",
    `the standby is as of ${formatInstant(ahead)} already, after ${formatInstant(until)}`,
    {
      hint: "give a later --until; what was before can be restored into another server with `thinkback restore --at`",
    },
  );
}
