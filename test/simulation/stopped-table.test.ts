/** A defect that one table has: that one stops, and says so; all others, and the process, go on. */
import { beforeEach, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { intervalAt, type TableCoverage } from "../../src/repository/coverage/coverage.js";
import { lastSegment } from "../../src/repository/log/log.js";
import type { Feed } from "../../src/rethinkdb/feed.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { readAllCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

const minuteMs = 60_000;
const odd = "odd";

let world: SmallWorld;
let orders: string;
let carts: string;
let openings = 0;

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  openings = 0;
  orders = world.cluster.createTable("test", "orders");
  carts = world.cluster.createTable("test", "carts");
  for (let i = 0; i < 5; i += 1) for (const name of ["orders", "carts"]) put(name, `${i}`);
});

const put = (name: string, id: string) => world.cluster.write("test", name, { put: { id } });
const remove = (name: string, id: string) => world.cluster.write("test", name, { delete: id });
const isOdd = () => world.cluster.documents("test", "orders").has(JSON.stringify(odd));

/** Code that trips over the odd document, wherever it meets it. */
function trips(source: Source): Source {
  const trip = ({ id }: TableReference) => {
    if (id === orders && isOdd()) throw new TypeError("it is odd");
  };
  return overriding(source, {
    openFeed: async (table) => {
      if (table().id === orders) openings += 1;
      const feed = await source.openFeed(table);
      const batches = async function* () {
        for await (const batch of feed.batches) {
          trip(table());
          yield batch;
        }
      };
      return overriding<Feed>(feed, { batches: batches() });
    },
    scan: async function* (table, options) {
      trip(table);
      yield* source.scan(table, options);
    },
  });
}

/** How often the orders are opened while time passes. */
async function openingsIn(ms: number): Promise<number> {
  const before = openings;
  await world.pass(ms);
  return openings - before;
}

async function coverageOf(table: string): Promise<TableCoverage> {
  return (await readAllCoverage(world.store)).tables.get(table)!;
}

/** All that is exact of the table, up to a few seconds ago, in one stretch. */
async function expectExactTillNow(table: string): Promise<void> {
  const { state, intervals, stopped } = await coverageOf(table);
  expect([state, stopped]).toEqual(["live", undefined]);
  const now = world.time.trueMs - 15_000;
  expect(intervalAt({ intervals }, now)?.class).toBe("exact");
}

async function expectRestored(id: string, name: string): Promise<void> {
  const { frontier } = await coverageOf(id);
  const restored = await restoredState(world.store, id, frontier!);
  expect(restored).toEqual(world.cluster.documents("test", name));
}

test("a live table stops where it is, the other stays exact, and it is captured again when the defect is gone", async () => {
  const writer = world.startWriter({ wrapSource: trips });
  await world.pass(20_000);
  const before = await coverageOf(orders);
  put("orders", odd);
  put("carts", "more");
  await world.pass(20_000);
  const stopped = await coverageOf(orders);
  expect(stopped).toMatchObject({ state: "stopped", stopped: { reason: "it is odd" } });
  expect(stopped.stopped!.since).toBeGreaterThanOrEqual(before.frontier!);
  expect(stopped.intervals.map((one) => one.class)).toEqual(["exact"]);
  expect(stopped.frontier).toBe(stopped.stopped!.since);
  // After a minute it is tried again, after two more once more, and after four more.
  expect(await openingsIn(3 * minuteMs)).toBe(2);
  const later = await coverageOf(orders);
  expect(later).toMatchObject({ stopped: stopped.stopped, frontier: stopped.frontier });
  await expectExactTillNow(carts);
  expect((await coverageOf(carts)).intervals).toHaveLength(1);
  expect(world.stopped).toEqual(["orders: it is odd"]);

  remove("orders", odd);
  put("orders", "new");
  expect(await openingsIn(4.5 * minuteMs)).toBe(1);
  await expectExactTillNow(orders);
  const [exact, gap, again] = (await coverageOf(orders)).intervals;
  expect([exact!.class, gap!.class, again!.class]).toEqual(["exact", "gap", "exact"]);
  expect(gap).toMatchObject({ from: stopped.frontier! + 1, reason: "it is odd" });
  await expectRestored(orders, "orders");
  await expectRestored(carts, "carts");
  // It was live, so another defect is told, and is tried again after a minute.
  put("orders", odd);
  expect(await openingsIn(2 * minuteMs)).toBe(1);
  expect(world.stopped).toHaveLength(2);
  expect(writer.outcome).toBeUndefined();
  writer.stopInOrder();
  await world.pass(20_000);
  expect(writer.outcome).toBeNull();
}, 120_000);

