/** Where fences are laid, and what is shown of it, on the simulated and on a real server. */
import { beforeAll, expect, test } from "vitest";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { areMet, chooseRanges } from "../../src/rethinkdb/fence-ranges.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { r } from "../server/driver.js";
import { onEachServer } from "../server/each-server.js";

const reference = (name: string): TableReference => ({
  id: "",
  db: "ranges",
  name,
  primaryKey: "id",
});
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const keysFrom = (first: string) => numbers(1000).map((i) => `${first}${1000 + i}`);
const parsed = (key: Buffer | undefined) => key && (JSON.parse(key.toString()) as string);
const json = (key: string) => Buffer.from(JSON.stringify(key));

onEachServer("ranges of fences", (bench) => {
  let connection: Connection;
  const table = (name: string) => r.db("ranges").table(name);
  const make = async (name: string, shards: number, keys: string[]) => {
    await bench().value(r.db("ranges").tableCreate(name, { shards }));
    await bench().value(table(name).insert(keys.map((id) => ({ id }))));
  };

  beforeAll(async () => {
    const { host, port } = bench().server;
    connection = new Connection(
      await dialer(parseAddress(`rethinkdb://${host}:${port}`), "target")(),
    );
    await bench().done(r.dbCreate("ranges"));
    // A new table is split as if its keys were to be UUIDs.
    await make("empty", 4, []);
    await make("small", 1, keysFrom("0").slice(0, 90));
    await make("large", 1, keysFrom("0"));
    await make("halves", 4, [...keysFrom("0"), ...keysFrom("8")]);
  });

  test.each(["empty", "small"])("a table without many documents is one range: %s", async (name) => {
    const chosen = await chooseRanges(connection, reference(name));
    // No key of it was read.
    expect(chosen).toEqual({
      ranges: [{ from: undefined, to: undefined }],
      anchors: [],
      begins: [],
    });
    expect(await areMet(connection, reference(name), chosen!)).toBe(true);
  });

  test.each([
    ["large", 1],
    ["halves", 2],
  ])(
    "the ranges of a large one hold few documents, and what is between them is in one shard: %s",
    async (name, full) => {
      const chosen = (await chooseRanges(connection, reference(name)))!;
      const { ranges, begins } = chosen;
      expect(ranges).toHaveLength(full + 1);
      expect(ranges.map(({ from }) => from)).toEqual([undefined, ...begins]);
      expect(ranges.at(-1)!.to).toBeUndefined();
      expect(await areMet(connection, reference(name), chosen)).toBe(true);
      const counts = ranges.map(({ from, to }) =>
        table(name)
          .between(parsed(from) ?? r.minval, parsed(to) ?? r.maxval, {
            rightBound: "closed",
          })
          .count(),
      );
      const found = (await bench().value(r.expr(counts))) as number[];
      expect(found.every((count) => count > 0 && count < 200)).toBe(true);
    },
  );

  test("a key before which none of its shard is known is not met, nor is one whose document is gone", async () => {
    const { anchors, begins } = (await chooseRanges(connection, reference("halves")))!;
    const lower = anchors.filter((anchor) => parsed(anchor)! < "8");
    expect(lower).toHaveLength(8);
    const met = (behind: Buffer[], keys: Buffer[]) =>
      areMet(connection, reference("halves"), { ranges: [], anchors: behind, begins: keys });
    expect(await met(lower, begins.slice(0, 1))).toBe(true);
    expect(await met(lower, begins.slice(1))).toBe(false);
    expect(await met(lower, begins)).toBe(false);
    expect(await met(anchors, [...begins, json("81x")])).toBe(false);
  });
});
