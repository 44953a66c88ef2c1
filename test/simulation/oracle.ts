/**
 * Compares what the repository says with what was: every instant called exact must restore to the truth, and what
 * was once exact must stay what it was.
 */

import { ThinkbackError } from "../../src/errors.js";
import { catalogAt } from "../../src/repository/catalog.js";
import { intervalAt, type TableCoverage } from "../../src/repository/coverage.js";
import { readCoverage } from "../../src/repository/coverage-reader.js";
import { listSegments } from "../../src/repository/log.js";
import type { SegmentName } from "../../src/repository/names.js";
import type { Repository } from "../../src/repository/repository.js";
import { planRestore } from "../../src/restore/plan.js";
import type { Random } from "../simulated/random.js";
import type { Delivery } from "./delivery.js";
import type { FaultWindow } from "./faults.js";
import type { LogTimes } from "./log-times.js";
import type { Model, ModelTable } from "./model.js";
import type { WallClock } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import { staleView } from "./stale-view.js";

export interface OracleWorld {
  repository: Repository;
  model: Model;
  delivery: Delivery;
  logTimes: LogTimes;
  windows: readonly FaultWindow[];
  walls: readonly WallClock[];
  /** When each stored object was put. */
  putMs: ReadonlyMap<string, number>;
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
/** A frontier is as old as a tick, when a table is dropped. */
const beforeDropMs = 3000;

export class Oracle {
  readonly violations: string[] = [];
  /** How much was compared, so that a run that compared nothing does not pass for a clean one. */
  readonly compared = { instants: 0, documents: 0, catalogs: 0, again: 0, stale: 0, refused: 0 };
  private readonly remembered: Remembered[] = [];

  constructor(private readonly world: OracleWorld) {}

  /** Compares random exact instants, and some of those compared before. */
  async check(instants: number): Promise<void> {
    const { repository, random } = this.world;
    const coverage = await readCoverage(repository.store);
    const segments = await listSegments(repository.store);
    const exact = [...coverage.values()].flatMap((table) =>
      table.intervals.filter((i) => i.class === "exact").map((i) => ({ ...i, table: table.table })),
    );
    for (let i = 0; i < instants && exact.length > 0; i += 1) {
      const { table, from, to } = exact[random.below(exact.length)]!;
      await this.compareAt(table, chooseInstant(from, to, random), segments);
    }
    for (let i = 0; i < 3 && this.remembered.length > 0; i += 1) {
      await this.compareAgain(this.remembered[random.below(this.remembered.length)]!, coverage);
    }
    this.checkDamage(coverage);
  }

  /** A reader whose listings are behind may be refused, or told of damage; but what it restores must be true. */
  async checkStale(instants: number): Promise<void> {
    const { repository, random, putMs, nowMs } = this.world;
    const sinceMs = nowMs() - random.next() * 10_000;
    const store = staleView(repository.store, putMs, sinceMs, random);
    const segments = await listSegments(repository.store);
    try {
      const exact = [...(await readCoverage(store)).values()].flatMap((table) =>
        table.intervals
          .filter((i) => i.class === "exact")
          .map((i) => ({ ...i, table: table.table })),
      );
      for (let i = 0; i < instants && exact.length > 0; i += 1) {
        const { table, from, to } = exact[random.below(exact.length)]!;
        const instant = chooseInstant(from, to, random);
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
  async compareAt(table: string, instant: number, segments: SegmentName[]): Promise<void> {
    const { model, repository } = this.world;
    const truth = model.tables.get(table);
    const where = `${table} at ${instant}`;
    const moment = this.momentOf(instant, segments);
    if (!truth || moment === undefined) {
      this.violate(`${where} is called exact, but ${truth ? "no writer wrote then" : "never was"}`);
      return;
    }
    const state = await restoredState(repository.store, table, instant);
    if (!state) {
      this.violate(`${where} is called exact, but there is no base for it`);
      return;
    }
    this.compared.instants += 1;
    this.compareState(where, state, truth, moment);
    this.remember({ table, instant, moment, state: textOf(state), seenMs: this.world.nowMs() });
    await this.compareCatalog(table, instant, moment);
  }

  /** At the end: the newest state of each table is the source's own. */
  async compareEnd(coverage: Map<string, TableCoverage>, live: string[]): Promise<void> {
    const segments = await listSegments(this.world.repository.store);
    for (const id of live) {
      const frontier = coverage.get(id)?.frontier;
      if (coverage.get(id)?.state !== "live" || frontier === undefined) {
        this.violate(`${id} is ${coverage.get(id)?.state ?? "unknown"} at the end, not live`);
      } else await this.compareAt(id, frontier, segments);
    }
  }

  /** No instant outside the fault windows, each with the time that it may take to see and to mend it, is missing. */
  async checkHoles(beforeMs: number, afterMs: number): Promise<void> {
    const { repository, windows } = this.world;
    const segments = await listSegments(repository.store);
    for (const { table, intervals } of (await readCoverage(repository.store)).values()) {
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
    { table, instant, moment, state, seenMs }: Remembered,
    coverage: Map<string, TableCoverage>,
  ): Promise<void> {
    this.compared.again += 1;
    const of = coverage.get(table);
    const now = of && intervalAt(of, instant);
    if (now?.class !== "exact") {
      if (this.isAheadOfAClock(instant, moment)) return;
      this.violate(
        `${table} at ${instant} was exact at ${at(seenMs)} and is ${JSON.stringify(now ?? "not known")} now`,
      );
      return;
    }
    const again = await restoredState(this.world.repository.store, table, instant);
    if (!again || textOf(again) !== state) {
      this.violate(
        `${table} at ${instant} restores to something else than before:\n    ${state}\n    ${again && textOf(again)}`,
      );
    }
  }

  /** Where the catalog had not changed for as long as it takes to be read, the plan must show it as it was. */
  private async compareCatalog(table: string, instant: number, moment: number): Promise<void> {
    const { model, repository, windows } = this.world;
    const truth = model.catalogAt(moment);
    const since = moment - catalogSettlesMs;
    const disturbed = windows.some(({ fromMs, toMs }) => fromMs <= moment && toMs + 4000 >= since);
    if (truth.atMs > since || disturbed) return;
    this.compared.catalogs += 1;
    const catalog = await catalogAt(repository.store, instant);
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
    const plan = await planRestore(repository, { ...request, allowInexact: false, nearest: false });
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

function textOf(state: Map<string, string>): string {
  return JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A virtual moment, in seconds. */
function at(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
