/**
 * Compares what the repository says with what was: every instant called exact must restore to the truth, and what
 * was once exact must stay what it was. The truth goes by what was acknowledged: what was acknowledged two seconds before
 * an exact instant is there, and nothing that came after it; at a late one, so much more as it says.
 */

import { ThinkbackError } from "../../src/errors.js";
import type { Repository } from "../../src/format/description.js";
import type { SegmentName } from "../../src/format/names.js";
import { catalogFor } from "../../src/repository/coverage/catalog-for.js";
import {
  intervalAt,
  isExactAt,
  type TableCoverage,
} from "../../src/repository/coverage/coverage.js";
import type { Coverage } from "../../src/repository/coverage/coverage-reader.js";
import { lossesOf } from "../../src/repository/kept-pins.js";
import { isDisowned, listClaims } from "../../src/repository/log/claims.js";
import { byPlaceInLog } from "../../src/repository/log/places.js";
import { listPins } from "../../src/repository/registers/pins.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { RememberedStore } from "../../src/storage/remembered-store.js";
import { catalogAt, planRestore, readAllCoverage, readCoverage } from "../repository/looks.js";
import type { Random } from "../simulated/random.js";
import { recordsOf } from "./catalog-records.js";
import { chooseInstant, chooseKept } from "./chosen-instants.js";
import type { Declarations } from "./declarations.js";
import type { Delivery } from "./delivery.js";
import { boundMs, Due } from "./due.js";
import type { FaultWindow } from "./faults.js";
import { calmMs, Gaps } from "./gaps.js";
import type { LogTimes } from "./log-times.js";
import { at, historyOf, type Model, type ModelTable } from "./model.js";
import type { WallClock } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import type { Asked } from "./restores.js";
import { staleView } from "./stale-view.js";

export interface OracleWorld {
  repository: Repository;
  model: Model;
  delivery: Delivery;
  logTimes: LogTimes;
  windows: readonly FaultWindow[];
  walls: readonly WallClock[];
  /** When each object was put that is stored, or was. */
  putMs: ReadonlyMap<string, number>;
  /** All segments that are stored, or were, in the order in which they came. */
  segments: readonly SegmentName[];
  /** What may be expired; undefined if nothing ever is. */
  declared: Declarations | undefined;
  random: Random;
  nowMs: () => number;
}

/** An exact instant that was compared before. */
interface Remembered {
  table: string;
  instant: number;
  /** The virtual moment of the instant. */
  moment: number;
  state: string;
  /** When that was. */
  seenMs: number;
}

const rememberedMax = 200;
/** Tables are looked at only. */
const noSystem = { catalog: undefined, access: undefined };

export class Oracle {
  readonly violations: string[] = [];
  /** How much was compared, so that a run that compared nothing does not pass for a clean one. */
  readonly compared = {
    instants: 0,
    late: 0,
    documents: 0,
    catalogs: 0,
    access: 0,
    again: 0,
    stale: 0,
    refused: 0,
  };
  /** Of what was compared again: what a pin keeps, what is left of a thinned history, and what was expired. */
  readonly aged = { pinned: 0, coarse: 0, expired: 0 };
  private readonly remembered: Remembered[] = [];
  /** By the names of the pins: what was exact when it was first looked at. */
  private readonly pinned = new Map<string, Remembered[]>();

  /** The repository as it is at the moment of a check. */
  private store: ObjectStore;
  private coverage: Coverage = { tables: new Map(), catalog: undefined, access: undefined };
  /** All that ever was believed of the log, whether it is still stored or not. */
  private segments: SegmentName[] = [];

  private readonly due: Due;

  constructor(private readonly world: OracleWorld) {
    this.store = world.repository.store;
    this.due = new Due(world.windows, world.delivery);
  }

  private async look(): Promise<void> {
    this.store = new RememberedStore(this.world.repository.store);
    this.coverage = await readAllCoverage(this.store);
    const claims = await listClaims(this.store);
    this.segments = this.world.segments.filter((one) => !isDisowned(one, claims));
    this.segments.sort(byPlaceInLog);
  }

  /** Compares random exact instants, a late one, and some of those compared before. */
  async check(instants: number): Promise<void> {
    await this.look();
    const { random } = this.world;
    for (let i = 0; i < instants; i += 1) {
      const chosen = this.choose(this.coverage.tables, "exact");
      if (chosen) await this.compareAt(chosen.table, chosen.instant);
    }
    const late = this.choose(this.coverage.tables, "late");
    if (late) await this.compareLate(late.table, late.instant);
    await this.checkCatalog();
    for (let i = 0; i < 3 && this.remembered.length > 0; i += 1) {
      await this.compareAgain(this.remembered[random.below(this.remembered.length)]!);
    }
    await this.checkPins();
    this.checkDamage();
  }

