/** Guarded replacements on each kind of server: the guard compares the very text that the server sends. */
import { beforeAll, describe, expect, test } from "vitest";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import type { GuardedWrite } from "../../src/rethinkdb/target.js";
import { r } from "../server/driver.js";
import { onEachServer } from "../server/each-server.js";

const table = { id: "", db: "guarded", name: "documents", primaryKey: "id" };
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

onEachServer("a guarded replacement", (bench) => {
  let target: RethinkTarget;
  const documents = r.db(table.db).table(table.name);
  const replace = (writes: GuardedWrite[]) => target.replace(table, writes, "soft");
  const live = async (key: unknown) => (await target.documents(table, [json(key)]))[0]!;

  beforeAll(async () => {
    const { host, port } = bench().server;
    target = new RethinkTarget(
      "the server",
      dialer(parseAddress(`rethinkdb://${host}:${port}`), "target"),
    );
    await bench().done(r.dbCreate(table.db));
    await bench().done(r.db(table.db).tableCreate(table.name));
    table.id = (await bench().value(documents.info()("id"))) as string;
  });

  const values: [string, unknown][] = [
    ["numbers", [1, -1.5, 1e300, 5e-324, 0.1, 123456789012345680]],
    ["a time", r.ISO8601("2026-11-28T01:00:00.123+05:30")],
    ["binary", r.binary(Buffer.from([0, 255, 10, 128]))],
    ["a geometry", r.point(8.5, 47.25)],
    ["text", 'quote " backslash \\ newline \n control \u0001 euro € emoji 😀 slash / del \u007f'],
    ["nesting", { a: { b: [{ c: null }, true, false, {}] }, "": 1, "b.c": 2, ä: 3 }],
    ["minus zero", r.expr(0).mul(-1)],
  ];

  test.each(values)("finds a document with %s to be what it sent", async (name, value) => {
    await bench().done(documents.insert(r.expr({ id: name, value: r.expr(value as object) })));
    const text = await live(name);
    const [outcome] = await replace([
      { key: json(name), expected: text, document: json({ id: name, now: "replaced" }) },
    ]);
    expect(outcome).toBe("written");
    expect((await live(name))?.toString()).toBe(`{"id":${JSON.stringify(name)},"now":"replaced"}`);
    // And back, byte for byte.
    await replace([{ key: json(name), expected: await live(name), document: text }]);
    expect((await live(name))?.toString("latin1")).toBe(text?.toString("latin1"));
  });

  describe("leaves a document alone", () => {
    test("that was changed meanwhile, and says so", async () => {
      await bench().done(documents.insert({ id: "moved", n: 2 }));
      const expected = json({ id: "moved", n: 1 });
      const write = { key: json("moved"), expected, document: json({ id: "moved", n: 0 }) };
      expect(await replace([write])).toEqual(["moved"]);
      expect(await live("moved")).toEqual(json({ id: "moved", n: 2 }));
    });

    test("that differs in the sign of zero or the zone of a time alone", async () => {
      await bench().done(documents.insert({ id: "zero", n: r.expr(0).mul(-1) }));
      const expected = json({ id: "zero", n: 0 });
      const write = { key: json("zero"), expected, document: null };
      expect(await replace([write])).toEqual(["moved"]);
    });

    test("that is there although none was expected, or is not there", async () => {
      await bench().done(documents.insert({ id: "there" }));
      const writes = [
        { key: json("there"), expected: null, document: json({ id: "there", n: 1 }) },
        { key: json("gone"), expected: json({ id: "gone" }), document: null },
        {
          key: json("gone too"),
          expected: json({ id: "gone too" }),
          document: json({ id: "gone too", n: 1 }),
        },
      ];
      expect(await replace(writes)).toEqual(["moved", "moved", "moved"]);
      expect(
        await target.documents(
          table,
          writes.map(({ key }) => key),
        ),
      ).toEqual([json({ id: "there" }), null, null]);
    });
  });

  test("refuses a document that the server does not add, though it does not name it", async () => {
    const add = (key: unknown) => ({ key: json(key), expected: null, document: json({ id: key }) });
    await bench().done(documents.insert({ id: "added before" }));
    const long = "k".repeat(200);
    const present = { key: json("not there"), expected: json({ id: "not there" }), document: null };
    expect(await replace([add("added"), add(long), present, add("added before")])).toEqual([
      "written",
      { refused: expect.stringMatching(/^Primary key too long/) as string },
      "moved",
      "moved",
    ]);
  });

  test("refuses a change of the sign of a zero or the zone of a time alone, which the server does not make", async () => {
    const time = (zone: string) => r.ISO8601(`2026-11-28T01:00:00${zone}`);
    await bench().done(
      documents.insert([
        { id: "sign", n: r.expr(0).mul(-1) },
        { id: "zone", at: time("+05:30") },
        { id: "both", n: 1, at: time("+05:30") },
      ]),
    );
    const keys = ["sign", "zone", "both"];
    const texts = await target.documents(table, keys.map(json));
    const changed = (text: Buffer | null) =>
      Buffer.from(
        String(text).replace("-0.0", "0").replace('"n":1', '"n":2').replace("+05:30", "+00:00"),
      );
    const outcomes = await replace(
      texts.map((expected, i) => {
        return { key: json(keys[i]), expected, document: changed(expected) };
      }),
    );
    const refused = { refused: expect.stringMatching(/the zone of a time or the sign/) as string };
    expect(outcomes).toEqual([refused, refused, "written"]);
    const now = await target.documents(table, keys.map(json));
    expect(now.map(String)).toEqual([texts[0], texts[1], changed(texts[2]!)].map(String));
  });

  test("inserts, deletes and refuses, each by itself, in one request", async () => {
    await bench().done(documents.insert([{ id: 1 }, { id: 2 }]));
    const outcomes = await replace([
      { key: json(1), expected: json({ id: 1 }), document: null },
      { key: json(3), expected: null, document: json({ id: 3, made: true }) },
      { key: json(2), expected: json({ id: 2 }), document: json({ id: 4 }) },
      { key: json(["a", 1]), expected: null, document: json({ id: ["a", 1] }) },
    ]);
    expect(outcomes).toEqual([
      "written",
      "written",
      { refused: expect.stringMatching(/Primary key/) as string },
      "written",
    ]);
    expect(await target.documents(table, [json(1), json(2), json(3), json(["a", 1])])).toEqual([
      null,
      json({ id: 2 }),
      json({ id: 3, made: true }),
      json({ id: ["a", 1] }),
    ]);
  });

  test("sets and takes away the fields that differ, whatever they are called and hold", async () => {
    const before = {
      id: "fields",
      same: [1],
      gone: { a: 1 },
      joined: { a: 1 },
      "a.b": 1,
      'q"ä': 1,
    };
    const after = { id: "fields", same: [1], joined: { b: 2 }, "a.b": { a: 2 }, 'q"ä': null };
    await bench().done(documents.insert({ ...before }));
    const expected = await live("fields");
    const document = json(after);
    expect(await replace([{ key: json("fields"), expected, document }])).toEqual(["written"]);
    expect(JSON.parse(String(await live("fields")))).toEqual(after);
  });

  test("is refused, as every read and write is, once another table has the name", async () => {
    const named = r.db(table.db).table("named");
    await bench().done(r.db(table.db).tableCreate("named"));
    const id = (await bench().value(named.info()("id"))) as string;
    const before = { id, db: table.db, name: "named", primaryKey: "id" };
    await bench().done(named.config().update({ name: "named_old" }));
    await bench().done(r.db(table.db).tableCreate("named"));
    await bench().done(named.insert({ id: 1 }));
    const [key, document] = [json(1), json({ id: 1, n: 1 })];
    for (const refused of [
      () => target.replace(before, [{ key, expected: json({ id: 1 }), document }], "soft"),
      () => target.replace(before, [{ key, expected: json({ id: 1 }), document: null }], "hard"),
      () =>
        target.replace(
          before,
          [{ key: json(2), expected: null, document: json({ id: 2 }) }],
          "soft",
        ),
      () => target.documents(before, [key]),
      () => target.write(before, [document]),
      () => target.writeLarge(before, key, document),
      () => target.remove(before, [key]),
      () => target.sync(before),
      () => target.checkMayReplace(before),
    ]) {
      await expect(refused()).rejects.toThrow(`guarded.named is not the table ${id} any more`);
    }
    expect(await bench().value(named.coerceTo("array"))).toEqual([{ id: 1 }]);
  });

  test("needs read, write and config on the table, which is known before any is made", async () => {
    const { host, port } = bench().server;
    const named = r.db("rethinkdb").table("users");
    await bench().done(named.insert({ id: "clerk", password: "secret" }));
    const dial = dialer(parseAddress(`rethinkdb://clerk:secret@${host}:${port}`), "target");
    const clerk = new RethinkTarget("the server", dial);
    const may: Record<string, boolean> = {};
    for (const permission of ["read", "write", "config"]) {
      await expect(clerk.checkMayReplace(table)).rejects.toThrow(/permi/);
      may[permission] = true;
      await bench().done(documents.grant("clerk", may));
    }
    await clerk.checkMayReplace(table);
    expect(await live("thinkback")).toBeNull();
    clerk.close();
  });
});
