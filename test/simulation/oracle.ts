/**
 * Compares what the repository says with what was: every instant called exact must restore to the truth, and what
 * was once exact must stay what it was.
 */

import { ThinkbackError } from "../../src/errors.js";
import { catalogAt } from "../../src/repository/catalog.js";
import {
  type CoverageInterval,
  firstExactIn,
  intervalAt,
  isExactAt,
  lastExactIn,
  type TableCoverage,
} from "../../src/repository/coverage.js";
import { readCoverage } from "../../src/repository/coverage-reader.js";
import { lossesOf } from "../../src/repository/kept-pins.js";
import { byPlaceInLog, isDisowned, listClaims } from "../../src/repository/log.js";
import type { SegmentName } from "../../src/repository/names.js";
import { listPins } from "../../src/repository/pins.js";
import type { Repository } from "../../src/repository/repository.js";
import { planRestore } from "../../src/restore/plan.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { RememberedStore } from "../../src/storage/remembered-store.js";
import type { Random } from "../simulated/random.js";
import type { Declarations } from "./declarations.js";
import type { Delivery } from "./delivery.js";
import type { FaultWindow } from "./faults.js";
import type { LogTimes } from "./log-times.js";
import type { Model, ModelTable } from "./model.js";
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
  /** What may be let go; undefined if nothing ever is. */
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

/** The catalog is read when a hint comes or every 5 s; a hint comes within a second; the reading takes its time. */
const catalogSettlesMs = 6500;
const rememberedMax = 200;
/** Tables are looked at only. */
const noSystem = { catalog: undefined, access: undefined };
/** A frontier is as old as a tick, when a table is dropped. */
const beforeDropMs = 3000;

export class Oracle {
  readonly violations: string[] = [];
  /** How much was compared, so that a run that compared nothing does not pass for a clean one. */
  readonly compared = { instants: 0, documents: 0, catalogs: 0, again: 0, stale: 0, refused: 0 };
  /** Of what was compared again: what a pin keeps, what is left of a thinned history, and what was let go. */
  readonly aged = { pinned: 0, coarse: 0, letGo: 0 };
  private readonly remembered: Remembered[] = [];
  /** By the names of the pins: what was exact when it was first looked at. */
  private readonly pinned = new Map<string, Remembered[]>();

  /** The repository as it is at the moment of a check. */
  private store: ObjectStore;

  constructor(private readonly world: OracleWorld) {
    this.store = world.repository.store;
  }

  private look(): void {
    this.store = new RememberedStore(this.world.repository.store);
  }

  /** Compares random exact instants, and some of those compared before. */
  async check(instants: number): Promise<void> {
    this.look();
    const { random } = this.world;
    const coverage = await readCoverage(this.store);
    const segments = await this.segments();
    for (let i = 0; i < instants; i += 1) {
      const chosen = this.choose(coverage);
      if (chosen) await this.compareAt(chosen.table, chosen.instant, segments);
    }
    for (let i = 0; i < 3 && this.remembered.length > 0; i += 1) {
      await this.compareAgain(this.remembered[random.below(this.remembered.length)]!, coverage);
    }
    await this.checkPins(coverage, segments);
    this.checkDamage(coverage);
  }

  /** What is asked of a restore that takes its time: an instant that is exact now, and its state. */
  async ask(): Promise<Asked | undefined> {
    this.look();
    const { store } = this;
    const chosen = this.choose(await readCoverage(store));
    if (!chosen) return undefined;
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
  ): { table: string; instant: number } | undefined {
    const { random, declared } = this.world;
    const exact = [...coverage.values()].flatMap(({ table, intervals }) =>
      intervals.filter((one) => one.class === "exact").map((one) => ({ one, table })),
    );
    if (exact.length === 0) return undefined;
    const { one, table } = exact[random.below(exact.length)]!;
    const instant = declared ? chooseKept(one, random) : chooseInstant(one.from, one.to, random);
    return instant === undefined ? undefined : { table, instant };
  }

  /** Every table that was exact at a pinned instant stays so. */
  private async checkPins(
    coverage: Map<string, TableCoverage>,
    segments: SegmentName[],
  ): Promise<void> {
    const { declared } = this.world;
    for (const name of this.pinned.keys()) {
      if (!declared?.pins.has(name)) this.pinned.delete(name);
    }
    for (const pin of await listPins(this.store)) {
      if (declared?.pins.get(pin.name) !== pin.at) continue;
      for (const { table, is } of lossesOf(pin, { tables: coverage, ...noSystem })) {
        const isTaken = is === "thinned away" || is === "let go";
        if (isTaken && coverage.has(table)) this.violate(`pin ${pin.name}: ${table} is ${is}`);
      }
    }
    for (const [name, instant] of declared?.pins ?? []) {
      const before = this.pinned.get(name);
      if (before) {
        for (const one of before) await this.compareAgain(one, coverage);
        this.aged.pinned += before.length;
        continue;
      }
      const exact = [...coverage.values()].filter((of) =>
        isExactAt(intervalAt(of, instant), instant),
      );
      const found: Remembered[] = [];
      for (const { table } of exact) {
        const one = await this.compareAt(table, instant, segments);
        if (one) found.push(one);
      }
      this.pinned.set(name, found);
    }
  }

