/** The chain of fences on a server whose feeds lag: what it waits for, and what it must not be believed for. */
import { createHash } from "node:crypto";
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
async function open(name = "orders"): Promise<Feed> {
  await during(source.readCatalog());
  const reference = { id: table, db: "test", name, primaryKey: "id" };
  const feed = await during(source.openFeed(() => reference));
  if (feed === "not done") throw new Error("the feed was not opened");
  void (async () => {
    for await (const batch of feed.batches) batch.forEach(() => undefined);
  })();
  return feed;
}

test.each([0, 3, 20, 400])(
  "of %i documents, it waits until the last change has come",
  async (documents) => {
    fill(documents, 0);
    await time.runUntil(1000);
    const feed = await open();
    cluster.lagFeeds(table, 200);
    // A table without documents gets its first ones behind the fence.
    const written = documents || 100;
    for (let v = 1; v <= 4; v += 1) fill(written, v);
    expect(feed.delivered).toBeLessThan(4 * written);
    const passed = await during(feed.fences.pass(feed.openedMs));
    expect(passed).toBeGreaterThanOrEqual(feed.openedMs);
    // What the server has handed to the feed may still be on its way to us.
    await during(feed.drained(clock, new AbortController().signal));
    expect(feed.delivered).toBe(4 * written);
  },
);

test("of a table with documents in two of its four shards, it waits for the first ones of the others", async () => {
  table = cluster.createTable("test", "halves", { shards: 4 });
  const put = (first: string, count: number) => {
    for (let i = 0; i < count; i += 1)
      cluster.write("test", "halves", { put: { id: `${first}${1000 + i}` } });
  };
  put("0", 500);
  put("8", 500);
  await time.runUntil(1000);
  const feed = await open("halves");
  let provenMs = feed.openedMs;
  for (const first of ["4", "c"]) {
    const before = feed.delivered;
    cluster.lagFeeds(table, 200);
    put(first, 100);
    expect(feed.delivered - before).toBeLessThan(100);
    provenMs = (await during(feed.fences.pass(provenMs))) as number;
    expect(provenMs).toBeGreaterThan(0);
    await during(feed.drained(clock, new AbortController().signal));
    expect(feed.delivered - before).toBe(100);
    cluster.lagFeeds(table, undefined);
  }
});

test("two hash shards that change places, one losing its only document while the other gets one, are both waited for", async () => {
  // Two documents in a hash shard of their own each.
  cluster.write("test", "orders", { put: { id: 1 } });
  await time.runUntil(1000);
  const feed = await open();
  const provenMs = (await during(feed.fences.pass(feed.openedMs))) as number;
  cluster.lagFeeds(table, 1);
  cluster.write("test", "orders", { delete: 1 });
  for (let id = 2; id < 10; id += 1) {
    cluster.write("test", "orders", { put: { id } });
    if (id < 9) cluster.write("test", "orders", { delete: id });
  }
  expect(feed.delivered).toBeLessThan(10);
  expect(await during(feed.fences.pass(provenMs))).toBeGreaterThanOrEqual(provenMs);
  await during(feed.drained(clock, new AbortController().signal));
  expect(feed.delivered).toBe(16);
});

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

test("a table that grows is fenced anew where its documents are", async () => {
  fill(5, 0);
  await time.runUntil(1000);
  const feed = await open();
  let provenMs = feed.openedMs;
  let next = 5;
  for (let round = 0; round < 4; round += 1) {
    for (const last = next + 4000; next < last; next += 1) {
      cluster.write("test", "orders", { put: { id: next, v: 0 } });
    }
    provenMs = (await during(feed.fences.pass(provenMs))) as number;
    expect(provenMs).toBeGreaterThan(0);
    await during(feed.drained(clock, new AbortController().signal));
    expect(feed.delivered).toBe(next - 5);
  }
});

test("where documents come and go too fast, it begins as soon as they do not, from what is proven by then", async () => {
  let [oldest, next] = [0, 0];
  const turnOver = (count: number) => {
    for (const last = next + count; next < last; next += 1) {
      cluster.write("test", "orders", { put: { id: next } });
    }
    for (; next - oldest > 600; oldest += 1) {
      cluster.write("test", "orders", { delete: oldest });
    }
  };
  turnOver(600);
  cluster.setLatency(10);
  let isFast = true;
  const again = () => {
    if (isFast) turnOver(100);
    time.after(1, again);
  };
  again();
  const feed = await open();
  expect(await during(feed.fences.pass(feed.openedMs))).toBeUndefined();
  isFast = false;
  await time.runUntil(time.nowMs + 2000);
  expect(await during(feed.fences.pass(feed.openedMs))).toBeUndefined();
  const provenMs = clock.monotonicMs();
  const before = feed.delivered;
  cluster.lagFeeds(table, 200);
  turnOver(100);
  expect(await during(feed.fences.pass(provenMs))).toBeGreaterThanOrEqual(provenMs);
  await during(feed.drained(clock, new AbortController().signal));
  expect(feed.delivered - before).toBe(200);
});

