/** Weeks of history in virtual time: writers with gaps between them, and a model of what they captured. */
import type { Clock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import { addPin, removePin } from "../../src/repository/registers/pins.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { type Maintained, type MaintenanceOptions, maintain } from "../../src/upkeep/maintain.js";
import type { Random } from "../simulated/random.js";
import { dayMs, dayOf, type Tick } from "./declared.js";
import { History, json, makeRepository, Recording, StillClock } from "./recording.js";

export const tables = [
  "0a000000-0000-4000-8000-000000000001",
  "0b000000-0000-4000-8000-000000000002",
  "0c000000-0000-4000-8000-000000000003",
];

/** A StillClock for who waits too: nothing comes of the waiting until it is given up. */
export function patient(clock: StillClock): Clock {
  return {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (_, signal) =>
      new Promise((__, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      }),
  };
}

export class Month {
  readonly clock = new StillClock();
  readonly history = new History();
  readonly ticks: Tick[] = [];
  /** Of each table, the closed intervals in which it was watched. */
  readonly watched = new Map<string, Tick[]>(tables.map((table) => [table, []]));
  /** By name. */
  readonly pins = new Map<string, Instant>();
  /** Instants that were restorable when they were pinned, of all pins that there ever were. */
  readonly everPinned = new Set<Instant>();
  /** When the last maintenance was. */
  maintained: Instant = 0;
  /** What the writer has measured of the source's clock, less its own; null before it has. */
  sourceOffsetMs: number | null = null;
  private recording!: Recording;
  /** Tables that the writer watches. */
  private readonly live = new Set<string>();
  /** Up to where the writer has proof. */
  private frontier: Instant = 0;
  private maintenances = 0;
  private pinsMade = 0;

  private constructor(
    readonly repository: Repository,
    private readonly random: Random,
  ) {}

  static async begin(random: Random, keep: string): Promise<Month> {
    const month = new Month(await makeRepository(), random);
    await declareKeep(month.repository.store, keep, month.clock.instant);
    await month.startWriter();
    return month;
  }

  get store() {
    return this.repository.store;
  }

  /** A writer begins: it copies its tables if it is the first one, and resyncs them otherwise. */
  async startWriter(): Promise<void> {
    const { clock, history, repository } = this;
    const isFirst = this.ticks.length === 0;
    this.recording = await Recording.begin(repository, clock, history);
    this.recording.catalogRead();
    this.live.clear();
    if (isFirst) this.recording.catalog(["db", "d0"], { id: "d0", name: "shop" });
    for (const table of tables) {
      if (isFirst) await this.copy(table);
      else await this.resync(table);
    }
    await this.tick(10);
  }

  /** The writer is gone; nobody captures for a while. */
  stopWriter(forMs: number): void {
    this.clock.instant += forMs;
  }

  private async copy(table: string): Promise<void> {
    const since = this.clock.instant;
    this.recording.coverage(table, { state: "copying", since });
    const writer = await this.recording.copy(table, [[1, { id: 1, v: 0 }]]);
    this.write(table, 3);
    const live = await this.tick(10);
    await writer.finish(live, since - 1);
    this.goLive(table, live);
  }

  private async resync(table: string): Promise<void> {
    this.recording.coverage(table, { state: "resyncing", since: this.clock.instant });
    this.write(table, 3);
    this.goLive(table, await this.tick(10));
  }

  private goLive(table: string, since: Instant): void {
    this.recording.coverage(table, { state: "live", since });
    this.watched.get(table)!.push({ from: since, to: since });
    this.live.add(table);
  }

  /** A table is lost for a moment, and resynced. */
  private async interrupt(table: string): Promise<void> {
    this.recording.coverage(table, { state: "gap", since: this.frontier, reason: "lost" });
    this.live.delete(table);
    if (this.random.below(2) === 0) await this.tick(this.lengthMs());
    await this.resync(table);
  }

  /** The writer works until the clock shows `until`, and some ms on. */
  async workUntil(until: Instant): Promise<void> {
    const { clock, random } = this;
    while (clock.instant < until) {
      const quiet = random.below(6);
      if (quiet > 0) this.write(tables[quiet % tables.length]!, random.below(5));
      if (random.below(30) === 0) {
        const id = `d${random.below(4)}`;
        this.recording.catalog(["db", id], { id, name: `name at ${clock.instant}` });
      }
      if (random.below(100) === 0) await this.interrupt(tables[random.below(tables.length)]!);
      const left = until - clock.instant;
      // Now and then a tick ends where a day does, to the millisecond.
      const toMidnight = dayOf(clock.instant) + dayMs - 1 - clock.instant;
      const lagMs = random.below(4) === 0 ? random.below(5000) : 0;
      if (toMidnight > 0 && toMidnight < 3_600_000 && random.below(2) === 0) {
        await this.tick(toMidnight, lagMs);
      } else await this.tick(Math.min(Math.max(0, left) + 1, this.lengthMs()), lagMs);
    }
    await this.tick(1);
  }

  /** Bursts of ticks of a second, and hours in which little happens. */
  private lengthMs(): number {
    const { random } = this;
    return [1000, 1000, 1000, 60_000, 600_000, 5_400_000][random.below(6)]! + random.below(999);
  }

  private write(table: string, count: number): void {
    const { recording, history, random } = this;
    for (let i = 0; i < count; i += 1) {
      const key = random.below(12);
      const isThere = typeof history.last(table, json(key)) === "string";
      const gone = isThere && random.below(4) === 0;
      recording.put(table, key, gone ? null : { id: key, v: this.clock.instant });
    }
  }

  /** @param lagMs how far proof stays behind the tick's end */
  private async tick(ms: number, lagMs = 0): Promise<Instant> {
    const last = this.ticks.at(-1)?.to;
    const from = this.recording.log.closedTo + 1;
    this.frontier = Math.max(this.frontier, this.clock.instant + ms - lagMs);
    const offsetMs = this.sourceOffsetMs;
    const serverClock = offsetMs === null ? null : { offsetMs, uncertaintyMs: 5 };
    const to = await this.recording.tick(ms, { frontier: this.frontier, serverClock });
    this.ticks.push({ from: last === undefined ? from : Math.max(from, last + 1), to });
    for (const table of this.live) {
      const stretch = this.watched.get(table)!.at(-1)!;
      stretch.to = Math.max(stretch.to, this.frontier);
    }
    return to;
  }

  async maintain(options: Partial<MaintenanceOptions> = {}): Promise<Maintained> {
    this.maintenances += 1;
    this.maintained = this.clock.instant;
    return maintain(
      this.repository,
      {
        clock: patient(this.clock),
        owner: { host: "test", process: 2, isAlive: () => false },
        unique: `m${this.maintenances}`,
        partial: this.random.below(2) === 0,
        settleMs: 60_000,
        expires: true,
        graceMs: 900_000,
        ...options,
      },
      { onRows: () => undefined, phase: () => undefined },
    );
  }

  /** @param isExact false if it could not be restored any more */
  async pin(at: Instant, isExact: boolean): Promise<void> {
    if (isExact) this.everPinned.add(at);
    this.pinsMade += 1;
    const name = `p${this.pinsMade}`;
    await addPin(this.store, { name, at, made: this.clock.instant });
    this.pins.set(name, at);
  }

  async unpin(name: string): Promise<void> {
    await removePin(this.store, name, this.clock.instant);
    this.pins.delete(name);
  }
}
