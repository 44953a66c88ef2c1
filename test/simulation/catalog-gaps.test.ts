/** Readings of the catalog from which something is missing for a moment. */
import { beforeEach, describe, expect, test } from "vitest";
import { proofBoundMs } from "../../src/capture/frontier.js";
import type { CatalogRecord } from "../../src/catalog-record.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import {
  intervalAt,
  isExactAt,
  type TableCoverage,
} from "../../src/repository/coverage/coverage.js";
import type { Coverage } from "../../src/repository/coverage/coverage-reader.js";
import type { CatalogReading } from "../../src/rethinkdb/catalog-reader.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../../src/rethinkdb/reql.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { catalogAt, readAllCoverage, readCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";
import { dial, type WriterSetup } from "./writer-process.js";

let world: SmallWorld;
let table: string;

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  table = world.cluster.createTable("test", "orders");
  for (let i = 0; i < 5; i += 1) world.cluster.write("test", "orders", { put: { id: i } });
});

const reading = (change: (records: CatalogRecord[]) => CatalogRecord[]) => (source: Source) =>
  overriding(source, {
    readCatalog: async () => {
      const reading = await source.readCatalog();
      return { ...reading, structure: change(reading.structure) };
    },
  });

describe("a database that is made beyond a cut", () => {
  const other = "simulated_2";

  /** Cuts the other server off for so long. There a database is made, whenever `madeAfterMs` says. */
  async function cutFor(ms: number, madeAfterMs: number, isSeen: boolean): Promise<number> {
    world.cluster.cutOff(other, { isSeen });
    await world.pass(madeAfterMs);
    const made = world.wall.now();
    await world.pass(ms - madeAfterMs);
    world.cluster.createDatabase(`made_${made}`);
    world.cluster.rejoin(other);
    return made;
  }

  /** Instants that are exact, and at which what was acknowledged two seconds before is not there; and how many are exact. */
  async function judged(made: number[], isIn: (coverage: Coverage) => TableCoverage) {
    const coverage = isIn(await readAllCoverage(world.store));
    const wrong: string[] = [];
    let exact = 0;
    for (let at = made[0]! - 5000; at < world.wall.now(); at += 250) {
      if (!isExactAt(intervalAt(coverage, at), at)) continue;
      exact += 1;
      const known = (await catalogAt(world.store, at)).databases().map(({ name }) => name);
      const acknowledged = made.filter((moment) => moment <= at - proofBoundMs);
      if (!acknowledged.every((moment) => known.includes(`made_${moment}`))) wrong.push(iso(at));
    }
    return { wrong, exact };
  }

  const iso = (instant: number) => new Date(instant).toISOString();
  const catalogOf = ({ catalog }: Coverage) => catalog!;
  const accessOf = ({ access }: Coverage) => access!;

  async function cuts(setup: Partial<WriterSetup> = {}): Promise<number[]> {
    world.startWriter(setup);
    await world.pass(10_000);
    const made: number[] = [];
    for (const [ms, madeAfterMs, isSeen] of [
      // Before the cut is noticed, long after it, and so late that nothing but the end of the cut may tell.
      [8000, 2000, false],
      [30_000, 2000, false],
      [30_000, 25_000, true],
      [60_000, 40_000, false],
    ] as const) {
      made.push(await cutFor(ms, madeAfterMs, isSeen));
      await world.pass(15_000);
    }
    return made;
  }

  test("is in every exact instant since", async () => {
    const made = await cuts();
    for (const of of [catalogOf, accessOf]) {
      const { wrong, exact } = await judged(made, of);
      expect(wrong).toEqual([]);
      expect(exact).toBeGreaterThan(100);
    }
  });

  test("is missed where only the servers that are connected are known", async () => {
    const believing = (source: Source) =>
      overriding(source, {
        readCatalog: async () => {
          const reading = await source.readCatalog();
          const { servers } = reading;
          return { ...reading, servers: [...servers, ...missingOf(servers)], beyond: [] };
        },
      });
    const all: CatalogReading["servers"] = [];
    const missingOf = (servers: CatalogReading["servers"]) => {
      if (servers.length > all.length) all.splice(0, all.length, ...servers);
      return all.filter(({ id }) => servers.every((server) => server.id !== id));
    };
    const made = await cuts({ wrapSource: believing });
    expect((await judged(made, catalogOf)).wrong).not.toEqual([]);
    expect((await judged(made, accessOf)).wrong).not.toEqual([]);
  });

  test("is waited for by a capture that begins during the cut", async () => {
    const first = world.startWriter();
    await world.pass(10_000);
    world.cluster.cutOff(other);
    await world.pass(15_000);
    first.stopInOrder();
    await world.pass(2000);
    const cutTo = world.wall.now();
    world.startWriter();
    await world.pass(20_000);
    const { catalog, access, tables } = await readAllCoverage(world.store);
    for (const { frontier } of [catalog!, access!]) expect(frontier).toBeLessThan(cutTo - 10_000);
    // The table is exact all the same.
    expect(world.wall.now() - tables.get(table)!.frontier!).toBeLessThan(12_000);
    expect((await catalogAt(world.store, Infinity)).missingServers()).toMatchObject([
      { name: other },
    ]);
    const made = world.wall.now();
    await world.pass(5000);
    world.cluster.createDatabase(`made_${made}`);
    world.cluster.rejoin(other);
    await world.pass(15_000);
    const { wrong, exact } = await judged([made], catalogOf);
    expect(wrong).toEqual([]);
    expect(exact).toBeGreaterThan(10);
  });

  test("is waited for where the server was never seen, but others see it", async () => {
    world.cluster.addServer("simulated_3");
    world.cluster.cutOff("simulated_3", { noticedAfterMs: 0, isSeen: true });
    world.startWriter();
    await world.pass(20_000);
    const { catalog } = await readAllCoverage(world.store);
    expect(catalog?.frontier).toBeUndefined();
    world.cluster.cutOff("simulated_3", { noticedAfterMs: 0, isSeen: false });
    await world.pass(20_000);
    expect((await readAllCoverage(world.store)).catalog?.frontier).toBeUndefined();
    world.cluster.rejoin("simulated_3");
    await world.pass(15_000);
    expect(world.wall.now() - (await readAllCoverage(world.store)).catalog!.frontier!).toBeLessThan(
      12_000,
    );
  });
});

