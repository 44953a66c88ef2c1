/** Each failure that the simulation found, as the smallest test that shows it. */
import { describe, expect, test } from "vitest";
import { ScanQueue } from "../../src/capture/scan-queue.js";
import { RetryingShipper, shipSpool } from "../../src/capture/shipper.js";
import { ChainCheck } from "../../src/fold/chain-check.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import type { Version } from "../../src/format/lines.js";
import { repositoryName } from "../../src/format/names.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import {
  intervalAt,
  isExactAt,
  type TableCoverage,
} from "../../src/repository/coverage/coverage.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { restore } from "../../src/restore/restore.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { dayMs } from "../repository/declared.js";
import { fold, planRestore, readCoverage, versionAt } from "../repository/looks.js";
import { termId } from "../simulated/term-ids.js";
import { StoreUnreachable } from "../storage/hostile-store.js";
import { overriding } from "./overriding.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";
import { dial } from "./writer-process.js";

const large = 10_000;

describe("the queue of scans", () => {
  test("gives no turn to one who gave up while waiting", async () => {
    const queue = new ScanQueue(1);
    const never = new AbortController().signal;
    const gaveUp = new AbortController();
    let finish: () => void = () => undefined;
    const first = queue.run(
      never,
      large,
      () =>
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    );
    const second = queue.run(gaveUp.signal, large, () => Promise.resolve("second"));
    const third = queue.run(never, large, () => Promise.resolve("third"));
    gaveUp.abort(new Error("the connection was lost"));
    await expect(second).rejects.toThrow("the connection was lost");
    finish();
    await first;
    expect(await third).toBe("third");
  });

  test("passes a turn on that comes in the moment of giving up", async () => {
    const queue = new ScanQueue(1);
    const never = new AbortController().signal;
    const gaveUp = new AbortController();
    const first = queue.run(never, large, () => Promise.resolve());
    const second = queue.run(gaveUp.signal, large, () => Promise.resolve("second"));
    const third = queue.run(never, large, () => Promise.resolve("third"));
    void first.then(() => gaveUp.abort(new Error("the connection was lost")));
    await first;
    await second.catch(() => undefined);
    expect(await third).toBe("third");
  });
});

test("a table that grew from one document is proven at once though a write changes nothing", async () => {
  const world = new SmallWorld();
  await world.store.put(
    repositoryName,
    encodeJsonObject("repository", { id: "small-world", created: 0 }),
  );
  const id = world.cluster.createTable("test", "orders");
  const put = (n: number, x: number) =>
    world.cluster.write("test", "orders", { put: { id: n, x } });
  put(0, 0);
  world.startWriter();
  await world.pass(10_000);
  for (let n = 1; n < 30; n += 1) {
    put(n, 0);
    await world.pass(500);
  }
  await world.pass(5000);
  // What the server counts is one more than what the feed brings: only a fence can tell.
  put(0, 0);
  put(1, 1);
  await world.pass(10_000);
  const { intervals } = (await readCoverage(world.store)).get(id)!;
  expect(intervals.map((interval) => interval.class)).toEqual(["exact"]);
});

test("a feed stays proven when its table is renamed, in a cluster of several servers", async () => {
  const world = new SmallWorld();
  world.cluster.createTable("test", "orders");
  world.startWriter();
  await world.pass(10_000);
  const link = world.cluster.open();
  const client = new Connection({
    write: (bytes) => link.send(bytes),
    onData: (listener) => link.onData((bytes) => listener(Buffer.from(bytes))),
    onClose: (listener) => link.onClose(() => listener(new Error("closed"))),
    destroy: () => link.destroy(),
  });
  const table = [termId.TABLE, [[termId.DB, ["test"]], "orders"]];
  const rename = [termId.UPDATE, [[termId.CONFIG, [table]], { name: "bills" }]];
  void client.answer(Buffer.from(JSON.stringify(rename)));
  await world.pass(60_000);
  expect(world.cluster.tables().map(({ name }) => name)).toEqual(["bills"]);
  expect(world.states.map((state) => state.split(" {")[0])).toEqual([
    "orders is copying",
    "orders is live",
  ]);
});

test("a cluster whose tables were all made anew while nobody captured is not a foreign one", async () => {
  const world = new SmallWorld();
  world.cluster.createTable("test", "orders");
  const first = world.startWriter();
  await world.pass(10_000);
  first.stopInOrder();
  await world.pass(10_000);
  expect(first.outcome).toBeNull();
  world.cluster.dropTable("test", "orders");
  world.cluster.createTable("test", "orders");
  const second = world.startWriter();
  await world.pass(10_000);
  expect(second.outcome).toBeUndefined();
  expect(world.states.at(-1)).toMatch(/^orders is live/);
});

test("a version in the first millisecond of an exact interval proves nothing", () => {
  const intervals = [{ from: 100, to: 200, class: "exact" }];
  const coverage = { table: "t", intervals } as TableCoverage;
  const base = { instant: 50 } as BaseManifest;
  const version = (time: number, previous: string | null): Version => {
    const document = Buffer.from('{"id":1}');
    return { key: Buffer.from("1"), time, sequence: time, table: "t", previous, document };
  };
  const breaksAt = (time: number) => {
    const check = new ChainCheck(coverage, base);
    check.follow(version(99, null), version(time, "0123456789ab5def"));
    return check.breaks.length;
  };
  // An event of the scan that ended in this millisecond may have come after the row that held it.
  expect(breaksAt(100)).toBe(0);
  expect(breaksAt(101)).toBe(1);
});

