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

async function restored(db: string, mask: string, ...more: string[]) {
  const file = stage.repo(`${db}.yaml`);
  await writeFile(file, mask);
  const given = ["--repo", repo, "--target", stage.address, "--db", "shop", "--mask", file];
  return cli(["restore", ...given, "--rename", `shop=${db}`, ...more]);
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

test("a mistyped rule ends the restore before its table takes writes, unless it is allowed", async () => {
  const rules = "tables: {shop.orders: {}, shop.customers: {e-mail: drop}}";
  const refused = await restored("typo", rules);
  expect(refused.stderr).toContain("no document of shop.customers has the field e-mail");
  expect(refused.stderr).toContain("fields there: email");
  expect(refused.status).toBe(6);
  const insert = r.db("typo").table("customers").insert({ id: 1 });
  expect(await stage.query(insert)).toMatchObject({ errors: 1 });

  const allowed = await restored("typo", rules, "--allow-unused-rules");
  expect(allowed.stderr + allowed.status).toBe("0");
  expect(allowed.stdout).toContain("masked e-mail by drop in 0 documents");
  expect(await stage.query(insert)).toMatchObject({ inserted: 1 });
});

test("a table without rules is restored as it is, and a dry run says the rules", async () => {
  const rules = "tables: {shop.orders: {}, shop.customers: {email: drop, note.text: 'null'}}";
  const planned = await restored("ruled", rules, "--dry-run");
  expect(planned.stdout).toContain("ruled.customers: masks email by drop, note.text by null\n");
  expect(planned.stdout).toContain("ruled.orders: masks nothing\n");
  const { stdout, status } = await restored("ruled", rules);
  expect(status).toBe(0);
  expect(stdout).toMatch(/ruled\.orders .* equal$/m);
  expect(stdout).toMatch(/ruled\.customers .* equal, masked$/m);
});

test("a rule that meets a text on its way ends the restore, and a key with a dot is masked", async () => {
  await stage.query(r.dbCreate("odd"));
  await stage.query(r.db("odd").tableCreate("t", { primaryKey: "a.b" }));
  const odd = r.db("odd").table("t");
  await stage.query(odd.insert({ "a.b": "secret", address: "Main street 2" }));
  const own = stage.repo("odd");
  expect((await stage.backUp(own)).status).toBe(0);
  const restore = async (to: string, rules: string) => {
    const file = stage.repo(`${to}.yaml`);
    await writeFile(file, `key: {file: mask.key}\ntables: {odd.t: ${rules}}\n`);
    const given = ["--repo", own, "--target", stage.address, "--db", "odd", "--mask", file];
    return cli(["restore", ...given, "--rename", `odd=${to}`]);
  };
  const met = await restore("odd1", "{address.street: drop}");
  expect(met.stderr).toContain('address.street of "secret" in odd.t is inside a text');
  expect(met.status).toBe(2);
  expect(await stage.query(r.db("odd1").table("t").insert({ "a.b": 1 }))).toMatchObject({
    errors: 1,
  });
  const dotted = await restore("odd2", "{a.b: hash, address: drop}");
  expect(dotted.stderr).toContain(`write '"a.b"'`);
  expect(dotted.status).toBe(2);
  expect((await restore("odd3", `{'"a.b"': hash, address: drop}`)).status).toBe(0);
  expect(await stage.query(r.db("odd3").table("t").coerceTo("array"))).toEqual([
    { "a.b": expect.stringMatching(/^[0-9a-f]{32}$/) },
  ]);
});
