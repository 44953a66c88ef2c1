/**
 * A table with another primary key that has come to the name of one which is captured: what then fails is told from what
 * is wrong with a table.
 */
import { beforeEach, expect, test } from "vitest";
import type { Channel } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../../src/rethinkdb/reql.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { type TableReference, TableReplaced } from "../../src/rethinkdb/source.js";
import { Cluster } from "../simulated/cluster.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
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
  const passed = await during(feed.fences.pass(feed.openedMs));
  expect(passed).toBeInstanceOf(TableReplaced);
});

test.each(["rising", "falling"] as const)("it is not walked, %s", async (order) => {
  await replace();
  const stamp = () => ({ time: 1, sequence: 1 });
  const walk = async () => {
    const { signal } = new AbortController();
    for await (const { lastKey } of source.walk(table, { order, stamp, signal })) {
      expect(lastKey).toBeUndefined();
    }
  };
  expect(await during(walk())).toBeInstanceOf(TableReplaced);
});