describe("documents that come and go", () => {
  /** For each turn, how many changes were still to come when the fence had passed; undefined if none passed. */
  async function missing(feed: Feed, turns: number, turn: (at: number) => number) {
    const found: (number | undefined)[] = [];
    let writes = 0;
    let provenMs = feed.openedMs;
    for (let at = 0; at < turns; at += 1) {
      cluster.lagFeeds(table, 50);
      writes += turn(at);
      const passed = await during(feed.fences.pass(provenMs));
      await during(feed.drained(clock, new AbortController().signal));
      found.push(typeof passed === "number" ? writes - feed.delivered : undefined);
      cluster.lagFeeds(table, undefined);
      await time.runUntil(time.nowMs + 10_000);
      provenMs = clock.monotonicMs();
      feed.fences.note(provenMs);
    }
    return found;
  }

  function put(id: number, times: number): void {
    for (let v = 1; v <= times; v += 1) cluster.write("test", "orders", { put: { id, v } });
  }

  function remove(id: number): void {
    cluster.write("test", "orders", { delete: id });
  }

  test("a job that ends in one hash shard while another begins in an empty one does not pass for the same", async () => {
    fill(4, 0);
    await time.runUntil(1000);
    const found = await missing(await open(), 30, (at) => {
      remove(at === 0 ? 0 : 9 + at);
      put(10 + at, 200);
      return 201;
    });
    expect(found.filter((one) => one !== undefined && one > 0)).toEqual([]);
    // Where it is the same hash shard, the fence is believed.
    expect(found).toContain(0);
  });

  test("a hash shard whose first documents were deleted is not taken for one that has some to be looked up", async () => {
    fill(2000, 0);
    await time.runUntil(1000);
    const found = await missing(await open(), 60, (at) => {
      remove(at);
      put(1000 + at, 200);
      return 201;
    });
    expect(found.filter((one) => one !== undefined && one > 0)).toEqual([]);
    expect(found.filter((one) => one === 0).length).toBeGreaterThan(20);
  });
});

test("a table of twelve shards is fenced", async () => {
  table = cluster.createTable("test", "wide", { shards: 12 });
  // Of keys that are spread over the shards as UUIDs are.
  const put = (v: number) => {
    for (let i = 0; i < 1500; i += 1) {
      const digest = createHash("md5").update(String(i)).digest("hex");
      cluster.write("test", "wide", { put: { id: digest, v } });
    }
  };
  put(0);
  await time.runUntil(1000);
  const feed = await open("wide");
  // A fence over so many shards is dear: the next one waits a little.
  expect(await during(feed.fences.pass(feed.openedMs))).toBeUndefined();
  await time.runUntil(time.nowMs + 1000);
  put(1);
  expect(await during(feed.fences.pass(feed.openedMs))).toBeGreaterThanOrEqual(feed.openedMs);
  await during(feed.drained(clock, new AbortController().signal));
  expect(feed.delivered).toBe(1500);
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
  expect(cluster.feedsOf(table)).toEqual([]);
});

describe("a fence that is held because the table is proven by other means", () => {
  async function noteFor(seconds: number, feed: Feed, each: () => void = () => undefined) {
    for (let second = 0; second < seconds; second += 1) {
      each();
      await time.runUntil(time.nowMs + 1000);
      feed.fences.note(clock.monotonicMs());
    }
  }

  test("makes the server keep no changes", async () => {
    fill(60, 0);
    await time.runUntil(1000);
    const feed = await open();
    fill(60, 1);
    await noteFor(10, feed, () => fill(60, clock.monotonicMs()));
    expect(feed.delivered).toBe(660);
    expect(cluster.queuedChanges(table)).toBe(0);
  });

  test("is held until its ranges may have filled", async () => {
    fill(60, 0);
    await time.runUntil(1000);
    const feed = await open();
    const [fence] = cluster.feedsOf(table);
    await noteFor(80, feed, () => fill(60, clock.monotonicMs()));
    expect(cluster.feedsOf(table)).toContain(fence);
    await noteFor(10, feed, () => fill(60, clock.monotonicMs()));
    expect(cluster.feedsOf(table)).not.toContain(fence);
    expect(cluster.feedsOf(table)).toHaveLength(2);
  });
});
