/** A second capture goes on where the first one ends, while a writer writes: no gap, and every exact instant is right. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { HeldFeed } from "../../src/capture/held-feed.js";
import { Recorder } from "../../src/capture/recorder.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import type { CoverageInterval } from "../../src/repository/coverage/coverage.js";
import { latestEpoch } from "../../src/repository/log/claims.js";
import { listEvidence } from "../../src/repository/records/evidence.js";
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { errorClasses, ReqlError } from "../../src/rethinkdb/response.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { WithoutStore } from "../../src/storage/without-store.js";
import { foldUp } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";
import { ProcessLife } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";
import type { WriterProcess } from "./writer-process.js";

/** How long after its acknowledgement a write is in every exact instant. */
const boundMs = 2000;

afterEach(() => {
  vi.restoreAllMocks();
});

/** A table whose one document counts up, and what it was when. */
class Counted {
  readonly writes: { at: Instant; count: number }[] = [];
  /** Id of the table. */
  readonly table: string;
  private count = 0;

  constructor(private readonly world: SmallWorld) {
    this.table = world.cluster.createTable("test", "orders");
  }

  /** Writes for so long, every 50 ms. Every second write puts back what the one before has changed. */
  async write(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      this.count += 1;
      const { count } = this;
      this.world.cluster.write("test", "orders", { put: { id: 1, count } });
      this.world.cluster.write("test", "orders", { put: { id: 2, flag: count % 2 === 0 } });
      this.writes.push({ at: this.world.wall.now(), count });
      await this.world.pass(50);
    }
  }

  /** The count that the document had at an instant. */
  at(instant: Instant): number {
    return this.writes.findLast(({ at }) => at <= instant)?.count ?? 0;
  }
}

interface First {
  standby?: boolean;
  wrapSource?: (world: SmallWorld) => (source: Source) => Source;
  /** The store as the first writer sees it. */
  store?: (store: ObjectStore, die: () => void) => ObjectStore;
}

/** A writer that captures. */
async function begun({
  standby = false,
  store = (one) => one,
  wrapSource = () => (source) => source,
}: First = {}): Promise<{
  world: SmallWorld;
  counted: Counted;
  first: WriterProcess;
}> {
  const world = new SmallWorld();
  await world.store.put(repositoryName, encodeJsonObject("repository", description));
  const counted = new Counted(world);
  const life = new ProcessLife(world.time);
  const first = world.startWriter({
    life,
    standby,
    isAlive: () => true,
    wrapSource: wrapSource(world),
    store: store(world.store, () => life.kill()),
  });
  await counted.write(5000);
  return { world, counted, first };
}

interface Watching {
  watch: (...of: Parameters<Recorder["watch"]>) => void;
}

/** The store of a writer that finds no wish. */
function withoutWishes(store: ObjectStore): ObjectStore {
  return new WithoutStore(store, { has: (name) => name.startsWith("handovers/") });
}

async function classes(world: SmallWorld, counted: Counted): Promise<string[]> {
  return (await intervals(world, counted)).map(({ class: is }) => is);
}

const description = { id: "small-world", created: 0 };

async function intervals(world: SmallWorld, counted: Counted): Promise<CoverageInterval[]> {
  const view = await RepositoryView.read(await openRepository(world.store));
  return (await view.coverage()).tables.get(counted.table)!.intervals;
}

/** Compares exact and late instants all over the table's history; returns how many. */
async function compare(world: SmallWorld, counted: Counted, stepMs = 1037): Promise<number> {
  let compared = 0;
  let before = 0;
  for (const { from, to, class: is, lateMs = 0 } of await intervals(world, counted)) {
    if (is !== "exact" && is !== "late") continue;
    for (let at = from; at <= to; at += stepMs) {
      const state = await restoredState(world.store, counted.table, at);
      const document = state?.get("1");
      const { count } = document ? (JSON.parse(document) as { count: number }) : { count: 0 };
      expect(count, `at ${at}`).toBeGreaterThanOrEqual(counted.at(at - boundMs - lateMs));
      expect(count, `at ${at}`).toBeLessThanOrEqual(counted.at(at));
      // It counts up, and never goes back.
      expect(count, `at ${at}`).toBeGreaterThanOrEqual(before);
      before = count;
      compared += 1;
    }
  }
  return compared;
}