  /** What is asked of a restore that takes its time: an instant that is exact now, and its state. */
  async ask(): Promise<Asked | undefined> {
    await this.look();
    const { store } = this;
    const chosen = this.choose(this.coverage.tables, "exact");
    if (!chosen || !this.isCatalogExact(chosen.instant)) return undefined;
    const { table, instant } = chosen;
    const config = (await catalogAt(store, instant)).tables().find(({ id }) => id === table);
    const state = await restoredState(store, table, instant);
    return config && state && { table, instant, name: `${config.db}.${config.name}`, state };
  }

  /** What a restore came to in the end must be what it would have come to when it was planned. */
  compareRestored({ name, instant, state }: Asked, restored: Map<string, string>): void {
    if (textOf(restored) === textOf(state)) return;
    this.violate(
      `a restore of ${name} at ${instant} came to something else than when it began:\n    ${textOf(state)}\n    ${textOf(restored)}`,
    );
  }

  private choose(
    coverage: Map<string, TableCoverage>,
    of: "exact" | "late",
  ): { table: string; instant: number } | undefined {
    const { random, declared } = this.world;
    const found = [...coverage.values()].flatMap(({ table, intervals }) =>
      intervals.filter((one) => one.class === of).map((one) => ({ one, table })),
    );
    if (found.length === 0) return undefined;
    const { one, table } = found[random.below(found.length)]!;
    const instant = declared ? chooseKept(one, random) : chooseInstant(one.from, one.to, random);
    return instant === undefined ? undefined : { table, instant };
  }

  /** Every table that was exact at a pinned instant stays so. */
  private async checkPins(): Promise<void> {
    const { declared } = this.world;
    for (const name of this.pinned.keys()) {
      if (!declared?.pins.has(name)) this.pinned.delete(name);
    }
    for (const pin of await listPins(this.store)) {
      if (declared?.pins.get(pin.name) !== pin.at) continue;
      for (const { table, is } of lossesOf(pin, { tables: this.coverage.tables, ...noSystem })) {
        const isTaken = is === "thinned away" || is === "expired";
        if (isTaken && this.coverage.tables.has(table))
          this.violate(`pin ${pin.name}: ${table} is ${is}`);
      }
    }
    for (const [name, instant] of declared?.pins ?? []) {
      const before = this.pinned.get(name);
      if (before) {
        for (const one of before) await this.compareAgain(one);
        this.aged.pinned += before.length;
        continue;
      }
      const exact = [...this.coverage.tables.values()].filter((of) =>
        isExactAt(intervalAt(of, instant), instant),
      );
      const found: Remembered[] = [];
      for (const { table } of exact) {
        const one = await this.compareAt(table, instant);
        if (one) found.push(one);
      }
      this.pinned.set(name, found);
    }
  }

  /**
   * A reader whose listings are behind may be refused, or told of damage; but what it restores must be true. Goes by what
   * the last check has looked at.
   */
  async checkStale(instants: number): Promise<void> {
    const { random, putMs, nowMs } = this.world;
    const sinceMs = nowMs() - random.next() * 10_000;
    const store = staleView(this.store, putMs, sinceMs, random);
    try {
      const coverage = await readCoverage(store);
      for (let i = 0; i < instants; i += 1) {
        const chosen = this.choose(coverage, "exact");
        if (!chosen) continue;
        const { table, instant } = chosen;
        const state = await restoredState(store, table, instant);
        const moment = this.momentOf(instant);
        const truth = this.world.model.tables.get(table);
        if (!state || !truth || moment === undefined) continue;
        this.compared.stale += 1;
        this.compareState(`by a stale listing ${table} at ${instant}`, state, truth, moment);
      }
    } catch (error) {
      if (!(error instanceof ThinkbackError) || error.code !== "damaged") throw error;
      this.compared.refused += 1;
    }
  }

  /** Compares the state that a table is restored to with the one that it had. */
  async compareAt(table: string, instant: number): Promise<Remembered | undefined> {
    const found = await this.stateAt(table, instant, "exact");
    if (!found) return undefined;
    const { state, truth, moment } = found;
    this.compared.instants += 1;
    this.compareState(`${table} at ${instant}`, state, truth, moment);
    const seenMs = this.world.nowMs();
    const compared = { table, instant, moment, state: textOf(state), seenMs };
    this.remember(compared);
    await this.comparePlan(table, instant, moment);
    return compared;
  }

