/** A restore of selected documents: some keys, a range, what fits a query, one customer. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli } from "./cli.js";
import { Stage } from "./stage.js";

let stage: Stage;
let repo: string;
let restores = 0;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  for (const name of ["orders", "customers", "stock"]) {
    await stage.query(r.db("shop").tableCreate(name));
  }
  const order = (id: unknown) => ({ id, customer: { id: r.expr(id).mod(10) }, total: 1.5 });
  await stage.query(r.db("shop").table("orders").insert(r.range(1000).map(order)));
  await stage.query(
    r
      .db("shop")
      .table("customers")
      .insert(r.range(10).map((id: unknown) => ({ id }))),
  );
  expect((await stage.backUp(repo)).status).toBe(0);
});

afterAll(() => stage.close());

interface Result {
  at: string;
  notSelected: string[];
  accessAsOf: unknown;
  restored: { to: string; documents: number; passedOver: number | null; matches: boolean }[];
}

/** Restores into a new database; returns the result and the keys that it then has of the orders. */
async function restored(...more: string[]) {
  const db = `back${(restores += 1)}`;
  const result = await stage.restore(repo, "--rename", `shop=${db}`, ...more);
  const keys = await stage.query<number[]>(
    r.db(db).table("orders").orderBy("id")("id").coerceTo("array"),
  );
  return { db, keys, result: result as unknown as Result };
}

test("single keys, and no others are read", async () => {
  const { keys, result } = await restored("--db", "shop", "--key", "7", "--key", "999");
  expect(keys).toEqual([7, 999]);
  const orders = result.restored.find(({ to }) => to.endsWith(".orders"));
  expect(orders).toMatchObject({ documents: 2, passedOver: null, matches: true });
});

test("a range of keys", async () => {
  const { keys } = await restored(
    "--table",
    "shop.orders",
    "--between",
    "995..",
    "--rename",
    "a=b",
  ).catch((error: unknown) => ({ keys: String(error) }));
  expect(keys).toContain("renames nothing");
  const again = await restored("--db", "shop", "--between", "995..");
  expect(again.keys).toEqual([995, 996, 997, 998, 999]);
});

test("what fits a query, and how many documents were passed over", async () => {
  const query = '{"customer.id": 3, "id": {"$lt": 50}}';
  const { keys, result } = await restored("--db", "shop", "--where", query);
  expect(keys).toEqual([3, 13, 23, 33, 43]);
  const orders = result.restored.find(({ to }) => to.endsWith(".orders"));
  expect(orders).toMatchObject({ documents: 5, passedOver: 995, matches: true });
});

test("one customer of all tables; a table of which nothing is selected is named, and not made", async () => {
  const file = stage.repo("tenants.yaml");
  await writeFile(file, "shop.orders: customer.id\nshop.customers: id\n");
  const { db, keys, result } = await restored("--tenant", file, "--tenant-id", "4");
  expect(keys).toHaveLength(100);
  expect(new Set(keys.map((key) => key % 10))).toEqual(new Set([4]));
  expect(result.notSelected).toEqual(["shop.stock"]);
  // Whoever selects documents wants these, and no users.
  expect(result.accessAsOf).toBeNull();
  const names = await stage.query<string[]>(r.db(db).tableList());
  expect(names.sort()).toEqual(["customers", "orders"]);
});

/** Restores into a new database, and returns what was printed. */
function printed(...more: string[]) {
  const given = ["--repo", repo, "--target", stage.address, "--rename", `shop=b${(restores += 1)}`];
  return cli(["restore", ...given, ...more]);
}

async function mapping(name: string, text: string): Promise<string> {
  await writeFile(stage.repo(name), text);
  return stage.repo(name);
}

test("a mapping that names what was no table then is refused with the nearest name", async () => {
  const file = await mapping("typo.yaml", "shop.orders: customer.id\nshop.customer: id\n");
  const exported = ["export", "--repo", repo, "--format", "ndjson", "--out", stage.repo("out")];
  const given = ["--tenant", file, "--tenant-id", "4"];
  for (const { status, stderr } of [await printed(...given), await cli([...exported, ...given])]) {
    expect(stderr).toContain(
      `${file} names shop.customer, which was no table then (nearest: shop.customers)`,
    );
    expect(status).toBe(6);
  }
});

test("a mapping is named as the reason why tables are left out; one of no chosen table is refused", async () => {
  const file = await mapping("some.yaml", "shop.orders: customer.id\n");
  const { stdout } = await printed("--tenant", file, "--tenant-id", "4");
  expect(stdout).toContain(
    `left out, because they are not named in ${file}: shop.customers, shop.stock`,
  );
  const none = await printed("--table", "shop.stock", "--tenant", file, "--tenant-id", "4");
  expect(none.stderr).toContain("nothing is selected of any table");
  expect(none.status).toBe(2);
});

test("a field that no document has, a value of another type, and a key that is not there are said", async () => {
  const file = await mapping("field.yaml", "shop.orders: customerId\nshop.customers: id\n");
  const lacking = await printed("--tenant", file, "--tenant-id", "4");
  expect(lacking.stderr).toBe(
    "thinkback: no document of shop.orders that was looked at has a field customerId\n",
  );
  expect(lacking.status).toBe(0);
  const orders = ["--table", "shop.orders", "--rename", "shop.orders=shop.o1"];
  const select = (...more: string[]) =>
    cli(["restore", "--repo", repo, "--target", stage.address, ...orders, ...more]);
  const text = await select("--where", '{"customer.id": "4"}');
  expect(text.stderr).toBe(
    "thinkback: customer.id of shop.orders is a number in each document that was looked at, and a text was given\n",
  );
  await stage.query(r.db("shop").tableDrop("o1"));
  const keys = ["--key", "7", "--key", "7000", "--key", "x"];
  const missing = await select(...keys);
  expect(missing.stderr).toBe('thinkback: no document of shop.orders has the key 7000, "x"\n');
  const form = ["--table", "shop.orders", "--format", "ndjson", "--out", stage.repo("o.ndjson")];
  const exported = await cli(["export", "--repo", repo, ...form, ...keys]);
  expect(exported.stderr).toBe(missing.stderr);
  expect(exported.status).toBe(0);
});
