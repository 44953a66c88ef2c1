/** A reading of the catalog through a server that is cut off: it does not know what others have made. */
import { beforeEach, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { catalogAt, readCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";

let world: SmallWorld;
let table: string;
/** What the readings lack. */
let isCutOff: boolean;
let isWithoutTable: boolean;

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  table = world.cluster.createTable("test", "orders");
  world.cluster.write("test", "orders", { put: { id: 1 } });
  [isCutOff, isWithoutTable] = [false, false];
});

const wrapSource = (source: Source) =>
  overriding(source, {
    readCatalog: async () => {
      const { servers, structure, ...reading } = await source.readCatalog();
      return {
        ...reading,
        servers: isCutOff ? servers.slice(0, 1) : servers,
        structure: structure.filter(({ key }) => !isWithoutTable || !key.includes(table)),
      };
    },
  });

const stateOf = async () => (await readCoverage(world.store)).get(table)?.state;
const isInCatalog = async () =>
  (await catalogAt(world.store, Number.MAX_SAFE_INTEGER)).tables().some(({ id }) => id === table);

test("a table that it does not tell is not gone; it is, when a reading has heard every server", async () => {
  world.startWriter({ wrapSource });
  await world.pass(10_000);
  expect([await stateOf(), await isInCatalog()]).toEqual(["live", true]);
  [isCutOff, isWithoutTable] = [true, true];
  await world.pass(20_000);
  expect([await stateOf(), await isInCatalog()]).toEqual(["live", true]);
  isCutOff = false;
  await world.pass(20_000);
  expect([await stateOf(), await isInCatalog()]).toEqual(["dropped", false]);
});

test("so it is for a capture that begins with such a reading", async () => {
  const first = world.startWriter({ wrapSource });
  await world.pass(10_000);
  first.stopInOrder();
  await world.pass(10_000);
  [isCutOff, isWithoutTable] = [true, true];
  world.startWriter({ wrapSource });
  await world.pass(20_000);
  expect([await stateOf(), await isInCatalog()]).toEqual(["gap", true]);
  [isCutOff, isWithoutTable] = [false, false];
  await world.pass(20_000);
  expect([await stateOf(), await isInCatalog()]).toEqual(["live", true]);
});
