/** Several processes, tables in several lanes, and what the tables held at any moment. */
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { setLanes } from "../../src/repository/lanes.js";
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { impatient, RetryingStore } from "../../src/storage/retrying-store.js";
import { Cluster } from "../simulated/cluster.js";
import { Random } from "../simulated/random.js";
import { HostileStore, StoreWeather } from "../storage/hostile-store.js";
import { LaneProcess, type LaneProcessSetup } from "./lane-process.js";
import { SimulatedClock, WallClock } from "./process-life.js";
import { restoredIn } from "./restored-state.js";
import { VirtualTime } from "./virtual-time.js";

/** How long after its acknowledgement a write is in every exact instant. */
const boundMs = 2000;
/** A clock that was set may end up off by so much and count as right, see decision 19: labels are early by as much. */
const clockErrorMs = 1000;
const writeEveryMs = 100;
/** For so many counts a brief document is there. */
const briefCounts = 30;

export class LaneWorld {
  readonly time = new VirtualTime();
  /** The wall clock of each process's machine. */
  readonly walls = new Map<LaneProcess, WallClock>();
  readonly cluster = new Cluster({ timers: this.time.timers, otherServers: ["simulated_2"] });
  readonly store: ObjectStore = new MemoryStore();
  readonly weather = new StoreWeather();
  readonly random: Random;
  readonly processes: LaneProcess[] = [];
  readonly trace: string[] = [];
  /** What is wrong with an instant that was compared. */
  readonly violations: string[] = [];
  compared = 0;
  /** Ids of the tables, by name. */
  private readonly tables = new Map<string, string>();
  /** When the document of every table was set to which count: the same for all tables. */
  private readonly writes: { at: Instant; count: number }[] = [];

  constructor(seed: number, tables: number) {
    this.random = new Random(seed);
    for (let i = 0; i < tables; i += 1) {
      this.tables.set(`t${i}`, this.cluster.createTable("test", `t${i}`));
    }
    const bytes = encodeJsonObject("repository", { id: "lane-world", created: 0 });
    void this.store.put(repositoryName, bytes);
  }

  start(setup: Partial<LaneProcessSetup> = {}): LaneProcess {
    const number = this.processes.length + 1;
    const wall = new WallClock(this.time);
    this.note(`start process ${number}`);
    const process = new LaneProcess({
      number,
      time: this.time,
      wall,
      cluster: this.cluster,
      store: (life) => {
        const hostile = new HostileStore(this.store, life, this.weather, this.random);
        const clock = new SimulatedClock(life, wall);
        return new RetryingStore(hostile, clock, () => this.random.next(), impatient);
      },
      random: new Random(number),
      onTrace: (line) => this.note(line),
      ...setup,
    });
    this.processes.push(process);
    this.walls.set(process, wall);
    return process;
  }

  note(what: string): void {
    this.trace.push(`${(this.time.nowMs / 1000).toFixed(1)} ${what}`);
  }

  /** The true time. */
  get now(): Instant {
    return Math.floor(this.time.trueMs);
  }

  get running(): LaneProcess[] {
    return this.processes.filter(({ running }) => running);
  }

  async setLanes(lanes: number): Promise<void> {
    this.note(`${lanes} lanes`);
    await setLanes(await openRepository(this.store), lanes, this.now);
  }

  /**
   * Writes to all tables for so long: a document that counts up, one that is put and deleted again after a while, and
   * every now and then one that stays as it is.
   */
  async write(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += writeEveryMs) {
      const count = (this.writes.at(-1)?.count ?? 0) + 1;
      for (const table of this.tables.keys()) {
        const write = (of: Parameters<Cluster["write"]>[2]) =>
          this.cluster.write("test", table, of);
        write({ put: { id: 1, count } });
        write({ put: { id: `brief ${count}` } });
        if (count > briefCounts) write({ delete: `brief ${count - briefCounts}` });
        if (count % 10 === 0) write({ put: { id: `quiet ${count}` } });
      }
      this.writes.push({ at: this.now, count });
      await this.time.runUntil(this.time.nowMs + writeEveryMs);
    }
  }

  private countAt(instant: Instant): number {
    return this.writes.findLast(({ at }) => at <= instant)?.count ?? 0;
  }

  async view(): Promise<RepositoryView> {
    return RepositoryView.read(await openRepository(this.store));
  }

  /** The classes of each table's intervals, in order. */
  async classes(): Promise<Map<string, string[]>> {
    const { tables } = await (await this.view()).coverage();
    return new Map(
      [...this.tables].map(([name, id]) => [
        name,
        (tables.get(id)?.intervals ?? []).map((one) => one.class),
      ]),
    );
  }

  /** Compares exact and late instants all over the history of every table with what was written. */
  async compare(stepMs: number): Promise<void> {
    const view = await this.view();
    const { tables } = await view.coverage();
    for (const [name, id] of this.tables) {
      for (const { from, to, class: is, lateMs = 0 } of tables.get(id)?.intervals ?? []) {
        if (is !== "exact" && is !== "late") continue;
        for (let at = from; at <= to; at += stepMs)
          await this.compareAt(view, name, id, at, lateMs);
        await this.compareAt(view, name, id, to, lateMs);
      }
    }
  }

  private async compareAt(
    view: RepositoryView,
    name: string,
    id: string,
    at: Instant,
    lateMs: number,
  ): Promise<void> {
    const { lane, view: own } = await view.laneOf(id, at);
    const state = await restoredIn(own, id, at);
    const document = state?.get("1");
    const { count } = document ? (JSON.parse(document) as { count: number }) : { count: 0 };
    this.compared += 1;
    const earlyMs = [...this.walls.values()].some(({ wasSet }) => wasSet) ? clockErrorMs : 0;
    const [least, most] = [this.countAt(at - boundMs - lateMs), this.countAt(at + earlyMs)];
    const wrong: string[] = [];
    if (count < least || count > most) wrong.push(`has ${count}, not ${least} to ${most}`);
    for (let of = 1; of <= most + 1; of += 1) {
      const isThere = (kind: string) => state?.has(`"${kind} ${of}"`) === true;
      const [hasBrief, hasQuiet] = [isThere("brief"), isThere("quiet")];
      if (!hasBrief && of <= least && of > most - briefCounts) wrong.push(`lacks brief ${of}`);
      if (hasBrief && (of > most || of <= least - briefCounts)) wrong.push(`has brief ${of}`);
      if (!hasQuiet && of <= least && of % 10 === 0) wrong.push(`lacks quiet ${of}`);
      if (hasQuiet && of > most) wrong.push(`has quiet ${of}`);
    }
    if (wrong.length === 0) return;
    this.violations.push(`${name} at ${at} from lane ${lane} ${wrong.slice(0, 3).join(", ")}`);
  }

  /** By table: how far its coverage is behind now, in ms. */
  async behindMs(): Promise<Map<string, number>> {
    const { tables } = await (await this.view()).coverage();
    const now = this.now;
    return new Map(
      [...this.tables].map(([name, id]) => [name, now - (tables.get(id)?.frontier ?? 0)]),
    );
  }
}