describe("a server that is gone for good", () => {
  const other = "simulated_2";
  const frontierOf = async () => (await readAllCoverage(world.store)).catalog!.frontier!;

  test("bounds the catalog until it is forgotten, and again when it was back; what is made meanwhile is captured", async () => {
    const first = world.startWriter();
    await world.pass(10_000);
    world.cluster.cutOff(other, { noticedAfterMs: 0 });
    const gone = world.wall.now();
    await world.pass(10_000);
    const id = world.cluster.createTable("test", "bills");
    await world.pass(10_000);
    first.stopInOrder();
    await world.pass(2000);
    expect(await frontierOf()).toBeLessThanOrEqual(gone);
    const { intervals } = (await readAllCoverage(world.store)).tables.get(id)!;
    expect(intervals.map((one) => one.class)).toContain("exact");

    const second = world.startWriter({ forgetServers: [other] });
    await world.pass(20_000);
    expect(world.wall.now() - (await frontierOf())).toBeLessThan(12_000);
    second.stopInOrder();
    await world.pass(2000);

    // The decision is stored: it need not be said again.
    const third = world.startWriter();
    await world.pass(20_000);
    expect(world.wall.now() - (await frontierOf())).toBeLessThan(12_000);
    world.cluster.rejoin(other);
    await world.pass(5000);
    world.cluster.cutOff(other, { noticedAfterMs: 0 });
    const goneAgain = world.wall.now();
    await world.pass(20_000);
    expect(await frontierOf()).toBeLessThanOrEqual(goneAgain);
    third.stopInOrder();
    await world.pass(2000);
  });

  test("is not forgotten while it is connected, nor is one that never was", async () => {
    const first = world.startWriter();
    await world.pass(5000);
    first.stopInOrder();
    await world.pass(2000);
    const second = world.startWriter({ forgetServers: [other] });
    await world.pass(5000);
    world.cluster.cutOff(other, { noticedAfterMs: 0 });
    const gone = world.wall.now();
    await world.pass(20_000);
    expect(await frontierOf()).toBeLessThanOrEqual(gone);
    second.stopInOrder();
    await world.pass(2000);
    const third = world.startWriter({ forgetServers: ["simulated_7"] });
    await world.pass(5000);
    expect(String(third.outcome)).toContain("the cluster never had a server simulated_7");
  });
});

test("indexes that could not be asked for stay what they were known to be", async () => {
  const indexes = { key: ["indexes", table], value: { indexes: [{ index: "by_x" }] } };
  let isAnswered = true;
  const withIndexes = (records: CatalogRecord[]) => [
    ...records.filter(({ key }) => key[0] !== "indexes"),
    ...(isAnswered ? [indexes as unknown as CatalogRecord] : []),
  ];
  world.startWriter({ wrapSource: reading(withIndexes) });
  await world.pass(10_000);
  isAnswered = false;
  await world.pass(30_000);
  const catalog = await catalogAt(world.store, Number.MAX_SAFE_INTEGER);
  expect(catalog.indexes(table)).toEqual([{ index: "by_x" }]);
  // Those of a table that is gone are gone.
  world.cluster.dropTable("test", "orders");
  await world.pass(20_000);
  const then = await catalogAt(world.store, Number.MAX_SAFE_INTEGER);
  expect(then.indexes(table)).toEqual([]);
});

