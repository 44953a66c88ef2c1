/** The whole system under one seed: workload, faults, writers, folds or maintenance; and the oracle that watches. */
import { messageOf } from "../../src/errors.js";
import type { FoldedTable } from "../../src/fold/fold.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { requestPauseMs } from "../../src/rethinkdb/feed.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { Role } from "../../src/sealing/key-set.js";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";
import { type Maintained, maintain } from "../../src/upkeep/maintain.js";
import { dayMs } from "../repository/declared.js";
import { fold, foldLog, readCoverage } from "../repository/looks.js";
import { Address } from "../simulated/address.js";
import { Cluster } from "../simulated/cluster.js";
import { Random } from "../simulated/random.js";
import { StoreWeather } from "../storage/hostile-store.js";
import { Declarations } from "./declarations.js";
import { Delivery } from "./delivery.js";
import { Faults } from "./faults.js";
import type { Gaps } from "./gaps.js";
import { LogTimes, listenToLogTimes } from "./log-times.js";
import { Maintainers } from "./maintainers.js";
import { Model } from "./model.js";
import { Oracle } from "./oracle.js";
import type { WallClock } from "./process-life.js";
import { Restores } from "./restores.js";
import { otherServers } from "./servers.js";
import { DatedStore } from "./stale-view.js";
import { hashOf, verifyRepository } from "./stored-objects.js";
import { VirtualTime } from "./virtual-time.js";
import { Workload } from "./workload.js";
import { Writers } from "./writers.js";

export interface SimulationOptions {
  seed: number;
  steps: number;
  /** Stands between capture and its source; canaries plant their bugs here. */
  wrapSource?: (source: Source) => Source;
  /** Stands before the store, for all who read or write it. */
  wrapStore?: (store: ObjectStore) => ObjectStore;
  /** Makes the repository a sealed one: gives the store as somebody with a key of that role sees it. */
  seal?: (store: ObjectStore, role: Role) => ObjectStore;
  /**
   * Days go by, and the repository is maintained: tiers are declared, instants pinned, history thinned and expired, and
   * what was replaced is deleted. By this, in place of which canaries put theirs.
   */
  maintain?: typeof maintain;
  /** Told what happens, as it happens. */
  onTrace?: (line: string) => void;
}

export interface SimulationReport {
  seed: number;
  violations: string[];
  /** The last things that happened. */
  trace: string[];
  /** Over all stored objects. */
  hash: string;
  virtualSeconds: number;
  compared: Oracle["compared"];
  /** How much time was of which class, over all that was watched. */
  measured: Gaps["measured"];
  ends: Record<string, number>;
  faults: number;
  /** Parts of bases that folds wrote, and those that they took over from the base before. */
  parts: { written: number; kept: number };
  /** Folded segments of the log that were written. */
  foldedSegments: number;
  /** What came of maintenance, where there is one. */
  maintained: {
    rounds: number;
    thinned: number;
    expiries: number;
    deleted: number;
    restores: Restores["ended"];
  } & Oracle["aged"];
}

/** A few documents to a part, by turns fewer and more: so that bases have parts of several bases before them. */
const partBytesTargets = [150, 400];
const feedDelayMsMax = 20;
const healedWithinMs = 120_000;

/** Nothing young is folded: a claim that was begun before may yet disown it. */
const logFolding = {
  settleMs: 60_000,
  partial: true,
  resolutionOf: () => 1,
  spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  pinned: [],
};

const hourMs = 3_600_000;
/** Between two nights so many steps. */
const stepsPerDay = 8;

export class Simulation {
  readonly time = new VirtualTime();
  readonly store: ObjectStore;
  private readonly random: Random;
  private readonly cluster: Cluster;
  private readonly model: Model;
  private readonly weather = new StoreWeather();
  private readonly faults: Faults;
  private readonly workload: Workload;
  private readonly writers: Writers;
  private readonly oracle: Oracle;
  private readonly maintainers: Maintainers;
  private readonly restores: Restores;
  private readonly maintained = { rounds: 0, thinned: 0, expiries: 0, deleted: 0 };
  private readonly lines: string[] = [];
  private folds = 0;
  private foldedSegments = 0;
  private measured: Gaps["measured"] = { exactMs: 0, lateMs: 0, otherMs: 0, unexplainedMs: 0 };
  private readonly parts = { written: 0, kept: 0 };
  /** The share of steps at which something goes wrong. */
  private roughness = 0.1;

