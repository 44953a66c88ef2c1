/** Changes under a condition on each kind of server: none of them is made while the condition does not hold. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import type { Target } from "../../src/rethinkdb/target.js";
import { r } from "../server/driver.js";
import { onEachServer } from "../server/each-server.js";

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const condition = {
  table: { db: "held", name: "records" },
  key: "record",
  path: ["holder", "unique"],
  value: "me",
  otherwise: () => new ThinkbackError("fenced", "another one writes"),
};
/** Its id is known when it is made. */
const table = { db: "held", name: "documents", id: "", primaryKey: "id" };
const made = { db: "held", name: "made", primaryKey: "id" };
const spec = { ...made, durability: "soft", writeAcks: "single", shards: 1, replicas: 1 };

/** Everything that changes a target, in an order in which each has something to change. */
const changes: [string, (target: Target) => Promise<unknown>][] = [
  ["write", (to) => to.write(table, [json({ id: 1, n: 2 }), json({ id: 3 })])],
  ["writeLarge", (to) => to.writeLarge(table, json(1), json({ id: 1, n: 3 }))],
  ["remove", (to) => to.remove(table, [json(3)])],
  [
    "replace",
    (to) =>
      to.replace(table, [{ key: json(9), expected: null, document: json({ id: 9 }) }], "soft"),
  ],
  ["createTable", (to) => to.createTable(spec, "refused")],
  ["setWriteHook", (to) => to.setWriteHook(made, null)],
  ["refuseWrites", (to) => to.refuseWrites(made, "not now")],
  ["createIndex", async (to) => to.createIndex(made, await anIndex(to))],
  ["dropIndex", (to) => to.dropIndex(made, "n")],
  ["renameTable", async (to) => to.renameTable(await idOf(to), "made", "renamed")],
  ["dropTable", (to) => to.dropTable({ db: "held", name: "renamed" })],
  ["createDatabase", (to) => to.createDatabase("more")],
  ["renameDatabase", (to) => to.renameDatabase("more", "most")],
  ["dropDatabase", (to) => to.dropDatabase("most")],
  ["createUser", (to) => to.createUser("somebody", "x")],
  ["grant", (to) => to.grant("somebody", { db: "held" }, { read: true })],
];

const idOf = async (target: Target) =>
  (await target.tables()).find(({ name }) => name === "made")?.id ?? "";

async function anIndex(target: Target) {
  return (await target.settings(table)).indexes.find(({ index }) => index === "n")!;
}

onEachServer("under a condition", (bench) => {
  let target: RethinkTarget;
  let onlyIf: RethinkTarget;
  const record = r.db("held").table("records");
  const holds = (unique: string | null) => {
    const holder = unique === null ? null : { unique };
    return bench().done(record.insert({ id: "record", holder }, { conflict: "replace" }));
  };

  beforeAll(async () => {
    const { host, port } = bench().server;
    const address = parseAddress(`rethinkdb://${host}:${port}`);
    target = new RethinkTarget("the server", dialer(address, "target"));
    onlyIf = target.onlyIf(condition);
    await bench().done(r.dbCreate("held"));
    for (const name of ["records", "documents"]) {
      await bench().done(r.db("held").tableCreate(name));
    }
    table.id = String(await bench().value(r.db("held").table("documents").info()("id")));
    await bench().done(r.db("held").table("documents").insert({ id: 1, n: 1 }));
    await bench().done(r.db("held").table("documents").indexCreate("n"));
  });

  beforeEach(() => holds("me"));
  afterAll(() => target.close());

  /** All that the changes would change. */
  const state = async () => {
    const config = ["table_config", "db_config", "permissions"];
    const of = (name: string) => r.db("rethinkdb").table(name).coerceTo("array");
    const rows = await Promise.all(config.map((name) => bench().value(of(name))));
    const documents = await bench().value(r.db("held").table("documents").coerceTo("array"));
    return JSON.stringify([...rows, documents, await target.users()]);
  };

  test.each(changes)("%s changes something only while it holds", async (_, change) => {
    for (const unique of ["another", null]) {
      await holds(unique);
      const before = await state();
      await expect(change(onlyIf)).rejects.toMatchObject({ code: "fenced" });
      expect(await state()).toBe(before);
    }
    await bench().done(record.delete());
    await expect(change(onlyIf)).rejects.toMatchObject({ code: "fenced" });
    await holds("me");
    const before = await state();
    await change(onlyIf);
    expect(await state()).not.toBe(before);
  });

  test("what only reads does not ask for it", async () => {
    await holds("another");
    expect(await onlyIf.documents(table, [json(9)])).toEqual([json({ id: 9 })]);
    expect(await onlyIf.databases()).toContain("held");
  });

  test("a refused large document is a refused document while it holds", async () => {
    const wrong = onlyIf.writeLarge(table, json(1), Buffer.from('{"id":1,"n":}'));
    await expect(wrong).rejects.toMatchObject({ code: "target" });
  });

  test("a refused document is one under a condition too", async () => {
    const wrong = onlyIf.write(table, [json({ n: 1 }), json({ id: {} })]);
    await expect(wrong).rejects.toMatchObject({ code: "target" });
  });
});
