/** The chain of fences on a server whose feeds lag: what it waits for, and what it must not be believed for. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Feed } from "../../src/rethinkdb/feed.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { Cluster } from "../simulated/cluster.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
import { VirtualTime } from "./virtual-time.js";
import { dial } from "./writer-process.js";

let time: VirtualTime;
let cluster: Cluster;
let clock: SimulatedClock;
let source: RethinkSource;
let table: string;

beforeEach(() => {
  time = new VirtualTime();
  cluster = new Cluster({ timers: time.timers, seed: 3 });
  const life = new ProcessLife(time);
  clock = new SimulatedClock(life, new WallClock(time));
  source = new RethinkSource("simulated", () => dial(cluster, life), clock);
  table = cluster.createTable("test", "orders");
});

function fill(documents: number, v: number): void {
  for (let id = 0; id < documents; id += 1) {
    cluster.write("test", "orders", { put: { id, v } });
  }
}

/** Time passes until the work is done. */
async function during<T>(work: Promise<T>, forMs = 60_000): Promise<T | "not done"> {
  let result: { value: T } | undefined;
  void work.then((value) => (result = { value }));
  const until = time.nowMs + forMs;
  while (!result && time.nowMs < until) await time.runUntil(time.nowMs + 50);
  return result ? result.value : "not done";
}

/** Opens a feed and reads it. */
async function open(): Promise<Feed> {
  await during(source.readCatalog());
  const reference = { id: table, db: "test", name: "orders", primaryKey: "id" };
  const feed = await during(source.openFeed(() => reference));
  if (feed === "not done") throw new Error("the feed was not opened");
  void (async () => {
    for await (const batch of feed.batches) batch.forEach(() => undefined);
  })();
  return feed;
}

test.each([3, 20, 400])(
  "of %i documents, it waits until the last change has come",
  async (documents) => {
    fill(documents, 0);
    await time.runUntil(1000);
    const feed = await open();
    cluster.lagFeeds(table, 200);
    const writes = 4 * documents;
    for (let v = 1; v <= 4; v += 1) fill(documents, v);
    expect(feed.delivered).toBeLessThan(writes);
    const passed = await during(feed.fences.pass(feed.openedMs));
    expect(passed).toBeGreaterThanOrEqual(feed.openedMs);
    // What the server has handed to the feed may still be on its way to us.
    await during(feed.drained(clock, new AbortController().signal));
    expect(feed.delivered).toBe(writes);
  },
);

test("a fence that was opened when the feed was behind already counts for nothing", async () => {
  fill(100, 0);
  await time.runUntil(1000);
  const feed = await open();
  cluster.lagFeeds(table, 10);
  fill(100, 1);
  // The fences of another feed are opened now.
  const later = await open();
  expect(feed.delivered).toBeLessThan(100);
  // They may not be believed for what is only proven up to a moment before it.
  expect(await during(later.fences.pass(feed.openedMs), 2000)).toBeUndefined();
});

test("one that waits is replaced when everything before its successor is proven, and the chain goes on", async () => {
  const feed = await open();
  // The table is empty, so there is nothing to lay a fence over.
  expect(await during(feed.fences.pass(feed.openedMs))).toBeUndefined();
  fill(50, 0);
  await time.runUntil(time.nowMs + 500);
  expect(await during(feed.fences.pass(feed.openedMs))).toBeUndefined();
  const provenMs = clock.monotonicMs();
  cluster.lagFeeds(table, 50);
  fill(50, 1);
  const passed = await during(feed.fences.pass(provenMs));
  expect(passed).toBeGreaterThanOrEqual(provenMs);
  await during(feed.drained(clock, new AbortController().signal));
  expect(feed.delivered).toBe(100);
});

test("a small table that became large is not read through by a fence", async () => {
  fill(5, 0);
  await time.runUntil(1000);
  const feed = await open();
  fill(4000, 1);
  await time.runUntil(time.nowMs + 2000);
  expect(await during(feed.fences.pass(feed.openedMs))).toBeUndefined();
  const provenMs = clock.monotonicMs();
  fill(4000, 2);
  expect(await during(feed.fences.pass(provenMs))).toBeGreaterThanOrEqual(provenMs);
});

test("a feed that is closed while it waits for its fence leaves none at the server", async () => {
  fill(20, 0);
  await time.runUntil(1000);
  const feed = await open();
  cluster.lagFeeds(table, 10);
  fill(20, 1);
  const passing = feed.fences.pass(feed.openedMs).catch((error: Error) => error);
  expect(await during(passing, 500)).toBe("not done");
  await during(feed.close());
  expect(await during(passing)).toBeInstanceOf(Error);
  await time.runUntil(time.nowMs + 1000);
  expect(cluster.openFeeds(table)).toBe(0);
});

describe("a fence that is held because the table is proven by other means", () => {
  /** A fence over documents of all hash shards, so that not every change replaces it. */
  async function hold(): Promise<Feed> {
    fill(60, 0);
    await time.runUntil(1000);
    return open();
  }

  async function noteFor(seconds: number, feed: Feed, each: () => void = () => undefined) {
    let queuedMax = 0;
    for (let second = 0; second < seconds; second += 1) {
      each();
      await time.runUntil(time.nowMs + 1000);
      queuedMax = Math.max(queuedMax, cluster.queuedChanges(table));
      await during(feed.fences.note(clock.monotonicMs()));
    }
    return queuedMax;
  }

  test("makes the server keep some megabytes of changes and no more", async () => {
    const feed = await hold();
    let v = 0;
    const largeChange = () => {
      v += 1;
      cluster.write("test", "orders", { put: { id: v % 60, v: `${v}`.padEnd(200_000) } });
    };
    expect(await noteFor(55, feed, largeChange)).toBeLessThan(30);
    expect(feed.delivered).toBe(55);
  });

  test("is held for a minute and no longer", async () => {
    const feed = await hold();
    fill(60, 1);
    await noteFor(50, feed);
    expect(cluster.queuedChanges(table)).toBe(60);
    await noteFor(15, feed);
    expect(cluster.queuedChanges(table)).toBe(0);
    expect(cluster.openFeeds(table)).toBe(2);
  });
});
