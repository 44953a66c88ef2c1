/** Guarded replacements of documents that are about as large as a query may be, on each kind of server. */
import { beforeAll, expect, test } from "vitest";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { onEachServer } from "../server/each-server.js";

const table = { id: "", db: "guarded", name: "large", primaryKey: "id" };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

onEachServer("a replacement of a large document", (bench) => {
  let target: RethinkTarget;
  const live = async (key: unknown) => (await target.documents(table, [json(key)]))[0]!;

  beforeAll(async () => {
    const { host, port } = bench().server;
    const dial = dialer(parseAddress(`rethinkdb://${host}:${port}`), "target");
    target = new RethinkTarget("the server", dial);
    await target.createDatabase(table.db);
    const settings = { durability: "soft", writeAcks: "majority", shards: 1, replicas: 1 };
    table.id = await target.createTable({ ...table, ...settings });
  });

  test("takes no more room than what differs; what is too large is refused by itself", async () => {
    const large = (n: number) => {
      return Buffer.from(`{"id":"large","n":${n},"text":"${"x".repeat(60 * 1024 * 1024)}"}`);
    };
    await target.writeLarge(table, json("large"), large(0));
    const [expected] = await target.documents(table, [json("large")]);
    expect(expected?.equals(large(0))).toBe(true);
    const quotes = Buffer.from(`{"id":"quotes","text":"${'\\"'.repeat(33 * 1024 * 1024)}"}`);
    const writes = [
      { key: json("large"), expected: expected!, document: large(1) },
      { key: json("quotes"), expected: null, document: quotes },
      { key: json("small"), expected: null, document: json({ id: "small" }) },
    ];
    expect(await target.replace(table, writes, "soft")).toEqual([
      "written",
      { refused: expect.stringMatching(/bytes of a query/) as string },
      "written",
    ]);
    expect((await live("large"))?.equals(large(1))).toBe(true);
    expect(await live("quotes")).toBeNull();
  }, 120_000);
});