  /** What a late instant lacks is no older than it says. */
  private async compareLate(table: string, instant: number): Promise<void> {
    const { lateMs } = intervalAt(this.coverage.tables.get(table)!, instant)!;
    const found = await this.stateAt(table, instant, "late");
    if (!found) return;
    this.compared.late += 1;
    const where = `${table} at ${instant}, late by ${lateMs} ms,`;
    this.compareState(where, found.state, found.truth, found.moment, lateMs);
  }

  private async stateAt(table: string, instant: number, of: "exact" | "late") {
    const truth = this.world.model.tables.get(table);
    const where = `${table} at ${instant} is called ${of}`;
    const moment = this.momentOf(instant);
    if (!truth || moment === undefined) {
      this.violate(`${where}, but ${truth ? "no writer wrote then" : "never was"}`);
      return undefined;
    }
    const state = await restoredState(this.store, table, instant);
    if (!state) this.violate(`${where}, but there is no base for it`);
    return state && { state, truth, moment };
  }

  /** At the end: the newest state of each table is the source's own. */
  async compareEnd(live: string[]): Promise<void> {
    await this.look();
    for (const id of live) {
      const { state, frontier } = this.coverage.tables.get(id) ?? {};
      if (state !== "live" || frontier === undefined) {
        this.violate(`${id} is ${state ?? "unknown"} at the end, not live`);
      } else await this.compareAt(id, frontier);
    }
  }

  /** No instant outside the fault windows, each with the time that it may take to see it and to resync, is missing. */
  async checkGaps(): Promise<Gaps["measured"]> {
    await this.look();
    const { windows, model } = this.world;
    const { tables, catalog, access } = this.coverage;
    const gaps = new Gaps(windows, (instant) => this.momentOf(instant));
    for (const coverage of [...tables.values(), catalog, access]) {
      if (!coverage) continue;
      const { table } = coverage;
      const known = model.tables.get(table);
      const droppedMs = known?.droppedMs ?? Infinity;
      const isExcused = (to: number, ended: number) => this.isAheadOfAClock(to, ended);
      const isBusy = (from: number, to: number) => known?.isBusy(from, to, calmMs) ?? false;
      for (const gap of gaps.find(coverage, droppedMs, isExcused, isBusy)) this.violate(gap);
    }
    return gaps.measured;
  }

  violate(what: string): void {
    this.violations.push(what);
  }

  /** The virtual moment at which the log's time passed `instant`. */
  private momentOf(instant: number): number | undefined {
    const { logTimes } = this.world;
    const before = this.segments.filter(({ from }) => from <= instant);
    // A writer that goes on without a gap has given no time yet where its log begins: there the one before counts.
    const epochs = new Set(before.reverse().map(({ epoch }) => epoch));
    for (const epoch of epochs) {
      const moment = logTimes.momentOf(epoch, instant);
      if (moment !== undefined) return moment;
    }
    return undefined;
  }

  /** A clock showed an earlier time after the instant had passed: then the instant may be called wrongly labelled. */
  private isAheadOfAClock(instant: number, moment: number): boolean {
    return this.world.walls.some((wall) => wall.leastSince(moment) <= instant);
  }

  /** A clock went slower by then than the log: what it labelled before may be called late, as soon as that shows. */
  private wasAheadOfAClock(instant: number, moment: number): boolean {
    return this.world.walls.some(
      (wall) => wall.offsetSince(moment) < instant - wall.trueMs(moment),
    );
  }

  private remember(compared: Remembered): void {
    const full = this.remembered.length >= rememberedMax;
    const at = full ? this.world.random.below(rememberedMax) : this.remembered.length;
    this.remembered[at] = compared;
  }

  private compareState(
    where: string,
    state: Map<string, string>,
    truth: ModelTable,
    moment: number,
    lateMs = 0,
  ): void {
    const isDue = this.due.onFeed(moment, lateMs);
    for (const key of new Set([...truth.keys.keys(), ...state.keys()])) {
      const restored = state.get(key) ?? null;
      const allowed = truth.allowedAt(key, moment, isDue);
      this.compared.documents += 1;
      if (allowed.includes(restored)) continue;
      this.violate(
        `${where} (${at(moment)}) restores ${key} as ${restored}; it was ${allowed.join(" or ")}\n` +
          `    its history: ${historyOf(truth, key)}`,
      );
      return;
    }
  }

