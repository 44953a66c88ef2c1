import { beforeEach, expect, test } from "vitest";
import { LogClock } from "../../src/capture/log-clock.js";
import { Recorder, type RecorderOptions, recorderDefaults } from "../../src/capture/recorder.js";
import { claimEpoch } from "../../src/repository/log/claim-epoch.js";
import {
  lastSegment,
  listSegments,
  openSegment,
  segmentVersions,
} from "../../src/repository/log/log.js";
import { LogWriter } from "../../src/repository/log/log-writer.js";
import type { Feed } from "../../src/rethinkdb/feed.js";
import type { Survey } from "../../src/rethinkdb/source.js";
import { TableReplaced } from "../../src/rethinkdb/table-reference.js";
import type { TableWrites } from "../../src/rethinkdb/table-writes.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";

const table = "0a000000-0000-4000-8000-000000000001";

/** A server with one table, and the feed over it. */
class FakeServer implements Feed {
  answers = true;
  /** Writes that were counted, and those of them that the feed has delivered. */
  written = 0;
  delivered = 0;
  /** False while the source does not say what was written. */
  isCounting = true;
  /** True if a fence passes; a feed that is behind holds it up. */
  fencesPass = true;
  surveyed = 0;
  /** False while no majority answers for the table. */
  isConfirmed = true;
  isServedElsewhere = false;
  hasLeft = false;
  readonly isWaiting = true;
  readonly openedMs = 0;
  readonly writesBefore = undefined;
  readonly batches: Feed["batches"] = { [Symbol.asyncIterator]: () => ({ next: never }) };
  readonly fences = {
    pass: async (provenMs: number) => (this.fencesPass ? provenMs : undefined),
    note: () => undefined,
  };