  constructor(private readonly options: SimulationOptions) {
    const { seed } = options;
    const { time } = this;
    const dated = new DatedStore(() => time.nowMs);
    const stored = options.wrapStore?.(dated) ?? dated;
    const seal = options.seal ?? ((store) => store);
    this.store = seal(stored, "reader");
    this.random = new Random(seed);
    this.cluster = new Cluster({
      timers: time.timers,
      seed: seed + 1,
      feedDelayMsMax,
      otherServers,
    });
    const delivery = new Delivery(feedDelayMsMax + requestPauseMs + 1);
    const logTimes = new LogTimes(() => time.nowMs);
    listenToLogTimes(logTimes);
    this.model = new Model(this.cluster, () => time.nowMs);
    const trace = (what: string) => this.trace(what);
    const world = {
      time,
      cluster: this.cluster,
      address: new Address(this.cluster),
      stranger: strangerTo(seed, time),
      random: this.random,
      delivery,
      weather: this.weather,
      model: this.model,
      walls: [] as WallClock[],
      trace,
    };
    this.faults = new Faults(world);
    this.workload = new Workload(this.cluster, this.random, this.model, trace);
    const description = { id: `simulation-${seed}`, created: time.trueMs };
    const declared = new Declarations(
      () => time.nowMs,
      () => dated.segments.reduce((end, { to }) => Math.max(end, to), 0),
    );
    this.oracle = new Oracle({
      repository: { store: this.store, description },
      model: this.model,
      delivery,
      logTimes,
      windows: this.faults.windows,
      walls: world.walls,
      putMs: dated.putMs,
      segments: dated.segments,
      declared: options.maintain && declared,
      random: this.random,
      nowMs: () => time.nowMs,
    });
    const onWrong = (what: string) => this.oracle.violate(what);
    this.writers = new Writers({
      world,
      faults: this.faults,
      store: stored,
      seal,
      description,
      wrapSource: options.wrapSource ?? ((source) => source),
      slowCopies: options.maintain !== undefined,
      onWrong,
    });
    const process = () => this.writers.process();
    const sealedProcess = () => {
      const { life, store } = process();
      return { life, store: seal(store, "reader") };
    };
    this.maintainers = new Maintainers({
      world,
      process,
      seal,
      store: this.store,
      putMs: dated.putMs,
      description,
      declared,
      maintain: options.maintain ?? maintain,
      onMaintained: (maintained) => this.noteMaintained(maintained),
      onWrong,
    });
    this.restores = new Restores({
      world,
      process: sealedProcess,
      description,
      keeps: (instant, sinceMs) => declared.keeps(instant, sinceMs),
      onRestored: (asked, state) => this.oracle.compareRestored(asked, state),
      onWrong,
    });
    const bytes = encodeJsonObject("repository", description);
    void this.store.put(repositoryName, bytes);
  }

  async run(): Promise<SimulationReport> {
    this.workload.begin();
    if (this.options.maintain) this.maintainers.declare();
    for (let step = 0; step < this.options.steps && this.holds; step += 1) {
      this.writers.supervise();
      await this.act();
      await this.pass(this.random.next() * (this.random.next() < 0.1 ? 12_000 : 1500));
      if (step % 8 === 7) {
        await this.check(async () => {
          await this.oracle.check(4);
          await this.oracle.checkStale(2);
        });
      }
      if (this.options.maintain && step % stepsPerDay === stepsPerDay - 1) await this.night();
    }
    if (this.holds) await this.end();
    this.writers.killAll();
    this.maintainers.killAll();
    return this.report();
  }

  private get holds(): boolean {
    return this.oracle.violations.length === 0;
  }

  /** Calm and stormy times take turns: some mistakes need many faults together, others a long peace after one. */
  private async act(): Promise<void> {
    if (this.random.next() < 0.04) this.roughness = [0.02, 0.1, 0.3][this.random.below(3)]!;
    if (this.options.maintain && this.random.next() < 0.25) await this.keep();
    else if (this.random.next() < this.roughness) this.strike();
    else if (!this.options.maintain && this.random.next() < 0.04) this.fold();
    else this.workload.act();
  }

  /** Somebody maintains, pins or restores. */
  private async keep(): Promise<void> {
    const chance = this.random.next();
    if (chance < 0.4) {
      this.maintainers.begin();
      return;
    }
    await this.check(async () => {
      const asked = await this.oracle.ask();
      if (!asked) return;
      if (chance < 0.6) await this.maintainers.pin(asked.instant);
      else this.restores.begin(asked);
    });
  }

  /** Nobody captures for hours or days, and often until a day ends; maintenance goes on. */
  private async night(): Promise<void> {
    if (this.random.next() < 0.15) this.maintainers.declare();
    const { trueMs } = this.time;
    const days = this.random.next() < 0.8 ? 1 : 3;
    const morning = (Math.floor(trueMs / dayMs) + days) * dayMs;
    const toMorningMs = morning - trueMs - this.random.below(40_000);
    const forMs = this.random.next() < 0.7 ? Math.max(hourMs, toMorningMs) : hourMs * days;
    this.writers.rest(forMs);
    const end = this.time.nowMs + forMs;
    while (this.time.nowMs < end && this.holds) {
      this.maintainers.begin();
      await this.pass(20_000);
      await this.pass(Math.min(end - this.time.nowMs, this.random.next() * forMs));
    }
    await this.check(() => this.oracle.check(8));
    if (this.random.next() < 0.3) await this.check(() => verifyRepository(this.store));
  }

  private noteMaintained({ log, expiry, deleted }: Maintained): void {
    const { maintained } = this;
    maintained.rounds += 1;
    maintained.thinned += log.thinned;
    maintained.expiries += expiry?.expiry ? 1 : 0;
    maintained.deleted += deleted.length;
    this.foldedSegments += log.written;
    this.trace(`maintained: ${JSON.stringify(maintained)}`);
  }

