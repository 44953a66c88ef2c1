/** A restore with a mask on a real server: what it holds is masked, compared, and joins stay. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli } from "./cli.js";
import { Stage } from "./stage.js";

let stage: Stage;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  for (const name of ["orders", "customers"]) await stage.query(r.db("shop").tableCreate(name));
  const customer = (n: unknown) => ({
    id: r.expr("c").add(r.expr(n).coerceTo("string")),
    email: r.expr(n).coerceTo("string").add("@example.org"),
    born: new Date("1980-01-01T00:00:00Z"),
    joined: "2026-01-31",
    addresses: [{ street: "Main Street" }],
    note: { text: "secret" },
  });
  await stage.query(r.db("shop").table("customers").insert(r.range(50).map(customer)));
  const order = (n: unknown) => ({
    id: n,
    customer: r.expr("c").add(r.expr(n).mod(50).coerceTo("string")),
  });
  await stage.query(r.db("shop").table("orders").insert(r.range(200).map(order)));
  expect((await stage.backUp(repo)).status).toBe(0);
  await writeFile(stage.repo("mask.key"), "0123456789abcdef0123456789abcdef\n", { mode: 0o600 });
});

afterAll(() => stage.close());

async function restored(db: string, mask: string) {
  const file = stage.repo(`${db}.yaml`);
  await writeFile(file, mask);
  const given = ["--repo", repo, "--target", stage.address, "--db", "shop", "--mask", file];
  return cli(["restore", ...given, "--rename", `shop=${db}`]);
}

test("documents are masked, and the masked keys still join", async () => {
  const { status, stdout, stderr } = await restored(
    "masked",
    `key: {file: mask.key}
tables:
  shop.orders:
    customer: hash
  shop.customers:
    id: hash
    email: {constant: nobody@example.org}
    born: {shift: 3d}
    joined: {shift: 1d}
    addresses.street: "null"
    note: drop
`,
  );
  expect(stderr + status).toBe("0");
  expect(stdout).toMatch(/masked\.customers +50 .* equal, masked/);
  expect(stdout).toContain("masked.customers: masked addresses.street by null in 50 documents");
  const customers = r.db("masked").table("customers");
  const [one] = await stage.query<Record<string, unknown>[]>(customers.limit(1).coerceTo("array"));
  expect(one).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    email: "nobody@example.org",
    born: new Date("1980-01-04T00:00:00Z"),
    joined: "2026-02-01",
    addresses: [{ street: null }],
  });
  const orders = r.db("masked").table("orders");
  const joined = orders.filter((order: Term) => customers.get(order("customer")).ne(null));
  expect(await stage.query(joined.count())).toBe(200);
});

test("a table that is not named, and keys that fall together, are refused", async () => {
  const unnamed = await restored("unnamed", "tables: {shop.orders: {}}");
  expect(unnamed.stderr).toContain("does not say how shop.customers is masked");
  expect(unnamed.status).toBe(2);
  expect(await stage.query<string[]>(r.dbList())).not.toContain("unnamed");

  const { stderr, status } = await restored(
    "met",
    "tables: {shop.orders: {}, shop.customers: {id: {shift: 1d}}}",
  );
  expect(stderr).toContain('id of "c0" in shop.customers is no date');
  expect(stderr).toContain("not complete: met.customers");
  expect(status).toBe(2);
  expect(await stage.query(r.db("met").table("customers").insert({ id: 1 }))).toMatchObject({
    errors: 1,
  });
});