test("a writer goes on when another process delivered what was on its spool", async () => {
  const world = new SmallWorld();
  const { clock } = world.process();
  const spool = new MemoryStore();
  let reachable = false;
  const reach = (): Promise<void> =>
    reachable ? Promise.resolve() : Promise.reject(new StoreUnreachable("put", "a segment"));
  const store = overriding(world.store, {
    put: (name, bytes) => reach().then(() => world.store.put(name, bytes)),
  });
  const ignore = () => undefined;
  const observer = { storeFails: ignore, storeIsBack: ignore, waits: ignore };
  const kept = { store: spool, bytesMax: 1000 };
  const log = { check: async () => undefined, note: ignore };
  const shipper = new RetryingShipper(store, log, clock, () => 0.5, kept, observer);
  const shipped: string[] = [];
  for (const name of ["log/1", "log/2", "log/3"]) {
    void shipper.ship(name, Buffer.from(name)).then(() => shipped.push(name));
  }
  await world.pass(5000);
  expect(await shipSpool(world.store, spool, async () => "delivered")).toMatchObject({
    delivered: 3,
  });
  reachable = true;
  await world.pass(60_000);
  expect(shipped).toEqual(["log/1", "log/2", "log/3"]);
});

test("a fold of segments that a claim does not continue changes nothing that is restored", async () => {
  const world = new SmallWorld();
  const { store, cluster } = world;
  const id = cluster.createTable("test", "orders");
  cluster.write("test", "orders", { put: { id: 1, v: "a" } });
  const first = world.startWriter();
  await world.pass(20_000);
  const seen = new Set(await namesOf(store));
  cluster.write("test", "orders", { put: { id: 1, v: "b" } });
  await world.pass(5000);
  first.life.kill();
  cluster.write("test", "orders", { put: { id: 1, v: "a" } });
  const until = (await readCoverage(store)).get(id)!.frontier!;
  const repository = { store, description: { id: "small-world", created: 0 } };
  await fold(repository, { until, unique: "f", onRows: () => undefined });
  // The second writer had looked before the last segments came, and before the fold was published.
  const late = new Set((await namesOf(store)).filter((name) => !seen.has(name)));
  let looksBack = true;
  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    for await (const object of store.list(prefix)) {
      if (!looksBack || !late.has(object.name)) yield object;
    }
  }
  const onState = (_: string, state: string) => {
    looksBack &&= state !== "resyncing";
  };
  world.startWriter({ store: overriding(store, { list }), takeOver: true, onState });
  await world.pass(30_000);
  const { frontier } = (await readCoverage(store)).get(id)!;
  const restored = await restoredState(store, id, frontier!);
  expect(restored).toEqual(cluster.documents("test", "orders"));
});

const description = { id: "small-world", created: 0 };

/** A world of three days, and an instant of the first one between two changes of a document. */
async function worldOfThreeDays() {
  const world = new SmallWorld();
  const { cluster } = world;
  const table = cluster.createTable("test", "orders");
  cluster.write("test", "orders", { put: { id: 1, v: "copied" } });
  const first = world.startWriter();
  await world.pass(10_000);
  cluster.write("test", "orders", { put: { id: 1, v: "first" } });
  await world.pass(10_000);
  const instant = world.time.trueMs - 1000;
  cluster.write("test", "orders", { put: { id: 1, v: "second" } });
  await world.pass(20_000);
  first.stopInOrder();
  await world.pass(3 * dayMs);
  world.startWriter();
  await world.pass(20_000);
  return { world, table, instant };
}

/** Thins the history of the first day, so that the instant is not kept. */
async function thinFirstDay(world: SmallWorld): Promise<void> {
  await declareKeep(world.store, "all:1d, 1h:9d", Math.floor(world.time.trueMs));
  const maintaining = maintain(
    { store: world.store, description },
    {
      clock: world.process().clock,
      owner: { host: "alpha", process: 1, isAlive: () => true },
      unique: "thins",
      partial: true,
      settleMs: 60_000,
      expires: true,
      graceMs: 900_000,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
  await world.pass(1000);
  expect((await maintaining).log.thinned).toBe(1);
}

test("a restore reads the history as it was planned, though it is thinned meanwhile", async () => {
  const { world, instant } = await worldOfThreeDays();
  const { cluster } = world;
  const repository = { store: world.store, description };
  const renames = new Map([["test.orders", "test.orders_before"]]);
  const request = { at: instant, tables: ["test.orders"], databases: [], renames };
  const plan = await planRestore(repository, { ...request, allowInexact: false, nearest: false });
  await thinFirstDay(world);
  const { life, clock } = world.process();
  const target = new RethinkTarget("simulated", () => dial(cluster, life));
  const ignore = () => undefined;
  const observer = { reading: ignore, writing: ignore, finishing: ignore };
  const restoring = restore(repository, plan, target, clock, observer);
  await world.pass(60_000);
  await restoring;
  const restored = cluster.documents("test", "orders_before");
  expect([...restored.values()]).toEqual([`{"id":1,"v":"first"}`]);
  target.close();
});

test("a version is the one of the look by which its instant is exact, though it is thinned meanwhile", async () => {
  const { world, table, instant } = await worldOfThreeDays();
  const isExact = async (log: LogView) =>
    isExactAt(intervalAt((await readCoverage(log)).get(table)!, instant), instant);
  const log = await LogView.read(world.store);
  expect(await isExact(log)).toBe(true);
  await thinFirstDay(world);
  expect(await isExact(await LogView.read(world.store))).toBe(false);
  const version = await versionAt(log, table, Buffer.from("1"), instant);
  expect(version?.document?.toString()).toBe(`{"id":1,"v":"first"}`);
});

async function namesOf(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("")) names.push(name);
  return names;
}