test("a table that was out of reach is exact only from where its indexes are known again", async () => {
  const { life, clock } = world.process();
  const dialled = dial(world.cluster, life);
  world.startWriter();
  await world.pass(10_000);
  const connection = new Connection(await dialled);
  // Changed on the other side of a cut, at every place of the round of readings.
  const made: number[] = [];
  for (let i = 0; i < 12; i += 1) {
    world.cluster.loseReplicas(table, true);
    await world.pass(500);
    const creating = connection.rows(
      r.db("test").table!("orders").indexCreate!(
        `by_${made.length}`,
        (row: (name: string) => unknown) => row("x"),
      ),
    );
    await world.pass(100);
    await creating;
    made.push(clock.now());
    await world.pass(2150 + 20 * i);
    world.cluster.loseReplicas(table, false);
    await world.pass(20_000);
  }
  const coverage = await readAllCoverage(world.store);
  const own = coverage.tables.get(table)!.intervals.filter(({ class: of }) => of === "exact");
  expect(own.length).toBeGreaterThan(10);
  const wrong: number[] = [];
  for (const { from, to } of own) {
    for (let at = from; at <= Math.min(to, from + 3000); at += 50) {
      if (!isExactAt(intervalAt(coverage.catalog!, at), at)) continue;
      const known = (await catalogAt(world.store, at)).indexes(table).length;
      const acknowledged = made.filter((moment) => moment <= at - proofBoundMs).length;
      if (known < acknowledged) wrong.push(at - from);
    }
  }
  expect(wrong).toEqual([]);
});

test("a first reading that took long makes no instant exact", async () => {
  world.cluster.slowReading("table_config", 10_000);
  world.startWriter();
  // Databases have been read by then, in the second reading too; tables have not.
  await world.pass(12_000);
  world.cluster.createDatabase("bills");
  await world.pass(9000);
  world.cluster.slowReading("table_config", 0);
  await world.pass(20_000);
  const { intervals } = (await readAllCoverage(world.store)).catalog!;
  const first = intervals.find(({ class: of }) => of === "exact")!;
  const databases = (await catalogAt(world.store, first.from)).databases();
  expect(databases.map(({ name }) => name)).toEqual(["bills", "test"]);
});

describe("a table that is made while the catalog cannot be read", () => {
  /** Of the exact instants of the catalog since the table was made, those without it; and how many there are. */
  async function judged(wrapSource: (source: Source) => Source) {
    world.startWriter({ wrapSource });
    await world.pass(10_000);
    world.cluster.refuseReading("table_config", true);
    await world.pass(500);
    world.cluster.createTable("test", "bills");
    const made = world.wall.now();
    await world.pass(15_000);
    world.cluster.refuseReading("table_config", false);
    await world.pass(40_000);
    const { intervals } = (await readAllCoverage(world.store)).catalog!;
    const wrong: number[] = [];
    let exact = 0;
    for (let at = made + 1; at < world.wall.now(); at += 500) {
      if (
        !isExactAt(
          intervals.find(({ from, to }) => from <= at && at <= to),
          at,
        )
      )
        continue;
      exact += 1;
      const tables = (await catalogAt(world.store, at)).tables();
      if (!tables.some(({ name }) => name === "bills")) wrong.push(at - made);
    }
    return { exact, wrong };
  }

  test("is in every exact instant since", async () => {
    const { exact, wrong } = await judged((source) => source);
    expect(wrong).toEqual([]);
    expect(exact).toBeGreaterThan(5);
  });

  test("is missed where what cannot be read is said to be what it was", async () => {
    expect((await judged(believingOldReadings)).wrong).not.toEqual([]);
  });
});

/** Planted: where the catalog cannot be read, it is what it was. */
function believingOldReadings(source: Source): Source {
  let last: CatalogReading | undefined;
  return overriding(source, {
    readCatalog: async () => {
      try {
        last = await source.readCatalog();
      } catch (error) {
        if (!last) throw error;
      }
      return last!;
    },
  });
}

test.each([0, 12_000])(
  "a table that is missing in one reading is captured when it is there again, with puts that take %i ms",
  async (slowMs) => {
    let isHidden = false;
    let isSlow = slowMs > 0;
    const put = async (name: string, bytes: Uint8Array) => {
      if (isSlow && name.includes("/part-")) {
        await new Promise<void>((resolve) => world.time.after(slowMs, resolve));
      }
      return world.store.put(name, bytes);
    };
    const isOfTable = ({ key }: CatalogRecord) => key[0] !== "db" && key[1] === table;
    world.startWriter({
      store: overriding(world.store, { put }),
      wrapSource: reading((records) => records.filter((one) => !isHidden || !isOfTable(one))),
    });
    // In the middle of the copy.
    await world.pass(1500);
    isHidden = true;
    await world.pass(5200);
    isHidden = false;
    await world.pass(5500);
    isSlow = false;
    await world.pass(60_000);
    const { state, frontier, lastCopy } = (await readCoverage(world.store)).get(table)!;
    expect(state).toBe("live");
    expect(world.time.trueMs - frontier!).toBeLessThan(20_000);
    expect(lastCopy).toBeDefined();
  },
);