  private strike(): void {
    if (this.random.next() < 0.6) this.workload.burst();
    const chance = this.random.next();
    if (chance < 0.62) this.faults.strike();
    else if (chance < 0.76) this.writers.kill();
    else if (chance < 0.84) this.writers.stop();
    else if (chance < 0.94) this.writers.freeze();
    else this.writers.takeOver();
  }

  /** Lets time pass; queries that are under way change the source while it does. */
  private async pass(ms: number): Promise<void> {
    const until = this.time.nowMs + ms;
    while (this.time.nowMs < until) {
      const querying = this.workload.isQuerying;
      await this.time.runUntil(until, () => querying);
      if (querying) this.model.observe();
    }
  }

  /** A fold in a process of its own, which may be killed; what it publishes must change no instant. */
  private fold(): void {
    const { life, store } = this.writers.process();
    const description = { id: `simulation-${this.options.seed}`, created: 0 };
    const until = this.writers.machines[0]!.wall.now() - this.random.below(60_000);
    const unique = `f${this.folds}`;
    const partBytesTarget = partBytesTargets[this.folds % partBytesTargets.length]!;
    this.folds += 1;
    this.trace(`fold until ${until}`);
    if (this.random.next() < 0.3) {
      this.time.after(this.random.next() * 3000, () => life.kill());
    }
    const options = { until, unique, partBytesTarget, onRows: () => undefined };
    const seal = this.options.seal ?? ((unsealed) => unsealed);
    const repository = { store: seal(store, "reader"), description };
    const foldAll = async () => {
      const { written } = await foldLog(repository, { ...logFolding, now: until, unique });
      this.foldedSegments += written;
      return fold(repository, options);
    };
    foldAll().then(
      (folded) => this.noteFolded(folded),
      (error: unknown) => {
        this.trace(`fold failed: ${messageOf(error)}`);
        if (failureOf(error) !== "unavailable")
          this.oracle.violate(`fold failed: ${(error as Error).stack}`);
      },
    );
  }

  private noteFolded(folded: FoldedTable[]): void {
    for (const { partsWritten, partsKept } of folded) {
      this.parts.written += partsWritten;
      this.parts.kept += partsKept;
    }
    this.trace(
      `fold ended; parts ${JSON.stringify(this.parts)}, ${this.foldedSegments} folded segments`,
    );
  }

  private async end(): Promise<void> {
    this.trace("everything is healed");
    this.faults.healAll();
    await this.waitForLive();
    // The catalog is read once more, and the last changes are delivered and closed into a tick.
    await this.quiet(8000);
    await this.check(async () => {
      await this.oracle.compareEnd(this.cluster.tables().map(({ id }) => id));
      this.measured = await this.oracle.checkGaps();
      await this.oracle.check(30);
      await verifyRepository(this.store);
    });
  }

  private async waitForLive(): Promise<void> {
    const until = this.time.nowMs + healedWithinMs;
    for (;;) {
      await this.quiet(2000);
      const coverage = await readCoverage(this.store);
      const late = this.cluster.tables().filter(({ id }) => coverage.get(id)?.state !== "live");
      if (late.length === 0 && this.writers.steady) return;
      if (this.time.nowMs < until) continue;
      const names = late.map(({ id, name }) => `${id} ${name}: ${coverage.get(id)?.state}`);
      this.oracle.violate(
        `not live ${healedWithinMs} ms after everything was healed: ${names.join()}`,
      );
      return;
    }
  }

  private async quiet(ms: number): Promise<void> {
    this.writers.supervise();
    await this.pass(ms);
  }

  /** What a check throws is found wrong too. */
  private async check(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.oracle.violate(`a check failed: ${(error as Error).stack ?? messageOf(error)}`);
    }
  }

  private async report(): Promise<SimulationReport> {
    return {
      seed: this.options.seed,
      violations: this.oracle.violations,
      trace: this.lines.slice(-60),
      hash: await hashOf(this.store),
      virtualSeconds: Math.round(this.time.nowMs / 1000),
      compared: this.oracle.compared,
      measured: this.measured,
      ends: Object.fromEntries(this.writers.ends),
      faults: this.faults.windows.length,
      parts: this.parts,
      foldedSegments: this.foldedSegments,
      maintained: {
        ...this.maintained,
        ...this.oracle.aged,
        restores: this.restores.ended,
      },
    };
  }

  private trace(what: string): void {
    const line = `${(this.time.nowMs / 1000).toFixed(3).padStart(10)}  ${what}`;
    this.lines.push(line);
    this.options.onTrace?.(line);
  }
}

/** A cluster of somebody else's, with a table that has a name of ours. */
function strangerTo(seed: number, { timers }: VirtualTime): Cluster {
  const stranger = new Cluster({ timers, seed: seed + 1_000_000 });
  stranger.createDatabase("shop");
  stranger.createTable("shop", "orders");
  stranger.write("shop", "orders", { put: { id: 1, f1: "a stranger's" } });
  return stranger;
}

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run();
}
