/** A reading of the catalog in which a row is not as rows are. */
import { describe, expect, test } from "vitest";
import type { TableConfig } from "../../src/catalog-record.js";
import { readCatalog } from "../../src/rethinkdb/catalog-reader.js";
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
    const text = JSON.stringify(term);
    const isTables = text.includes('"table_config"');
    const answered = text.includes('"server_status"') ? [[]] : isTables ? rows : [];
    answer({ t: responseTypes.sequence, r: answered, n: [] });
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
      error: expect.stringContaining("has an unknown form: {"),
    });
  },
);

test("a row of a table without reachable replicas stays as it is", async () => {
  const unreachable = { id: "2", db: "shop", name: "carts", error: "no replica" };
  expect(await tablesOf(unreachable)).toEqual([unreachable]);
});

describe("the servers of a reading", () => {
  const [a, b, c] = ["a", "b", "c"].map((name, i) => ({
    id: `0000000${i}-0000-4000-8000-000000000000`,
    name,
    connected: 10.5,
    sees: ["a", "b", "c"].filter((other) => other !== name),
  }));

  /** Of a reading before and after which the server that is asked says this of those that it is connected to. */
  async function serversOf(before: object[], after: object[]) {
    let readings = 0;
    const channel = scriptedChannel(({ query: [, term] }, answer) => {
      const isServers = JSON.stringify(term).includes('"server_status"');
      if (isServers) readings += 1;
      const rows = isServers ? [readings === 1 ? before : after] : [];
      answer({ t: responseTypes.sequence, r: rows, n: [] });
    });
    const { servers, beyond } = await readCatalog(new Connection(channel));
    return { names: servers.map(({ name }) => name), beyond };
  }

  test("are not those that were given up meanwhile", async () => {
    expect(await serversOf([a!, b!, c!], [a!])).toEqual({ names: ["a"], beyond: [] });
  });

  test("are not those that were lost meanwhile and are back", async () => {
    const back = { ...b!, connected: 11.25 };
    expect((await serversOf([a!, b!, c!], [a!, back, c!])).names).toEqual(["a", "c"]);
  });

  test("are not those that only others see", async () => {
    const seen = { ...c!, sees: ["a", b!.id, "proxy-0000000f-0000-4000-8000-000000000000"] };
    expect(await serversOf([a!, seen], [a!, seen])).toEqual({ names: ["a", "c"], beyond: [b!.id] });
  });
});

test("nothing is read before all servers have answered", async () => {
  let sent = 0;
  let sentWhileAsked: number | undefined;
  const channel = scriptedChannel(({ query: [, term] }, answer) => {
    const text = JSON.stringify(term);
    const r = text.includes('"server_status"') ? [[]] : [];
    sent += 1;
    if (!text.includes('"jobs"')) return answer({ t: responseTypes.sequence, r, n: [] });
    // The connections are looked at first: one that is lost and made anew while jobs are asked for is another one.
    expect(text.indexOf('"server_status"')).toBeLessThan(text.indexOf('"jobs"'));
    setTimeout(() => {
      sentWhileAsked = sent;
      answer({ t: responseTypes.sequence, r, n: [] });
    }, 20);
  });
  await readCatalog(new Connection(channel));
  expect(sentWhileAsked).toBe(1);
  expect(sent).toBe(6);
});

test("a row of which it is not known whose it is makes the reading unfit: its table must not seem dropped", async () => {
  await expect(tablesOf(sound, { ...sound, id: null })).rejects.toThrow("names no table");
});

test("a table that is made anew while the catalog is read does not seem to lose its indexes", async () => {
  const status = { index: "by_a", function: {}, multi: false, geo: false, outdated: false };
  /** @param whose the id of the table that the name stands for when it is asked for its indexes */
  const indexesOf = async (whose: string) => {
    const channel = scriptedChannel(({ query: [, term] }, answer) => {
      const text = JSON.stringify(term);
      const rows = text.includes('"table_config"') ? [{ ...sound, indexes: ["by_a"] }] : [];
      const isHeld = text.startsWith("[64,");
      if (isHeld) answer({ t: responseTypes.atom, r: [[[status], whose]], n: [] });
      else if (text.includes("[139,")) answer({ t: responseTypes.atom, r: [[[status]]], n: [] });
      else if (text.includes('"server_status"'))
        answer({ t: responseTypes.sequence, r: [[]], n: [] });
      else answer({ t: responseTypes.sequence, r: rows, n: [] });
    });
    const { structure } = await readCatalog(new Connection(channel));
    return structure.filter(({ key }) => key[0] === "indexes");
  };
  expect(await indexesOf(sound.id)).toHaveLength(1);
  expect(await indexesOf("another")).toEqual([]);
});
