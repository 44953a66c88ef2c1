import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../../src/format/description.js";
import { tableNamed } from "../../../src/repository/log/catalog.js";
import { lastSegment } from "../../../src/repository/log/log.js";
import { catalogAt } from "../looks.js";
import { copyOf, makeRepository, Recording, StillClock } from "../recording.js";

const config = (id: string, name: string, db = "shop") => ({ id, name, db, primary_key: "id" });

let repository: Repository;
let clock: StillClock;
beforeEach(async () => {
  repository = await makeRepository();
  clock = new StillClock(1000);
});

const tablesAt = async (instant: number) =>
  (await catalogAt(repository.store, instant)).tables().map(({ db, name }) => `${db}.${name}`);

describe("the catalog as of an instant", () => {
  test("is that of the last record at or before it, within ticks and across epochs", async () => {
    const first = await Recording.begin(repository, clock);
    first.catalog(["table", "t1"], config("t1", "orders"));
    first.catalog(["indexes", "t1"], { indexes: [] });
    await first.tick(); // to 2000
    clock.instant = 2500;
    first.catalog(["table", "t1"], config("t1", "renamed"));
    clock.instant = 2600;
    first.catalog(["table", "t2"], config("t2", "carts"));
    clock.instant = 2700;
    first.catalog(["table", "t1"], null);
    await first.tick(); // to 3700
    await first.tick(); // nothing: to 4701
    const second = await Recording.begin(repository, clock);
    clock.instant = 5000;
    second.catalog(["table", "t1"], config("t1", "again"));
    second.catalog(["indexes", "t1"], { indexes: [{ index: "by_name" }] });
    await second.tick(); // to 6000

    expect(await tablesAt(999)).toEqual([]);
    expect(await tablesAt(1000)).toEqual(["shop.orders"]);
    expect(await tablesAt(2499)).toEqual(["shop.orders"]);
    expect(await tablesAt(2500)).toEqual(["shop.renamed"]);
    expect(await tablesAt(2600)).toEqual(["shop.carts", "shop.renamed"]);
    expect(await tablesAt(2700)).toEqual(["shop.carts"]);
    expect(await tablesAt(4800)).toEqual(["shop.carts"]);
    expect(await tablesAt(4999)).toEqual(["shop.carts"]);
    expect(await tablesAt(5000)).toEqual(["shop.again", "shop.carts"]);
    const now = await catalogAt(repository.store, Number.MAX_SAFE_INTEGER);
    expect(now.indexes("t1")).toEqual([{ index: "by_name" }]);
    expect(now.indexes("t2")).toEqual([]);
    expect((await catalogAt(repository.store, 4999)).indexes("t1")).toEqual([]);
  });

  test("keeps kinds apart, and sorts by database and name", async () => {
    const recording = await Recording.begin(repository, clock);
    recording.catalog(["db", "d2"], { id: "d2", name: "shop" });
    recording.catalog(["db", "d1"], { id: "d1", name: "blog" });
    recording.catalog(["table", "t1"], config("t1", "b"));
    recording.catalog(["table", "t2"], config("t2", "a"));
    recording.catalog(["table", "t3"], config("t3", "z", "blog"));
    recording.catalog(["user", "table"], { id: "table" });
    await recording.tick();
    const catalog = await catalogAt(repository.store, Number.MAX_SAFE_INTEGER);
    expect(catalog.tables().map(({ id }) => id)).toEqual(["t3", "t2", "t1"]);
    expect(catalog.databases().map(({ name }) => name)).toEqual(["blog", "shop"]);
  });

  test("is never taken from an older segment because the right one is missing", async () => {
    const recording = await Recording.begin(repository, clock);
    recording.catalog(["table", "t1"], config("t1", "before"));
    await recording.tick();
    recording.catalog(["table", "t1"], config("t1", "after"));
    const to = await recording.tick();
    const { name } = (await lastSegment(repository.store))!;
    recording.put("t1", 1, { id: 1 });
    await recording.tick();
    repository = { ...repository, store: await copyOf(repository.store, { [name]: undefined }) };
    for (const instant of [to - 1, to, to + 1, Number.MAX_SAFE_INTEGER]) {
      await expect(tablesAt(instant)).rejects.toMatchObject({
        code: "damaged",
        message: `object ${name} is damaged: it is missing`,
      });
    }
    expect(await tablesAt(1500)).toEqual(["shop.before"]);
  });

  test.each(["not json", "5", '"text"', "true"])("tells a record that is %j", async (text) => {
    const recording = await Recording.begin(repository, clock);
    recording.log.append("catalog", Buffer.from('["table","t1"]'), null, Buffer.from(text));
    await recording.tick();
    const { name } = (await lastSegment(repository.store))!;
    await expect(tablesAt(5000)).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining(name) as string,
    });
  });
});

describe("tableNamed", () => {
  test("finds by database and name, and names what there is", async () => {
    const recording = await Recording.begin(repository, clock);
    recording.catalog(["table", "t1"], config("t1", "orders"));
    await recording.tick();
    const catalog = await catalogAt(repository.store, 9000);
    expect(tableNamed(catalog, "shop.orders", 9000).id).toBe("t1");
    for (const name of ["shop.order", "orders", "shop", ""]) {
      expect(() => tableNamed(catalog, name, 0)).toThrow(
        `there was no table ${name} at 1970-01-01T00:00:00.000+00:00`,
      );
    }
    expect(() => tableNamed(catalog, "x.y", 0)).toThrow(
      expect.objectContaining({ code: "unknown", hint: "tables known then: shop.orders" }) as Error,
    );
  });
});