  roundTrip(): Promise<void> {
    return this.answers ? Promise.resolve() : never();
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  async survey(): Promise<Survey> {
    this.surveyed += 1;
    const writes: TableWrites = { byServer: new Map([["s", this.written]]), total: undefined };
    const answer = Promise.resolve(this.isConfirmed ? writes : undefined);
    return this.answers && this.isCounting ? new Map([[table, answer]]) : never();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): void {
    this.answers = false;
  }

  leaveServer(): void {
    this.hasLeft = true;
  }

  servedElsewhere(): Promise<boolean> {
    return Promise.resolve(this.isServedElsewhere);
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
let server: FakeServer;
let lost: Error[];
let logClock: LogClock;
const stop = { controller: new AbortController() };

beforeEach(async () => {
  time = new VirtualTime();
  wall = new WallClock(time);
  store = new MemoryStore();
  server = new FakeServer();
  lost = [];
  clock = new SimulatedClock(new ProcessLife(time), wall);
  await begin(recorderDefaults);
});

async function begin(options: RecorderOptions): Promise<void> {
  stop.controller = new AbortController();
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
  recorder = new Recorder(log, server, clock, logClock, options, {
    tickStored: () => undefined,
    readingStops: () => undefined,
    tickAdapted: () => undefined,
    surveyFails: () => undefined,
  });
  void recorder.run(stop.controller.signal);
}

/** The frontier of the table in the last segment. */
async function storedFrontier(): Promise<number> {
  const { footer } = (await lastSegment(store))!.index;
  return footer.lagging[table] ?? footer.frontier;
}

function watch(): void {
  const reference = { id: table, db: "d", name: "t", primaryKey: "id" };
  recorder.watch(
    () => reference,
    server,
    (reason) => lost.push(reason),
  );
}

/** The late spans that the log has noted of the table. */
async function lateSpans(): Promise<{ since: number; to: number; lateMs: number }[]> {
  const spans: { since: number; to: number; lateMs: number }[] = [];
  for (const { name } of await listSegments(store)) {
    for await (const { document } of segmentVersions(await openSegment(store, name), "coverage")) {
      spans.push(JSON.parse(document!.toString()) as (typeof spans)[number]);
    }
  }
  return spans;
}

test("a feed that has delivered everything is proven, tick by tick, and nothing is late", async () => {
  watch();
  await time.runUntil(25_000);
  expect(await storedFrontier()).toBeGreaterThan(time.trueMs - 12_000);
  expect(await lateSpans()).toEqual([]);
});

test("a feed that is behind is not proven though it answers; when it has caught up, what lay between is late", async () => {
  watch();
  await time.runUntil(5000);
  server.fencesPass = false;
  server.written = 100;
  await time.runUntil(6000);
  const before = recorder.frontier.provenTo(table);
  // Deliveries go on in small portions, and the server answers at once.
  for (let at = 6000; at < 60_000; at += 500) {
    server.delivered += 1;
    await time.runUntil(at);
  }
  expect(recorder.frontier.provenTo(table)).toBe(before);
  expect(lost).toEqual([]);
  server.fencesPass = true;
  await time.runUntil(75_000);
  expect(recorder.frontier.provenTo(table)).toBeGreaterThan(time.trueMs - 2500);
  const spans = await lateSpans();
  expect(spans).toHaveLength(1);
  expect(spans[0]!.since).toBe(before + 1);
  expect(spans[0]!.lateMs).toBeGreaterThan(53_000);
  expect(spans[0]!.to - spans[0]!.since).toBeGreaterThan(53_000);
});

test("a proof that takes longer than the heartbeat costs no feed, as long as changes come", async () => {
  watch();
  await time.runUntil(5000);
  let catchUp: () => void = () => undefined;
  const caughtUp = new Promise<void>((resolve) => {
    catchUp = resolve;
  });
  server.written = 60_000;
  server.fences.pass = (provenMs) => caughtUp.then(() => provenMs);
  for (let at = 5000; at < 5000 + 3 * recorderDefaults.heartbeatMs; at += 500) {
    server.delivered += 100;
    await time.runUntil(at);
  }
  expect(lost).toEqual([]);
  catchUp();
  await time.runUntil(60_000);
  expect(lost).toEqual([]);
  expect(recorder.frontier.provenTo(table)).toBeGreaterThan(time.trueMs - 2500);
});

test("a feed that stands still while it is behind is given up after the heartbeat", async () => {
  watch();
  await time.runUntil(5000);
  server.written = 60_000;
  server.fences.pass = () => never();
  await time.runUntil(10_000);
  server.delivered += 100;
  await time.runUntil(9000 + recorderDefaults.heartbeatMs);
  expect(lost).toEqual([]);
  await time.runUntil(14_000 + recorderDefaults.heartbeatMs);
  expect(lost.map(({ message }) => message)).toEqual([
    "heartbeat missed: the feed stood still, and its proof did not end",
  ]);
});

test("without a fence, rest proves: nothing counted and nothing delivered for a second", async () => {
  watch();
  server.fencesPass = false;
  await time.runUntil(4000);
  expect(recorder.frontier.provenTo(table)).toBeGreaterThan(time.trueMs - 2500);
});

test("proofs go on every second however long ticks are", async () => {
  stop.controller.abort();
  await time.runUntil(2000);
  await begin({ ...recorderDefaults, tickMs: 15_000, tickMaxMs: 15_000 });
  watch();
  const { surveyed } = server;
  await time.runUntil(62_000);
  expect(server.surveyed - surveyed).toBeGreaterThan(55);
  expect(await lateSpans()).toEqual([]);
});

test("a process that stood still finds out, and says how late everything was", async () => {
  watch();
  await time.runUntil(5000);
  const before = recorder.frontier.provenTo(table);
  clock.monotonicMs = () => time.nowMs + 50_000;
  wall.jump(50_000);
  await time.runUntil(20_000);
  const spans = await lateSpans();
  expect(spans).toHaveLength(1);
  expect(spans[0]!.lateMs).toBeGreaterThanOrEqual(50_000);
  expect(spans[0]!.since).toBe(before + 1);
  expect(lost).toEqual([]);
});

test("a feed that does not answer is not proven, and is given up after the heartbeat, once", async () => {
  watch();
  await time.runUntil(5000);
  server.answers = false;
  const before = recorder.frontier.provenTo(table);
  await time.runUntil(5000 + recorderDefaults.heartbeatMs - 1000);
  expect(lost).toEqual([]);
  await time.runUntil(60_000);
  expect(lost).toHaveLength(1);
  expect(recorder.frontier.provenTo(table) - before).toBeLessThan(recorderDefaults.tickMs + 1);
});

test("a source that does not say for long what was written costs no quiet feed", async () => {
  watch();
  await time.runUntil(5000);
  server.isCounting = false;
  await time.runUntil(5000 + 3 * recorderDefaults.heartbeatMs);
  expect(lost).toEqual([]);
  server.answers = false;
  await time.runUntil(7000 + 5 * recorderDefaults.heartbeatMs);
  expect(lost.map(({ message }) => message)).toEqual([
    "heartbeat missed: the server did not answer on the feed's connection",
  ]);
});

test("nor does one that says so for a proof, and not again for its recount", async () => {
  watch();
  await time.runUntil(5000);
  server.fences.pass = async () => {
    server.isCounting = false;
    return undefined;
  };
  server.written = 100;
  await time.runUntil(5000 + 3 * recorderDefaults.heartbeatMs);
  expect(server.isCounting).toBe(false);
  expect(lost).toEqual([]);
});

test("a table that has been replaced under its name is not proven for now, and its feed lives on", async () => {
  watch();
  await time.runUntil(5000);
  const { pass } = server.fences;
  server.fences.pass = () =>
    Promise.reject(new TableReplaced({ id: table, db: "d", name: "t", primaryKey: "id" }));
  server.written = 100;
  await time.runUntil(8000);
  const before = recorder.frontier.provenTo(table);
  expect(before).toBeLessThan(time.trueMs - 2500);
  server.fences.pass = pass;
  await time.runUntil(11_000);
  expect(lost).toEqual([]);
  expect(recorder.frontier.provenTo(table)).toBeGreaterThan(time.trueMs - 2500);
});

test("a clock that nobody judges for long costs no feed", async () => {
  watch();
  await time.runUntil(10_500);
  wall.jump(86_400_000);
  await time.runUntil(10_500 + 3 * recorderDefaults.heartbeatMs);
  expect(recorder.frontier.mark()).toBeUndefined();
  expect(lost).toEqual([]);
});

test("while a set clock is not judged, nothing is proven; then it goes on, by the log's time or by the clock's", async () => {
  watch();
  await time.runUntil(10_500);
  wall.jump(86_400_000);
  const before = recorder.frontier.provenTo(table);
  await time.runUntil(20_500);
  expect(recorder.frontier.provenTo(table)).toBeLessThanOrEqual(before);
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

test("a feed from a server that is cut off is given up if another server serves its table", async () => {
  watch();
  await time.runUntil(5000);
  server.isConfirmed = false;
  server.isServedElsewhere = true;
  await time.runUntil(5000 + recorderDefaults.heartbeatMs);
  expect(server.hasLeft).toBe(true);
  expect(lost.map(({ message }) => message)).toEqual([
    "heartbeat missed: its server is cut off, and another one serves the table",
  ]);
});

test("a feed whose table no server serves stays, and is proven when a majority answers again", async () => {
  watch();
  await time.runUntil(5000);
  server.isConfirmed = false;
  await time.runUntil(10_000);
  const before = recorder.frontier.provenTo(table);
  await time.runUntil(60_000);
  expect(lost).toEqual([]);
  expect(recorder.frontier.provenTo(table)).toBe(before);
  server.isConfirmed = true;
  await time.runUntil(63_000);
  expect(recorder.frontier.provenTo(table)).toBeGreaterThan(before + 50_000);
  expect(server.hasLeft).toBe(false);
});
