/** Readings of the catalog from which something is missing for a moment. */
import { beforeEach, describe, expect, test } from "vitest";
import { proofBoundMs } from "../../src/capture/frontier.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage.js";
import { encodeJsonObject } from "../../src/repository/json-object.js";
import { repositoryName } from "../../src/repository/names.js";
import type { CatalogReading, CatalogRecord } from "../../src/rethinkdb/catalog-reader.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../../src/rethinkdb/reql.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { catalogAt, readAllCoverage, readCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";
import { dial } from "./writer-process.js";

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

test("of a cluster that is cut twice, the smaller part of the second cut is not believed", async () => {
  let servers = ["a", "b", "c", "d", "e"].map((id) => ({ id, name: id }));
  const cut = (source: Source) =>
    overriding(source, {
      readCatalog: async () => {
        const { servers: own, ...rest } = await source.readCatalog();
        // A repository knows its cluster by its servers.
        return { ...rest, servers: [...own.slice(0, 1), ...servers.slice(1)] };
      },
    });
  world.startWriter({ wrapSource: cut });
  await world.pass(10_000);
  servers = servers.slice(0, 3);
  await world.pass(10_000);
  const second = world.wall.now();
  servers = servers.slice(0, 2);
  await world.pass(30_000);
  const { frontier } = (await readAllCoverage(world.store)).catalog!;
  expect(frontier).toBeGreaterThan(second - 2000);
  expect(frontier).toBeLessThanOrEqual(second);
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
  world.cluster.slowReading("jobs", 10_000);
  world.startWriter();
  // Tables have been read by then, in the second reading too; jobs have not.
  await world.pass(12_000);
  world.cluster.createTable("test", "bills");
  await world.pass(9000);
  world.cluster.slowReading("jobs", 0);
  await world.pass(10_000);
  const { intervals } = (await readAllCoverage(world.store)).catalog!;
  const first = intervals.find(({ class: of }) => of === "exact")!;
  const tables = (await catalogAt(world.store, first.from)).tables();
  expect(tables.map(({ name }) => name)).toEqual(["bills", "orders"]);
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
