import { beforeEach, expect, test } from "vitest";
import { LogClock } from "../../src/capture/log-clock.js";
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
let logClock: LogClock;
const stop = { controller: new AbortController() };

beforeEach(async () => {
  time = new VirtualTime();
  wall = new WallClock(time);
  store = new MemoryStore();
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
  logClock = new LogClock(clock);
  const log = LogWriter.open(repository, logClock, claim, shipper);
  recorder = new Recorder(log, clock, logClock, recorderDefaults, {
    readingStops: () => undefined,
    tickAdapted: () => undefined,
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

test("while a set clock is not judged, nothing is proven; then it goes on, by the log's time or by the clock's", async () => {
  recorder.watch(table, new FakeFeed(), () => undefined);
  await time.runUntil(10_500);
  wall.jump(86_400_000);
  const before = recorder.provenTo(table);
  await time.runUntil(20_500);
  expect(recorder.provenTo(table)).toBeLessThanOrEqual(before);
  await logClock.compare(() => Promise.resolve({ offsetMs: -86_400_000, uncertaintyMs: 2 }));
  await time.runUntil(40_500);
  expect(await storedFrontier()).toBeGreaterThan(time.trueMs - 12_000);
  expect(await storedFrontier()).toBeLessThanOrEqual(time.trueMs);
  const { footer } = (await lastSegment(store))!.index;
  expect(footer).toMatchObject({
    clockWaitedOutMs: 86_400_000,
    serverClock: { offsetMs: -86_400_000 },
  });
  await logClock.compare(() => Promise.resolve({ offsetMs: 0, uncertaintyMs: 2 }));
  await time.runUntil(60_500);
  expect(await storedFrontier()).toBeGreaterThan(wall.now() - 12_000);
});