  private async compareAgain(remembered: Remembered): Promise<void> {
    const { table, instant, moment, state, seenMs } = remembered;
    this.compared.again += 1;
    const of = this.coverage.tables.get(table);
    const now = of && intervalAt(of, instant);
    if (!isExactAt(now, instant)) {
      if (this.isAheadOfAClock(instant, moment)) return;
      if (now?.class === "late" && this.wasAheadOfAClock(instant, moment)) return;
      if (this.world.declared?.keeps(instant, seenMs) === false) {
        this.aged.expired += 1;
        this.remembered.splice(this.remembered.indexOf(remembered), 1);
        return;
      }
      this.violate(
        `${table} at ${instant} was exact at ${at(seenMs)} and is ${JSON.stringify(now ?? "not known")} now`,
      );
      return;
    }
    const again = await restoredState(this.store, table, instant);
    if (!again || textOf(again) !== state) {
      this.violate(
        `${table} at ${instant} restores to something else than before:\n    ${state}\n    ${again && textOf(again)}`,
      );
      return;
    }
    if (now?.resolutionMs !== undefined) this.aged.coarse += 1;
    remembered.seenMs = this.world.nowMs();
  }

  /** A random exact instant of the catalog, and one of access. */
  private async checkCatalog(): Promise<void> {
    const { model } = this.world;
    const { catalog, access } = this.coverage;
    const structure = await this.chooseCatalog(catalog);
    if (structure) {
      this.compared.catalogs += 1;
      const records = recordsOf(structure.catalog, ["db", "table", "indexes"]);
      this.compareRecords("the catalog", structure, records, model.structure);
    }
    const rights = await this.chooseCatalog(access);
    if (rights) {
      this.compared.access += 1;
      const records = recordsOf(rights.catalog, ["user", "permission"]);
      this.compareRecords("access", rights, records, model.access);
    }
  }

  private async chooseCatalog(coverage: TableCoverage | undefined) {
    if (!coverage) return undefined;
    const of = this.world.random.below(4) === 0 ? "late" : "exact";
    const chosen = this.choose(new Map([[coverage.table, coverage]]), of);
    if (!chosen) return undefined;
    const { instant } = chosen;
    const moment = this.momentOf(instant);
    const { lateMs = 0 } = intervalAt(coverage, instant)!;
    if (moment !== undefined) {
      return { instant, moment, lateMs, catalog: await catalogAt(this.store, instant) };
    }
    this.violate(`the ${coverage.table} is called ${of} at ${instant}, but no writer wrote then`);
    return undefined;
  }

  /** Each record is as it was at some moment within the bound. */
  private compareRecords(
    what: string,
    { instant, moment, lateMs }: { instant: number; moment: number; lateMs: number },
    records: Map<string, string>,
    truth: ModelTable,
  ): void {
    const isDue = this.due.within(moment, lateMs);
    for (const key of new Set([...truth.keys.keys(), ...records.keys()])) {
      if (this.due.isHidden((JSON.parse(key) as string[])[1]!, moment)) continue;
      const known = records.get(key) ?? null;
      const allowed = truth.allowedAt(key, moment, isDue);
      if (allowed.includes(known)) continue;
      this.violate(
        `${what} at ${instant} (${at(moment)}${lateMs > 0 ? `, late by ${lateMs} ms` : ""}) has ${key} as ${known}; it was ${allowed.join(" or ")}\n` +
          `    its history: ${historyOf(truth, key)}`,
      );
      return;
    }
  }

  /** Of everything: whichever table is asked for, its names are known then. */
  private isCatalogExact(instant: number): boolean {
    const catalog = catalogFor(this.coverage);
    return catalog !== undefined && isExactAt(intervalAt(catalog, instant), instant);
  }

  /** A restore of one table is planned as its class and the catalog's say. */
  private async comparePlan(table: string, instant: number, moment: number): Promise<void> {
    if (!this.isCatalogExact(instant)) return;
    const { repository } = this.world;
    const config = (await catalogAt(this.store, instant)).tables().find(({ id }) => id === table);
    const isKnown = moment - this.world.model.tables.get(table)!.createdMs > boundMs;
    if (!config) {
      const isThere = isKnown && moment < this.world.model.tables.get(table)!.droppedMs;
      if (isThere) this.violate(`${table} is exact at ${instant}, and the catalog lacks it`);
      return;
    }
    const name = `${config.db}.${config.name}`;
    const request = { at: instant, tables: [name], databases: [], renames: new Map() };
    const plan = await planRestore(
      { ...repository, store: this.store },
      { ...request, allowInexact: false, nearest: false },
    );
    const planned = plan.tables[0];
    if (planned?.class !== "exact" || planned.config.id !== table)
      this.violate(`${table} at ${instant}: the plan differs`);
  }

  /** Nobody damages anything in a simulation. */
  private checkDamage(): void {
    const { tables, catalog, access } = this.coverage;
    for (const coverage of [...tables.values(), catalog, access]) {
      const damaged = coverage?.intervals.find((i) => i.class === "damaged");
      if (damaged)
        this.violate(
          `${coverage!.table} is called damaged from ${damaged.from}: ${damaged.reason}`,
        );
    }
  }
}

function textOf(state: Map<string, string>): string {
  return JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}
