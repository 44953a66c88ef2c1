/** A reading of the catalog in which a row is not as rows are. */
import { expect, test } from "vitest";
import { readCatalog, type TableConfig } from "../../src/rethinkdb/catalog-reader.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { responseTypes } from "../../src/rethinkdb/response.js";
import { scriptedChannel } from "./scripted-channel.js";

const sound = {
  id: "1",
  db: "shop",
  name: "orders",
  primary_key: "id",
  indexes: [],
  write_hook: null,
  shards: [{ primary_replica: "a", replicas: ["a"], nonvoting_replicas: [] }],
  write_acks: "majority",
  durability: "hard",
};

/** The tables of the catalog of a server whose `table_config` has these rows. */
async function tablesOf(...rows: unknown[]): Promise<TableConfig[]> {
  const channel = scriptedChannel(({ query: [, term] }, answer) => {
    const isTables = JSON.stringify(term).includes('"table_config"');
    answer({ t: responseTypes.sequence, r: isTables ? rows : [], n: [] });
  });
  const { structure } = await readCatalog(new Connection(channel));
  return structure.filter(({ key }) => key[0] === "table").map(({ value }) => value as TableConfig);
}

test.each([
  ["no shards", { shards: undefined }],
  ["shards of another form", { shards: [null] }],
  ["no list of indexes", { indexes: null }],
  ["no primary key", { primary_key: 7 }],
])(
  "a row with %s is of a table of which nothing is known, and costs no other table anything",
  async (_, odd) => {
    const [first, second] = await tablesOf(sound, { ...sound, id: "2", name: "carts", ...odd });
    expect(first).toEqual(sound);
    expect(second).toEqual({
      id: "2",
      db: "shop",
      name: "carts",
      error: expect.stringContaining("has a form that is not known: {"),
    });
  },
);

test("a row of a table without reachable replicas stays as it is", async () => {
  const unreachable = { id: "2", db: "shop", name: "carts", error: "no replica" };
  expect(await tablesOf(unreachable)).toEqual([unreachable]);
});

test("a server that was given up while the catalog was read has no part in it", async () => {
  const servers = ["a", "b", "c"].map((name) => ({ id: name, name }));
  let readings = 0;
  const channel = scriptedChannel(({ query: [, term] }, answer) => {
    const isServers = JSON.stringify(term).includes('"server_config"');
    if (isServers) readings += 1;
    const rows = isServers ? servers.slice(0, readings === 1 ? 3 : 1) : [];
    answer({ t: responseTypes.sequence, r: rows, n: [] });
  });
  const reading = await readCatalog(new Connection(channel));
  expect(reading.servers).toEqual(servers.slice(0, 1));
});

test("a row of which it is not known whose it is makes the reading unfit: its table must not seem dropped", async () => {
  await expect(tablesOf(sound, { ...sound, id: null })).rejects.toThrow("is of no table");
});

test("a table that is made anew while the catalog is read does not seem to lose its indexes", async () => {
  const status = { index: "by_a", function: {}, multi: false, geo: false, outdated: false };
  const indexesOf = async (statuses: object[]) => {
    const channel = scriptedChannel(({ query: [, term] }, answer) => {
      const text = JSON.stringify(term);
      const rows = text.includes('"table_config"') ? [{ ...sound, indexes: ["by_a"] }] : [];
      if (text.includes("[139,")) answer({ t: responseTypes.atom, r: [[statuses]], n: [] });
      else answer({ t: responseTypes.sequence, r: rows, n: [] });
    });
    const { structure } = await readCatalog(new Connection(channel));
    return structure.filter(({ key }) => key[0] === "indexes");
  };
  expect(await indexesOf([status])).toHaveLength(1);
  expect(await indexesOf([])).toEqual([]);
  expect(await indexesOf([{ ...status, index: "by_b" }])).toEqual([]);
});