  /** All that ever was believed of the log, whether it is still stored or not. */
  private async segments(): Promise<SegmentName[]> {
    const claims = await listClaims(this.store);
    return this.world.segments.filter((one) => !isDisowned(one, claims)).sort(byPlaceInLog);
  }

  /** A reader whose listings are behind may be refused, or told of damage; but what it restores must be true. */
  async checkStale(instants: number): Promise<void> {
    this.look();
    const { random, putMs, nowMs } = this.world;
    const sinceMs = nowMs() - random.next() * 10_000;
    const store = staleView(this.store, putMs, sinceMs, random);
    const segments = await this.segments();
    try {
      const coverage = await readCoverage(store);
      for (let i = 0; i < instants; i += 1) {
        const chosen = this.choose(coverage);
        if (!chosen) continue;
        const { table, instant } = chosen;
        const state = await restoredState(store, table, instant);
        const moment = this.momentOf(instant, segments);
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
  async compareAt(
    table: string,
    instant: number,
    segments: SegmentName[],
  ): Promise<Remembered | undefined> {
    const { model } = this.world;
    const truth = model.tables.get(table);
    const where = `${table} at ${instant}`;
    const moment = this.momentOf(instant, segments);
    if (!truth || moment === undefined) {
      this.violate(`${where} is called exact, but ${truth ? "no writer wrote then" : "never was"}`);
      return undefined;
    }
    const state = await restoredState(this.store, table, instant);
    if (!state) {
      this.violate(`${where} is called exact, but there is no base for it`);
      return undefined;
    }
    this.compared.instants += 1;
    this.compareState(where, state, truth, moment);
    const seenMs = this.world.nowMs();
    const compared = { table, instant, moment, state: textOf(state), seenMs };
    this.remember(compared);
    await this.compareCatalog(table, instant, moment);
    return compared;
  }

  /** At the end: the newest state of each table is the source's own. */
  async compareEnd(coverage: Map<string, TableCoverage>, live: string[]): Promise<void> {
    this.look();
    const segments = await this.segments();
    for (const id of live) {
      const frontier = coverage.get(id)?.frontier;
      if (coverage.get(id)?.state !== "live" || frontier === undefined) {
        this.violate(`${id} is ${coverage.get(id)?.state ?? "unknown"} at the end, not live`);
      } else await this.compareAt(id, frontier, segments);
    }
  }

  /** No instant outside the fault windows, each with the time that it may take to see and to mend it, is missing. */
  async checkHoles(beforeMs: number, afterMs: number): Promise<void> {
    this.look();
    const { windows } = this.world;
    const segments = await this.segments();
    for (const { table, intervals } of (await readCoverage(this.store)).values()) {
      for (const { from, to, class: of, reason } of intervals) {
        if (of === "exact") continue;
        const began = this.momentOf(from - 1, segments);
        const ended = this.momentOf(to, segments);
        if (began === undefined || ended === undefined) continue;
        // That a table is gone is no hole.
        if (began >= this.world.model.tables.get(table)!.droppedMs - beforeDropMs) continue;
        if (this.isAheadOfAClock(to, ended)) continue;
        let covered = began;
        for (const window of windows) {
          if (window.fromMs - beforeMs <= covered)
            covered = Math.max(covered, window.toMs + afterMs);
        }
        if (covered < ended) {
          this.violate(
            `${table} is ${of} (${reason}) from ${at(began)} to ${at(ended)}, but nothing was wrong after ${at(covered)}`,
          );
        }
      }
    }
  }

  violate(what: string): void {
    this.violations.push(what);
  }

  /** The virtual moment at which the log's time passed `instant`. */
  private momentOf(instant: number, segments: SegmentName[]): number | undefined {
    const segment = segments.findLast(({ from }) => from <= instant);
    return segment && this.world.logTimes.momentOf(segment.epoch, instant);
  }

  /** A clock showed an earlier time after the instant had passed: then the instant may be called wrongly labelled. */
  private isAheadOfAClock(instant: number, moment: number): boolean {
    return this.world.walls.some((wall) => wall.leastSince(moment) <= instant);
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
  ): void {
    for (const key of new Set([...truth.keys.keys(), ...state.keys()])) {
      const restored = state.get(key) ?? null;
      const allowed = truth.allowedAt(key, moment, this.world.delivery);
      this.compared.documents += 1;
      if (allowed.includes(restored)) continue;
      const history = truth.keys.get(key)?.map(({ atMs, text }) => `${at(atMs)} ${text}`) ?? [];
      this.violate(
        `${where} (${at(moment)}) restores ${key} as ${restored}; it was ${allowed.join(" or ")}\n` +
          `    its history: ${history.slice(-8).join("; ")}`,
      );
      return;
    }
  }

  private async compareAgain(
    remembered: Remembered,
    coverage: Map<string, TableCoverage>,
  ): Promise<void> {
    const { table, instant, moment, state, seenMs } = remembered;
    this.compared.again += 1;
    const of = coverage.get(table);
    const now = of && intervalAt(of, instant);
    if (!isExactAt(now, instant)) {
      if (this.isAheadOfAClock(instant, moment)) return;
      if (this.world.declared?.keeps(instant, seenMs) === false) {
        this.aged.letGo += 1;
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

  /** Where the catalog had not changed for as long as it takes to be read, the plan must show it as it was. */
  private async compareCatalog(table: string, instant: number, moment: number): Promise<void> {
    const { model, repository, windows } = this.world;
    const truth = model.catalogAt(moment);
    const since = moment - catalogSettlesMs;
    const disturbed = windows.some(({ fromMs, toMs }) => fromMs <= moment && toMs + 4000 >= since);
    if (truth.atMs > since || disturbed) return;
    this.compared.catalogs += 1;
    const catalog = await catalogAt(this.store, instant);
    const tables = catalog.tables().map((config) => ({
      id: config.id,
      name: `${config.db}.${config.name}`,
      indexes: catalog.indexes(config.id),
    }));
    const found = tables.map(({ id, name }) => `${id} ${name}`).sort();
    const wanted = truth.tables.map(({ id, name }) => `${id} ${name}`).sort();
    if (found.join() !== wanted.join()) {
      this.violate(
        `the catalog at ${instant} (${at(moment)}) has ${found.join()}; it had ${wanted.join()}`,
      );
      return;
    }
    for (const { id, name, indexes } of truth.tables) {
      if (!indexes) continue;
      const shown = tables.find((t) => t.id === id)!.indexes;
      const right =
        shown.length === indexes.size &&
        shown.every(({ index, query }) => query.includes(`"${indexes.get(index)}"`));
      if (!right) {
        this.violate(
          `the indexes of ${name} at ${instant} are ${JSON.stringify(shown.map((i) => [i.index, i.query]))}; they were ${JSON.stringify([...indexes])}`,
        );
      }
    }
    const captured = truth.tables.find(({ id }) => id === table);
    if (!captured) return;
    const request = { at: instant, tables: [captured.name], databases: [], renames: new Map() };
    const plan = await planRestore(
      { ...repository, store: this.store },
      { ...request, allowInexact: false, nearest: false },
    );
    if (plan.tables[0]?.class !== "exact") this.violate(`${table} at ${instant}: the plan differs`);
  }

  /** Nobody damages anything in a simulation. */
  private checkDamage(coverage: Map<string, TableCoverage>): void {
    for (const { table, intervals } of coverage.values()) {
      const damaged = intervals.find((i) => i.class === "damaged");
      if (damaged)
        this.violate(`${table} is called damaged from ${damaged.from}: ${damaged.reason}`);
    }
  }
}

/** Edges of an interval are where mistakes are; half of the instants are chosen there. */
function chooseInstant(from: number, to: number, random: Random): number {
  const chance = random.next();
  if (chance < 0.2) return from;
  if (chance < 0.5) return to;
  return from + random.below(to - from + 1);
}

/** Half of the instants are such that a resolution keeps them; undefined if none is kept of the interval there. */
function chooseKept(interval: CoverageInterval, random: Random): number | undefined {
  const chosen = chooseInstant(interval.from, interval.to, random);
  const gridMs = [2000, 10_000, 30_000, 60_000, 86_400_000][random.below(10)] ?? 1;
  const near = chosen - ((chosen + 1) % gridMs);
  const instant = near >= interval.from ? near : chosen;
  return lastExactIn(interval, instant) ?? firstExactIn(interval, instant);
}

function textOf(state: Map<string, string>): string {
  return JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A virtual moment, in seconds. */
function at(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