/** The feeds that a source opens stand still for so long, from a third of a second after now on. */
const stalling = (world: SmallWorld, ms: number) => (source: Source) => {
  const fromMs = world.time.nowMs + 300;
  const isStill = () => world.time.nowMs > fromMs && world.time.nowMs < fromMs + ms;
  const pause = () =>
    new Promise<void>((resolve) => {
      world.time.timers.setTimeout(() => resolve(), 50);
    });
  return overriding(source, {
    openFeed: async (table) => {
      const feed = await source.openFeed(table);
      async function* batches() {
        for await (const batch of feed.batches) {
          yield batch;
          while (isStill()) await pause();
        }
      }
      return overriding(feed, { batches: batches() });
    },
  });
};

describe("a capture that goes on in the place of one that runs", () => {
  test("leaves no gap, in three hand-overs in a row", async () => {
    const { world, counted, first } = await begun();
    let running = first;
    for (let i = 0; i < 3; i += 1) {
      const next = world.startWriter({ takeOver: true, isAlive: () => true });
      await counted.write(15_000);
      expect(running).toMatchObject({ outcome: null, handedOver: true });
      running = next;
    }
    expect(running.running).toBe(true);
    expect(await classes(world, counted)).toEqual(["exact"]);
    expect(await compare(world, counted)).toBeGreaterThan(30);
    const { catalog } = await (
      await RepositoryView.read(await openRepository(world.store))
    ).coverage();
    expect(catalog!.intervals.map(({ class: is }) => is)).toEqual(["exact"]);
    // What was repeated breaks no chain, and a fold of it gives the same.
    const repository = await openRepository(world.store);
    await foldUp(repository, world.wall.now() - 2000);
    expect(await listEvidence(world.store)).toEqual([]);
    await compare(world, counted);
  });

  test("appends nothing before its feed has caught up with what the log has", async () => {
    const { world, counted, first } = await begun();
    const wrapSource = stalling(world, 5600);
    const next = world.startWriter({ takeOver: true, isAlive: () => true, wrapSource });
    await counted.write(25_000);
    expect([first.handedOver, next.running]).toEqual([true, true]);
    expect(await classes(world, counted)).toEqual(["exact", "late", "exact"]);
    expect(await compare(world, counted, 103)).toBeGreaterThan(100);
    await foldUp(await openRepository(world.store), world.wall.now() - 2000);
    expect(await listEvidence(world.store)).toEqual([]);
  });

  test("and appends before that, is found", async () => {
    const { world, counted } = await begun();
    const recorder = Recorder.prototype as unknown as Watching;
    const { watch } = recorder;
    vi.spyOn(recorder, "watch").mockImplementation(function (this: Watching, ...of) {
      const [table, feed, onLost, goesOn] = of;
      const caughtUp = () => true;
      watch.call(this, table, feed, onLost, goesOn && { ...goesOn, caughtUp });
      goesOn?.caughtUp();
    });
    world.startWriter({ takeOver: true, isAlive: () => true, wrapSource: stalling(world, 5600) });
    await counted.write(25_000);
    await expect(compare(world, counted, 103)).rejects.toThrow();
  });

  test("has no gap if the source takes long to say how much was written", async () => {
    const slow = (world: SmallWorld) => (source: Source) =>
      overriding(source, {
        survey: async (of) => {
          await new Promise<void>((resolve) => {
            world.time.timers.setTimeout(() => resolve(), 700);
          });
          return source.survey(of);
        },
      });
    const { world, counted, first } = await begun({ wrapSource: slow });
    let running = first;
    for (let i = 0; i < 4; i += 1) {
      const wrapSource = slow(world);
      const next = world.startWriter({ takeOver: true, isAlive: () => true, wrapSource });
      await counted.write(14_000 + 333 * i);
      expect(running.handedOver).toBe(true);
      running = next;
    }
    const gaps = (await classes(world, counted)).filter((is) => is !== "exact" && is !== "late");
    expect(gaps).toEqual([]);
    await compare(world, counted);
  });

  test("is told at once if the one that runs is stopped meanwhile", async () => {
    const { world, counted, first } = await begun();
    const next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(1000);
    first.stopInOrder();
    await counted.write(4000);
    expect(first).toMatchObject({ outcome: null, handedOver: true });
    expect(next.running).toBe(true);
    expect(await classes(world, counted)).toEqual(["exact"]);
    await compare(world, counted);
  });

  test("shuts out one that does not answer, and then there is a gap", async () => {
    const { world, counted, first } = await begun({ store: (store) => withoutWishes(store) });
    const next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(50_000);
    expect(first.outcome).toMatchObject({ code: "fenced" });
    expect(next.running).toBe(true);
    expect(await classes(world, counted)).toEqual(["exact", "gap", "exact"]);
    await compare(world, counted);
  });

  test.each(["answer", "log"])(
    "goes on after one that dies as it puts its last %s",
    async (what) => {
      let isAnswered = false;
      const { world, counted, first } = await begun({
        store: (store, die) =>
          overriding(store, {
            put: async (name, bytes) => {
              await store.put(name, bytes);
              if (name.endsWith(".answer.json")) isAnswered = true;
              if (!isAnswered || (what === "log" && !name.startsWith("log/"))) return;
              die();
              await new Promise(() => undefined);
            },
          }),
      });
      const next = world.startWriter({ takeOver: true, isAlive: () => true });
      await counted.write(60_000);
      expect(first.running).toBe(false);
      expect(first.outcome).toBeUndefined();
      expect(next.running).toBe(true);
      const covered = await classes(world, counted);
      expect([covered[0], covered.at(-1)]).toEqual(["exact", "exact"]);
      await compare(world, counted);
    },
  );

  test("leaves a gap and nothing worse if it dies once it was answered: the other one goes on", async () => {
    let next: WriterProcess | undefined;
    const { world, counted, first } = await begun({
      store: (store) =>
        overriding(store, {
          put: async (name, bytes) => {
            await store.put(name, bytes);
            if (name.endsWith(".answer.json")) next!.life.kill();
          },
        }),
    });
    next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(80_000);
    expect([first.running, next.running]).toEqual([true, false]);
    expect(await latestEpoch(world.store)).toBe(2);
    expect(await classes(world, counted)).toEqual(["exact", "gap", "exact"]);
    await compare(world, counted);
  });

  test("takes its wish back if it is stopped, and the other one goes on as if nothing had been", async () => {
    const { world, counted, first } = await begun();
    const next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(1000);
    next.stopInOrder();
    await counted.write(30_000);
    expect([first.running, next.running]).toEqual([true, false]);
    expect(await latestEpoch(world.store)).toBe(1);
    expect(await classes(world, counted)).toEqual(["exact"]);
  });

  test("goes on without a gap if the reply to the answer is lost", async () => {
    let isLost = false;
    const { world, counted, first } = await begun({
      store: (store) =>
        overriding(store, {
          put: async (name, bytes) => {
            await store.put(name, bytes);
            if (isLost || !name.endsWith(".answer.json")) return;
            isLost = true;
            throw new StoreUnavailable("the reply was lost");
          },
        }),
    });
    const next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(40_000);
    expect(isLost).toBe(true);
    expect([first.handedOver, next.running]).toEqual([true, true]);
    const gaps = (await classes(world, counted)).filter((is) => is !== "exact" && is !== "late");
    expect(gaps).toEqual([]);
    await compare(world, counted);
  });

  test("asks the one that has gone on meanwhile, if two want to", async () => {
    const { world, counted, first } = await begun();
    const others = [2, 3].map((seed) =>
      world.startWriter({ takeOver: true, isAlive: () => true, random: new Random(seed) }),
    );
    await counted.write(50_000);
    expect(first.handedOver).toBe(true);
    expect(others.filter(({ running }) => running)).toHaveLength(1);
    expect(others.filter(({ handedOver }) => handedOver)).toHaveLength(1);
    expect(await latestEpoch(world.store)).toBe(3);
    const gaps = (await classes(world, counted)).filter((is) => is !== "exact" && is !== "late");
    expect(gaps).toEqual([]);
    await compare(world, counted);
  });

  test("ends nobody if it could not go on itself: a table may not be read", async () => {
    const { world, counted, first } = await begun();
    const refusing = (source: Source) =>
      overriding(source, {
        openFeed: () =>
          Promise.reject(new ReqlError("no read permission", errorClasses.permission)),
      });
    const next = world.startWriter({ takeOver: true, isAlive: () => true, wrapSource: refusing });
    await counted.write(30_000);
    expect([first.running, next.running]).toEqual([true, false]);
    expect(await latestEpoch(world.store)).toBe(1);
    expect(await classes(world, counted)).toEqual(["exact"]);
  });

  test("and loses what its feeds have kept, is found", async () => {
    const { world, counted } = await begun();
    const held = HeldFeed.prototype as unknown as { keep: () => void };
    vi.spyOn(held, "keep").mockImplementation(() => undefined);
    world.startWriter({ takeOver: true, isAlive: () => true });
    for (let id = 10; id < 1000; id += 1) {
      world.cluster.write("test", "orders", { put: { id } });
      await world.pass(20);
    }
    // All of it is stored and proven.
    await world.pass(15_000);
    const view = await RepositoryView.read(await openRepository(world.store));
    const state = await restoredState(world.store, counted.table, view.log.to!);
    expect(state!.size).toBeLessThan(2 + 990);
  });
});

