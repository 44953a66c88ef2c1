/** The order of primary keys, and reading by key and range, on the simulated and on a real server. */
import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { r } from "./driver.js";
import { elements, onEachServer } from "./each-server.js";

onEachServer("keys", (bench) => {
  const table = r.db("keys").table("t");
  /** In the order of the index. */
  const keys = [
    "[]",
    "[1]",
    '[1,"a"]',
    "[2]",
    '["a"]',
    "false",
    "true",
    "-1e300",
    "-2.5",
    "-1",
    "0",
    "5e-324",
    "0.1",
    "1",
    "2",
    "10",
    "1e300",
    '{"$reql_type$":"BINARY","data":""}',
    '{"$reql_type$":"BINARY","data":"AAE="}',
    '{"$reql_type$":"BINARY","data":"AQ=="}',
    '{"$reql_type$":"TIME","epoch_time":-1,"timezone":"+00:00"}',
    '{"$reql_type$":"TIME","epoch_time":1.5,"timezone":"+02:00"}',
    '""',
    '"A"',
    '"a"',
    '"aa"',
    '"b"',
    '"é"',
    '"\uffff"',
    '"😀"',
  ];
  const open = { leftBound: "open", rightBound: "open" };
  const pageOf = (from: unknown, size: number) =>
    table.between(from, r.maxval, open).orderBy({ index: "id" }).limit(size);
  const pageBefore = (to: unknown, size: number) =>
    table
      .between(r.minval, to, open)
      .orderBy({ index: r.desc("id") })
      .limit(size);

  beforeAll(async () => {
    await bench().done(r.dbCreate("keys"));
    await bench().done(r.db("keys").tableCreate("t"));
    const shuffled = keys.toSorted((a, b) => (a + a.length < b + b.length ? -1 : 1));
    await bench().done(table.insert(r.json(`[${shuffled.map((key) => `{"id":${key}}`).join()}]`)));
    await bench().done(table.indexCreate("by_id", (row: (name: string) => unknown) => row("id")));
    await bench().done(table.indexWait());
  });

  test.each([
    ["rising", 1],
    ["rising", 3],
    ["rising", 7],
    ["rising", 100],
    ["falling", 1],
    ["falling", 7],
    ["falling", 100],
  ])("scanning them %s, %i at a time, gives them in order", async (order, size) => {
    const scanned: string[] = [];
    const pageFrom = order === "rising" ? pageOf : pageBefore;
    let from: unknown = order === "rising" ? r.minval : r.maxval;
    for (;;) {
      const response = await bench().ask(pageFrom(from, size));
      const rows = elements(response) as { id: unknown }[];
      if (rows.length === 0) break;
      scanned.push(
        ...[...response.matchAll(/\{"id":(.*?)\}(?=,\{"id"|\])/g)].map(([, key]) => key ?? ""),
      );
      from = r.expr(rows.at(-1)!.id);
    }
    expect(scanned).toEqual(order === "rising" ? keys : keys.toReversed());
  });

  test("between two keys of which the first is not below the second is nothing", async () => {
    const [low, high] = [keys[3]!, keys[20]!].map((key) => r.json(key));
    for (const [from, to] of [
      [high, low],
      [low, low],
    ]) {
      const range = table.between(from, to, open);
      expect(elements(await bench().ask(range.orderBy({ index: "id" })))).toEqual([]);
      expect(elements(await bench().ask(range.orderBy({ index: r.desc("id") })))).toEqual([]);
    }
  });

  test("the same in descending order, and by a secondary index", async () => {
    const rows = (response: string) =>
      elements(response).map((row) => JSON.stringify((row as { id: unknown }).id));
    const ascending = rows(await bench().ask(table.orderBy({ index: "id" })));
    expect(rows(await bench().ask(table.orderBy({ index: r.desc("id") })))).toEqual(
      ascending.toReversed(),
    );
    expect(rows(await bench().ask(table.orderBy({ index: "by_id" })))).toEqual(ascending);
  });

  test("bounds are open or closed, and must not be null", async () => {
    const count = async (options: object) => bench().value(table.between(1, 10, options).count());
    expect(await count({})).toBe(2);
    expect(await count({ rightBound: "closed" })).toBe(3);
    expect(await count({ leftBound: "open", rightBound: "closed" })).toBe(2);
    expect(
      await bench().value(table.between(1, 10, { index: "by_id", leftBound: "open" }).count()),
    ).toBe(1);
    expect(await bench().value(table.getAll("a", "b", "nope").count())).toBe(2);
    expect(await bench().value(table.getAll("a", { index: "by_id" }).count())).toBe(1);
    expect(await bench().ask(table.between(null, 1))).toContain("Cannot use `null` in BETWEEN");
    expect(await bench().ask(table.getAll(1, { index: "none" }))).toContain(
      "Index `none` was not found on table `keys.t`.",
    );
  });

  test("the checksum of a range", async () => {
    const text = (id: unknown) => JSON.stringify({ id });
    const expected = ["a", "aa"].map((id) => {
      const bytes = createHash("sha1")
        .update(Buffer.from("91461c99f89d49d2af96d8e2e14e9b58", "hex"))
        .update(text(id))
        .digest();
      return bytes.readUIntBE(10, 6);
    });
    const digest = (row: { toJsonString(): unknown }) =>
      r
        .uuid(row.toJsonString())
        .split("-")
        .do((parts: { nth(n: number): unknown }) => ({
          n: 1,
          a: r.expr("0x").add(parts.nth(4)).coerceTo("number"),
        }));
    const sum = (
      x: (name: string) => { add(y: unknown): unknown },
      y: (name: string) => unknown,
    ) => ({
      n: x("n").add(y("n")),
      a: r.bitXor(x("a"), y("a")),
    });
    const checksum = (from: string, to: string) =>
      table
        .between(from, to, { rightBound: "open" })
        .map(digest)
        .reduce(sum)
        .default({ n: 0, a: 0 });
    const xor = BigInt(expected[0]!) ^ BigInt(expected[1]!);
    expect(await bench().value(checksum("a", "b"))).toEqual({ n: 2, a: Number(xor) });
    expect(await bench().value(checksum("c", "d"))).toEqual({ n: 0, a: 0 });
  });
});
