import { beforeEach, expect, test } from "vitest";
import { Recorder, recorderDefaults } from "../../src/capture/recorder.js";
import { claimEpoch } from "../../src/repository/claim.js";
import { lastSegment } from "../../src/repository/log.js";
import { LogWriter } from "../../src/repository/log-writer.js";
import type { Feed } from "../../src/rethinkdb/feed.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";

const table = "0a000000-0000-4000-8000-000000000001";

/** A feed that answers and is drained when it is told to. */
class FakeFeed implements Feed {
  answers = true;
  drains = true;
  readonly batches: Feed["batches"] = { [Symbol.asyncIterator]: () => ({ next: never }) };

  roundTrip(): Promise<void> {
    return this.answers ? Promise.resolve() : never();
  }

  drained(_: unknown, signal: AbortSignal): Promise<void> {
    if (this.drains) return Promise.resolve();
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): void {
    this.answers = false;
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

let time: VirtualTime;
let wall: WallClock;
let clock: SimulatedClock;
let store: MemoryStore;
let recorder: Recorder;
let setBack: number[];
const stop = { controller: new AbortController() };

beforeEach(async () => {
  time = new VirtualTime();
  wall = new WallClock(time);
  store = new MemoryStore();
  setBack = [];
  stop.controller = new AbortController();
  clock = new SimulatedClock(new ProcessLife(time), wall);
  const repository = { store, description: { id: "test", created: 0 } };
  const owner = { host: "test", process: 1, isAlive: () => false };
  const claim = await claimEpoch(repository, clock, owner, false);
  const shipper = {
    waitingBytes: 0,
    isShipping: false,
    ship: (name: string, bytes: Buffer) => store.put(name, bytes),
  };
  const log = LogWriter.open(repository, clock, claim, shipper);
  recorder = new Recorder(log, clock, recorderDefaults, {
    readingStops: () => undefined,
    tickAdapted: () => undefined,
    clockSetBack: (since) => setBack.push(since),
  });
  void recorder.run(stop.controller.signal);
});

/** The frontier of the table in the last segment. */
async function storedFrontier(): Promise<number> {
  const { footer } = (await lastSegment(store))!.index;
  return footer.lagging[table] ?? footer.frontier;
}

test("a feed that answers and is drained is proven, tick by tick", async () => {
  recorder.watch(table, new FakeFeed(), () => undefined);
  await time.runUntil(25_000);
  expect(await storedFrontier()).toBeGreaterThan(time.trueMs - 12_000);
});

test("a feed that answers but is not drained is not proven, and has not lost its heartbeat", async () => {
  const feed = new FakeFeed();
  let silent = 0;
  recorder.watch(table, feed, () => (silent += 1));
  await time.runUntil(5000);
  feed.drains = false;
  const before = recorder.provenTo(table);
  await time.runUntil(60_000);
  expect(recorder.provenTo(table) - before).toBeLessThan(recorderDefaults.tickMs + 1);
  expect(silent).toBe(0);
});

test("a feed that does not answer is not proven, and is given up after the heartbeat, once", async () => {
  const feed = new FakeFeed();
  let silent = 0;
  recorder.watch(table, feed, () => (silent += 1));
  await time.runUntil(5000);
  feed.answers = false;
  const before = recorder.provenTo(table);
  await time.runUntil(5000 + recorderDefaults.heartbeatMs - 1000);
  expect(silent).toBe(0);
  await time.runUntil(60_000);
  expect(silent).toBe(1);
  expect(recorder.provenTo(table) - before).toBeLessThan(recorderDefaults.tickMs + 1);
});

test("a clock that is set forward and back is told from where it left its course; one that only drifts is not", async () => {
  recorder.watch(table, new FakeFeed(), () => undefined);
  await time.runUntil(10_500);
  const course = wall.now();
  wall.jump(3_600_000);
  await time.runUntil(13_500);
  expect(setBack).toEqual([]);
  wall.jump(-3_600_000);
  await time.runUntil(16_500);
  expect(setBack).toHaveLength(1);
  expect(setBack[0]).toBeLessThanOrEqual(course);
  expect(setBack[0]).toBeGreaterThan(course - 2 * recorderDefaults.tickMs);
  wall.jump(-300);
  await time.runUntil(30_000);
  expect(setBack).toHaveLength(1);
});

test("a clock that is set forward is off the source's by as much at once, not only after the next measurement", async () => {
  recorder.watch(table, new FakeFeed(), () => undefined);
  recorder.noteServerClock({ offsetMs: 40, uncertaintyMs: 3 });
  await time.runUntil(12_500);
  // As a real one does, it counts parts of a millisecond.
  clock.monotonicMs = () => time.nowMs * 1.000_01;
  wall.jump(86_400_000);
  await time.runUntil(25_500);
  const { serverClock } = (await lastSegment(store))!.index.footer;
  expect(Number.isSafeInteger(serverClock!.offsetMs)).toBe(true);
  expect(serverClock!.offsetMs).toBeLessThan(-86_300_000);
  expect(serverClock!.offsetMs).toBeGreaterThan(-86_500_000);
});