/** The store of a process whose repository is away now and then, and what it puts there meanwhile. */
function sometimesAway(world: SmallWorld, isAway: () => boolean) {
  const without = new WithoutStore(world.store, { has: isAway });
  const puts: string[] = [];
  const store = overriding(without, {
    put: (name, bytes) => {
      if (!isAway()) return without.put(name, bytes);
      puts.push(name);
      return Promise.reject(new Error("something is put where the repository is not"));
    },
  });
  return { puts, store };
}

test.each([false, true])(
  "a repository that goes away while its writer is waited for (--take-over: %s) is not begun anew",
  async (takeOver) => {
    const { world, counted, first } = await begun({ store: (store) => withoutWishes(store) });
    let isAway = false;
    const { puts, store } = sometimesAway(world, () => isAway);
    // Of a process on another machine nobody can tell whether it runs.
    const next = world.startWriter({ host: "beta", store, takeOver });
    await counted.write(takeOver ? 3000 : 500);
    isAway = true;
    await counted.write(90_000);
    expect(puts).toEqual([]);
    expect(next.outcome).toBeInstanceOf(Error);
    expect(first.running).toBe(true);
  },
);

describe("a capture that stands by", () => {
  test("waits while the repository is away, and puts nothing there", async () => {
    const { world, counted, first } = await begun();
    let isAway = false;
    const { puts, store: watched } = sometimesAway(world, () => isAway);
    const next = world.startWriter({ standby: true, isAlive: () => true, store: watched });
    await counted.write(10_000);
    isAway = true;
    await counted.write(60_000);
    expect(puts).toEqual([]);
    isAway = false;
    await counted.write(10_000);
    expect([first.running, next.running]).toEqual([true, true]);
    first.stopInOrder();
    await counted.write(12_000);
    expect(await latestEpoch(world.store)).toBe(2);
  });

  test("waits, and goes on when the one that runs has ended", async () => {
    const { world, counted, first } = await begun();
    const next = world.startWriter({ standby: true, isAlive: () => true });
    await counted.write(60_000);
    expect([first.running, next.running]).toEqual([true, true]);
    expect(await latestEpoch(world.store)).toBe(1);
    first.stopInOrder();
    await counted.write(10_000);
    expect(first.outcome).toBeNull();
    expect(await latestEpoch(world.store)).toBe(2);
    expect(await classes(world, counted)).toEqual(["exact", "gap", "exact"]);
    await compare(world, counted);
  });

  test("goes on some 30 s after the one that runs has died", async () => {
    const { world, counted, first } = await begun();
    world.startWriter({ standby: true, isAlive: () => true });
    await counted.write(10_000);
    first.life.kill();
    await counted.write(45_000);
    expect(await latestEpoch(world.store)).toBe(2);
    expect(await classes(world, counted)).toEqual(["exact", "gap", "exact"]);
    await compare(world, counted);
  });

  test("stands by again after another one has gone on, and takes its place when that one dies", async () => {
    const { world, counted, first } = await begun({ standby: true });
    const next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(20_000);
    expect(await latestEpoch(world.store)).toBe(2);
    expect([first.running, next.running]).toEqual([true, true]);
    next.life.kill();
    await counted.write(45_000);
    expect(await latestEpoch(world.store)).toBe(3);
    expect(first.running).toBe(true);
    await compare(world, counted);
  });

  test("does not step in between one that has ended and the one that it has ended for", async () => {
    const { world, counted, first } = await begun();
    world.startWriter({ standby: true, isAlive: () => true });
    await counted.write(3000);
    const next = world.startWriter({ takeOver: true, isAlive: () => true });
    await counted.write(20_000);
    expect([first.handedOver, next.running]).toEqual([true, true]);
    expect(await latestEpoch(world.store)).toBe(2);
    expect(await classes(world, counted)).toEqual(["exact"]);
  });
});