test("a table that was never copied is stopped too, and nothing waits for it", async () => {
  put("orders", odd);
  world.startWriter({ wrapSource: trips });
  await world.pass(20_000);
  expect(await coverageOf(orders)).toMatchObject({
    state: "stopped",
    stopped: { reason: "it is odd" },
    intervals: [],
    frontier: undefined,
  });
  put("carts", "more");
  // Two ticks, and not the segment that an idle capture writes every ten seconds.
  await world.pass(4000);
  expect((await coverageOf(carts)).frontier).toBeGreaterThan(world.time.trueMs - 4000);
  expect((await lastSegment(world.store))!.index.footer.lagging).not.toHaveProperty(orders);
  await expectRestored(carts, "carts");

  remove("orders", odd);
  await world.pass(2 * minuteMs);
  await expectExactTillNow(orders);
  await expectRestored(orders, "orders");
});

test("a one-shot backup copies all others, and then ends incomplete, with the table's name and the reason", async () => {
  put("orders", odd);
  const writer = world.startWriter({ wrapSource: trips, once: true });
  await world.pass(20_000);
  expect(writer.outcome).toBeInstanceOf(ThinkbackError);
  expect(writer.outcome).toMatchObject({
    code: "incomplete",
    message: "not every table could be captured: test.orders: it is odd",
  });
  expect(world.states).toContainEqual(expect.stringMatching(/^carts is live/));
  expect(await coverageOf(orders)).toMatchObject({ stopped: { reason: "it is odd" } });
  await expectRestored(carts, "carts");
});

test("a stopped table that is dropped is dropped; after a new start one that is not captured any more is not stopped", async () => {
  put("orders", odd);
  const writer = world.startWriter({ wrapSource: trips });
  await world.pass(20_000);
  writer.stopInOrder();
  await world.pass(20_000);
  // As long as nobody captures, it is what was last known.
  expect((await coverageOf(orders)).stopped).toBeDefined();
  const next = world.startWriter({ selects: (_, name) => name !== "orders" });
  await world.pass(20_000);
  expect(await coverageOf(orders)).toMatchObject({ watched: false, stopped: undefined });
  next.stopInOrder();
  await world.pass(20_000);

  world.startWriter({ wrapSource: trips });
  await world.pass(20_000);
  expect((await coverageOf(orders)).state).toBe("stopped");
  world.cluster.dropTable("test", "orders");
  await world.pass(5000);
  expect(await coverageOf(orders)).toMatchObject({ state: "dropped", stopped: undefined });
  await expectExactTillNow(carts);
});

test("a proof that fails of a defect stops its table, and a feed that cannot be closed holds up nothing", async () => {
  let fails = false;
  const failing = (source: Source) =>
    overriding(source, {
      openFeed: async (table) => {
        const feed = await source.openFeed(table);
        if (table().id !== orders) return feed;
        const note = () => {
          if (fails) throw new RangeError("a proof went wrong");
        };
        const pass = async () => {
          note();
          return undefined;
        };
        const close = async () => {
          await feed.close();
          throw new TypeError("and so did closing");
        };
        return overriding<Feed>(feed, { fences: { pass, note }, close });
      },
    });
  const writer = world.startWriter({ wrapSource: failing });
  await world.pass(20_000);
  await expectExactTillNow(orders);
  fails = true;
  put("orders", "new");
  await world.pass(20_000);
  expect(await coverageOf(orders)).toMatchObject({ stopped: { reason: "a proof went wrong" } });
  await expectExactTillNow(carts);
  fails = false;
  await world.pass(2 * minuteMs);
  await expectExactTillNow(orders);
  await expectRestored(orders, "orders");
  expect(writer.outcome).toBeUndefined();
});

test("a defect in reading the catalog, or the counts of writes, stops no table", async () => {
  let fails: keyof Source | undefined;
  const failing = (source: Source) => {
    const trip = (method: keyof Source) => {
      if (fails === method) throw new TypeError(`${method} went wrong`);
    };
    return overriding(source, {
      readCatalog: async () => {
        trip("readCatalog");
        return source.readCatalog();
      },
      survey: async (tables) => {
        trip("survey");
        return source.survey(tables);
      },
    });
  };
  const writer = world.startWriter({ wrapSource: failing });
  await world.pass(20_000);
  for (const method of ["readCatalog", "survey"] as const) {
    fails = method;
    put("orders", method);
    await world.pass(30_000);
    const { catalog, tables } = await readAllCoverage(world.store);
    const behind = method === "survey" ? tables.get(orders) : catalog;
    expect(behind!.frontier).toBeLessThan(world.time.trueMs - 25_000);
    expect(tables.get(orders)!.state).toBe("live");
    fails = undefined;
    await world.pass(30_000);
  }
  const { catalog } = await readAllCoverage(world.store);
  expect(intervalAt(catalog!, world.time.trueMs - 15_000)?.class).toBe("exact");
  for (const table of [orders, carts]) {
    await expectExactTillNow(table);
    const classes = new Set((await coverageOf(table)).intervals.map((one) => one.class));
    expect([...classes]).toEqual(expect.not.arrayContaining(["gap"]));
  }
  expect(world.stopped).toEqual([]);
  expect(writer.outcome).toBeUndefined();
});
