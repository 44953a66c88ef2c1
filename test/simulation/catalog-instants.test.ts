/**
 * A table's configuration and a database's name change at any moments, by whatever readings the catalog is followed. At an
 * instant that is exact for them the catalog has what they were then; an exact instant stays exact; and of what does not
 * change nothing becomes late.
 */
import { beforeEach, describe, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { catalogFor } from "../../src/repository/coverage/catalog-for.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import type { Coverage } from "../../src/repository/coverage/coverage-reader.js";
import type { CatalogReading } from "../../src/rethinkdb/catalog-reader.js";
import { errorClasses, ReqlError } from "../../src/rethinkdb/response.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { catalogAt, readAllCoverage } from "../repository/looks.js";
import { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";

const stepMs = 41;
const database = "0d000000-0000-4000-8000-000000000001";

let world: SmallWorld;
let changed: string;
let kept: string;
/** The number in both, and since when it is there. */
let names: { since: Instant; number: number }[];

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  changed = world.cluster.createTable("test", "orders");
  kept = world.cluster.createTable("test", "kept");
  names = [{ since: 0, number: 0 }];
});

/** One reading of so many lacks something: `without` takes it out. */
interface Lack {
  oneOf: number;
  /** True if it has not heard of changes either. */
  isOld: boolean;
  without: (reading: CatalogReading) => CatalogReading;
}

/** A source that reads what is there at the moment at which a reading ends. */
function readingNames(lack?: Lack) {
  let known = 0;
  return (source: Source) =>
    overriding(source, {
      readCatalog: async () => {
        const reading = await source.readCatalog();
        const lacks = lack && names.length > 1 && random.below(lack.oneOf) === 0;
        const number = lacks && lack.isOld ? known : names.at(-1)!.number;
        known = number;
        const structure = reading.structure.map(({ key, value }) => {
          const isChanged = key[0] === "table" && key[1] === changed;
          return { key, value: isChanged ? { ...value, durability: `soft_${number}` } : value };
        });
        const own = { key: ["db", database], value: { id: database, name: `db_${number}` } };
        const read = { ...reading, structure: [...structure, own] };
        return lacks ? lack.without(read) : read;
      },
    });
}

/** Exact instants by what they are exact for. */
type Exact = Map<string, Instant[]>;

/** The instants, a step apart, that are exact for the table and for the catalog of it; and so for the others. */
function exactIn(coverage: Coverage): Exact {
  const exact: Exact = new Map();
  for (const id of [changed, kept, database]) {
    const catalog = catalogFor(coverage, new Set([id]));
    const all = id === database ? [catalog] : [catalog, coverage.tables.get(id)];
    const at: Instant[] = [];
    for (let instant = start; instant < world.wall.now(); instant += stepMs) {
      if (all.every((of) => of && isExactAt(intervalAt(of, instant), instant))) at.push(instant);
    }
    exact.set(id, at);
  }
  return exact;
}

let start: Instant;

/** Renames for some time at random moments. Returns what was exact at any look meanwhile. */
async function rename(random: Random, changes: number, meanwhile: () => void): Promise<Exact> {
  const ever: Exact = new Map();
  for (let i = 0; i < changes; i += 1) {
    await world.pass(random.below(i % 3 === 0 ? 4000 : 900));
    names.push({ since: world.wall.now(), number: names.length });
    meanwhile();
    if (i % 3 > 0) continue;
    for (const [id, at] of exactIn(await readAllCoverage(world.store))) {
      ever.set(id, [...new Set([...(ever.get(id) ?? []), ...at])]);
    }
  }
  await world.pass(12_000);
  return ever;
}

/** Exact instants with a name of another time, and those that are not exact any more; and how many are exact. */
async function judged(ever: Exact) {
  const coverage = await readAllCoverage(world.store);
  const exact = exactIn(coverage);
  const wrong: string[] = [];
  for (const id of [changed, database]) {
    for (const at of exact.get(id)!) {
      const catalog = await catalogAt(world.store, at);
      const name =
        id === changed
          ? catalog.tables().find((one) => one.id === id)?.durability
          : catalog.databases().find((one) => one.id === id)?.name;
      const { since, number } = names.findLast((one) => one.since <= at)!;
      const isRight =
        name?.endsWith(`_${number}`) || (since === at && name?.endsWith(`_${number - 1}`));
      if (!isRight) wrong.push(`${name} at ${at}, which was ${number} since ${at - since} ms`);
    }
  }
  const lost = [...ever].flatMap(([id, at]) => at.filter((one) => !exact.get(id)!.includes(one)));
  const of = (id: string) => exact.get(id)!.length;
  return { wrong, lost, changed: of(changed), kept: of(kept), database: of(database) };
}

const random = new Random(7);
function failing(): never {
  throw new ReqlError("not now", errorClasses.opFailed);
}

/** The row of a table of whose replicas none can be asked. */
function withoutTable(reading: CatalogReading): CatalogReading {
  const structure = reading.structure.map(({ key, value }) => {
    const isUntold = key[0] === "table" && key[1] === changed;
    return { key, value: isUntold ? { ...value, error: "no replica" } : value };
  });
  return { ...reading, structure };
}

function withoutServer(reading: CatalogReading): CatalogReading {
  const servers = reading.servers.filter(({ name }) => name !== "simulated_2");
  return { ...reading, servers, beyond: [] };
}

describe("what changes between readings", () => {
  const ways: [string, Lack | undefined, number][] = [
    ["all right", undefined, 0],
    ["slow", undefined, 900],
    ["that fail now and then", { oneOf: 4, isOld: true, without: failing }, 0],
    ["that do not tell the table", { oneOf: 3, isOld: false, without: withoutTable }, 0],
    ["without a server now and then", { oneOf: 4, isOld: true, without: withoutServer }, 0],
  ];
  test.each(ways)("by readings %s", async (_, lack, slowMs) => {
    world.startWriter({ wrapSource: readingNames(lack) });
    await world.pass(8000);
    start = world.wall.now();
    const ever = await rename(random, 40, () => {
      if (slowMs > 0) world.cluster.slowReading("table_config", random.below(slowMs));
    });
    const { wrong, lost, ...exact } = await judged(ever);
    expect({ wrong, lost }).toEqual({ wrong: [], lost: [] });
    expect(Math.min(...Object.values(exact))).toBeGreaterThan(100);
    expect(exact.kept).toBeGreaterThan(exact.changed);
  });

  test("while one capture goes on in another's place", async () => {
    const wrapSource = readingNames();
    let writer = world.startWriter({ isAlive: () => true, wrapSource });
    await world.pass(8000);
    start = world.wall.now();
    const ever: Exact[] = [];
    for (let i = 0; i < 3; i += 1) {
      const next = world.startWriter({ takeOver: true, isAlive: () => true, wrapSource });
      ever.push(await rename(random, 9, () => undefined));
      expect(writer.handedOver).toBe(true);
      writer = next;
    }
    for (const one of ever) {
      const { wrong, lost } = await judged(one);
      expect({ wrong, lost }).toEqual({ wrong: [], lost: [] });
    }
    const { kept: exact, changed: less } = await judged(new Map());
    expect(less).toBeGreaterThan(100);
    expect(exact).toBeGreaterThan(less);
  });
});
