/**
 * A table with another primary key that has come to the name of one which is captured: what then fails is told from what
 * is wrong with a table, and costs no feed.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import type { Channel } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { FenceChain } from "../../src/rethinkdb/fence.js";
import { r } from "../../src/rethinkdb/reql.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { type TableReference, TableReplaced } from "../../src/rethinkdb/table-reference.js";
import { readCoverage } from "../repository/looks.js";
import { Cluster } from "../simulated/cluster.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
import { SmallWorld } from "./small-world.js";
import { VirtualTime } from "./virtual-time.js";
import { dial } from "./writer-process.js";

let time: VirtualTime;
let cluster: Cluster;
let source: RethinkSource;
let table: TableReference;

beforeEach(async () => {
  time = new VirtualTime();
  cluster = new Cluster({ timers: time.timers, seed: 3 });
  const life = new ProcessLife(time);
  const clock = new SimulatedClock(life, new WallClock(time));
  source = new RethinkSource("simulated", () => dial(cluster, life), clock);
  const id = cluster.createTable("test", "orders");
  table = { id, db: "test", name: "orders", primaryKey: "id" };
  cluster.write("test", "orders", { put: { id: 1 } });
  await during(source.readCatalog());
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** What the work comes to, while time passes. */
async function during<T>(work: Promise<T>): Promise<T | Error> {
  let result: { of: T | Error } | undefined;
  work.then(
    (of) => (result = { of }),
    (of: Error) => (result = { of }),
  );
  await time.runUntil(time.nowMs + 60_000, () => result !== undefined);
  return result?.of ?? new Error("it takes too long");
}

async function replace(): Promise<void> {
  const channel = (await during(dial(cluster, new ProcessLife(time)))) as Channel;
  const rename = r.db("test").table!("orders").config!().update!({ name: "bills" });
  await during(new Connection(channel).value(rename));
  cluster.createTable("test", "orders", { primaryKey: "key" });
  cluster.write("test", "orders", { put: { key: 1 } });
}

test("a fence is not laid over it", async () => {
  const feed = await during(source.openFeed(() => table));
  if (feed instanceof Error) throw feed;
  await replace();
  await time.runUntil(time.nowMs + 100);
  const passed = await during(feed.fences.pass(feed.openedMs));
  expect(passed).toBeInstanceOf(TableReplaced);
});

test.each(["rising", "falling"] as const)("it is not scanned, %s", async (order) => {
  await replace();
  const stamp = () => ({ time: 1, sequence: 1 });
  const scan = async () => {
    const { signal } = new AbortController();
    for await (const { lastKey } of source.scan(table, { order, stamp, signal })) {
      expect(lastKey).toBeUndefined();
    }
  };
  expect(await during(scan())).toBeInstanceOf(TableReplaced);
});

test("a table that gives its name to another one keeps its feed, though a fence comes before the catalog is read", async () => {
  const world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  const orders = world.cluster.createTable("test", "orders");
  world.cluster.createTable("test", "orders_new");
  const update = (v: number) => {
    for (let id = 0; id < 100; id += 1) {
      world.cluster.write("test", v > 1 ? "orders_old" : "orders", { put: { id, v } });
    }
  };
  update(0);
  const writer = world.startWriter();
  await world.pass(10_000);
  const { life } = world.process();
  const dialled = dial(world.cluster, life);
  await world.pass(10);
  const client = new Connection(await dialled);
  world.cluster.lagFeeds(orders, 50);
  world.cluster.refuseReading("table_config", true);
  await world.pass(2000);
  const fence = vi.spyOn(FenceChain.prototype, "pass");
  update(1);
  for (const [from, to] of [
    ["orders", "orders_old"],
    ["orders_new", "orders"],
  ] as const) {
    void client.value(r.db("test").table!(from).config!().update!({ name: to }));
    await world.pass(10);
  }
  await world.pass(4000);
  const failures: unknown[] = [];
  for (const { value } of fence.mock.results) {
    (value as Promise<unknown>).catch((error: unknown) => failures.push(error));
  }
  await world.pass(1);
  expect(failures).toContainEqual(expect.any(TableReplaced));
  world.cluster.refuseReading("table_config", false);
  await world.pass(20_000);
  update(2);
  await world.pass(20_000);
  expect(writer.outcome).toBeUndefined();
  const { intervals, frontier } = (await readCoverage(world.store)).get(orders)!;
  expect(intervals.map((interval) => interval.class)).not.toContain("gap");
  expect(frontier).toBeGreaterThan(world.time.trueMs - 15_000);
});
