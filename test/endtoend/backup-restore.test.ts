import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, cliJson, status } from "./cli.js";
import { factsOf, makeEveryType } from "./every-type.js";
import { iso, nextInstant, Stage, stop, tableOf } from "./stage.js";

const tables = ["custom-key_1", "empty", "keys", "values"];
let stage: Stage;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("types");
  await makeEveryType(stage);
  const backup = await stage.backUp(repo);
  expect(backup.stderr + backup.status).toMatch(/capture ended.*\n0$/);
});

afterAll(() => stage.close());

test("a restored cluster has every document, byte for byte, and everything that a table is", async () => {
  const restored = await stage.restore(
    repo,
    "--rename",
    "types=again",
    "--rename",
    "nothing=nihil",
  );
  expect(restored.restored.map(({ to, matches }) => [to, matches])).toEqual(
    tables.map((name) => [`again.${name}`, true]),
  );
  for (const name of tables) {
    const wanted = await factsOf(stage, "types", name);
    expect(await factsOf(stage, "again", name), name).toEqual(wanted);
  }
  const databases = await stage.query<string[]>(r.dbList());
  expect(databases).toEqual(expect.arrayContaining(["again", "nihil"]));
  expect(await stage.query(r.db("nihil").tableList())).toEqual([]);
  expect((await stage.texts("again", "values")).size).toBe(12);
  expect((await stage.texts("again", "keys")).size).toBe(21);
});

test("a write hook is there after the restore, but did not run in it", async () => {
  await stage.restore(repo, "--table", "types.keys", "--rename", "types.keys=hooked.keys");
  const hooked = r.db("hooked").table("keys");
  expect(await stage.query(hooked.hasFields("hooked").count())).toBe(0);
  await stage.query(hooked.insert({ id: "after" }));
  expect(await stage.query(hooked.get("after"))).toEqual({ id: "after", hooked: true });
});

test("status names every table, counts its documents, and is JSON on demand", async () => {
  const now = await status(repo);
  const counts = now.tables.map(({ name, documents, documentsExact }) => [
    name,
    documents,
    documentsExact,
  ]);
  expect(counts).toEqual([
    ["types.custom-key_1", 1, true],
    ["types.empty", 0, true],
    ["types.keys", 21, true],
    ["types.values", 12, true],
  ]);
  // A machine that is busy proves some instants late; nothing is a gap.
  const classes = now.tables.map(({ intervals }) => new Set(intervals.map((one) => one.class)));
  for (const ofTable of classes) ofTable.delete("late");
  expect(classes).toEqual(tables.map(() => new Set(["exact"])));
  expect(now.restorableUntil).not.toBeNull();
  const plain = await cli(["status", "--repo", repo]);
  expect(plain.stdout).toContain("types.values");
  expect(plain.stderr).toBe("");
});

test("--table and --db choose, and databases that were not asked for are not made", async () => {
  const one = await stage.restore(
    repo,
    "--table",
    "types.empty",
    "--rename",
    "types.empty=single.e",
  );
  expect(one.restored.map(({ from }) => from)).toEqual(["types.empty"]);
  expect(await stage.query(r.db("single").tableList())).toEqual(["e"]);
  const whole = await stage.restore(repo, "--db", "nothing", "--rename", "nothing=void");
  expect(whole.databases).toEqual(["void"]);
  expect(await stage.query(r.db("void").tableList())).toEqual([]);
});

test("--dry-run plans and makes nothing; no target is needed", async () => {
  const before = await stage.query(r.dbList());
  const args = ["restore", "--repo", repo, "--rename", "types=dry", "--dry-run"];
  const plan = await cliJson<{ tables: { to: string; class: string; indexes: string[] }[] }>(args);
  expect(plan.tables.map(({ to }) => to)).toEqual(tables.map((name) => `dry.${name}`));
  expect(plan.tables.every((table) => table.class === "exact")).toBe(true);
  expect(plan.tables.at(-1)?.indexes).toEqual(["compound", "expression", "geo", "multi", "simple"]);
  const plain = await cli(args);
  expect(plain).toMatchObject({ status: 0, stderr: "" });
  expect(plain.stdout).toContain("dry.values");
  expect(await stage.query(r.dbList())).toEqual(before);
});

test("a target that has one of the tables is refused before anything is made", async () => {
  await stage.query(r.dbCreate("taken"));
  await stage.query(r.db("taken").tableCreate("values"));
  await stage.query(r.db("taken").table("values").insert({ id: "mine" }));
  const args = ["restore", "--repo", repo, "--target", stage.address, "--rename", "types=taken"];
  const refused = await cli(args);
  expect(refused.status).toBe(7);
  expect(refused.stderr).toContain("taken.values");
  expect(refused.stderr).toContain("--rename");
  expect(await stage.query(r.db("taken").tableList())).toEqual(["values"]);
  expect(await stage.query(r.db("taken").table("values").count())).toBe(1);
});

test("logs of a capture are NDJSON on stderr, its result one JSON object on stdout", async () => {
  const run = await stage.backUp(stage.repo("logs"), "--json", "--include", "types.*");
  expect(run.status).toBe(0);
  const logs = run.stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { time: string });
  expect(logs.length).toBeGreaterThan(4);
  for (const { time } of logs) expect(time).toMatch(/^\d{4}-.*\+00:00$/);
  expect(JSON.parse(run.stdout)).toMatchObject({ tables: 4, documents: 34 });
});

test("show prints a document of any kind of key, and says when it was deleted", async () => {
  const repo = stage.repo("show");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const orders = r.db("shop").table("orders");
  await stage.query(orders.insert([{ id: "a" }, { id: 42 }, { id: "42" }, { id: ["a", 1] }]));
  const run = stage.capture(repo, "--include", "shop.*");
  await stage.untilExactNow(repo, "shop.orders");
  const there = await nextInstant();
  await nextInstant();
  await stage.query(orders.get("a").delete());
  await stage.untilExactNow(repo, "shop.orders");
  expect((await stop(run)).status).toBe(0);

  const show = (key: string, ...more: string[]) =>
    cli(["show", "shop.orders", key, "--repo", repo, ...more]);
  for (const [key, id] of [
    ["42", 42],
    ['"42"', "42"],
    ['["a",1]', ["a", 1]],
  ] as const) {
    const shown = await show(key);
    expect(JSON.parse(shown.stdout), key).toEqual({ id });
  }
  const deleted = await show("a");
  expect(deleted.status).toBe(6);
  expect(deleted.stderr).toMatch(/it was deleted at \d{4}-/);
  expect(JSON.parse((await show("a", "--at", iso(there))).stdout)).toEqual({ id: "a" });
  const asJson = await show("a", "--at", iso(there), "--json");
  expect(JSON.parse(asJson.stdout)).toMatchObject({
    key: "a",
    class: "exact",
    document: { id: "a" },
  });
  expect((await show("never")).status).toBe(6);
});

test("a fold changes nothing of what an instant restores to", async () => {
  const repo = stage.repo("fold");
  await stage.query(r.dbCreate("folds"));
  await stage.query(r.db("folds").tableCreate("rows"));
  const rows = r.db("folds").table("rows");
  const make = (from: number, to: number, version: number) =>
    rows.insert(
      Array.from({ length: to - from }, (_, i) => ({
        id: from + i,
        version,
        x: "é".repeat(i % 50),
      })),
      { conflict: "replace" },
    );
  await stage.query(make(0, 1000, 1));
  const run = stage.capture(repo, "--include", "folds.*");
  await stage.untilExactNow(repo, "folds.rows");
  await stage.query(make(500, 1500, 2));
  await stage.query(rows.between(100, 300).delete());
  const wanted = await stage.texts("folds", "rows");
  await stage.untilExactNow(repo, "folds.rows");
  const middle = await nextInstant();
  await nextInstant();
  await stage.query(make(0, 200, 3));
  await stage.query(rows.get(999).delete());
  const last = await stage.texts("folds", "rows");
  const end = Date.now();
  await stage.untilExact(repo, end, "folds.rows");
  expect((await stop(run)).status).toBe(0);

  const restoreTo = async (db: string, at: number) => {
    const rename = ["--db", "folds", "--rename", `folds=${db}`, "--at", iso(at)];
    const { restored } = await stage.restore(repo, ...rename);
    expect(restored[0]).toMatchObject({ matches: true, class: "exact" });
    return stage.texts(db, "rows");
  };
  expect(await restoreTo("unfolded", middle)).toEqual(wanted);
  const fold = ["fold", "--repo", repo, "--table", "folds.rows", "--at", iso(middle)];
  const folded = await cliJson<{ tables: { name: string; folded: boolean }[] }>(fold);
  const parts = { partsWritten: 1, partsKept: 0 };
  expect(folded.tables).toMatchObject([{ name: "folds.rows", folded: true, rows: 1300, ...parts }]);
  expect(await restoreTo("folded", middle)).toEqual(wanted);
  const all = ["fold", "--repo", repo, "--table", "folds.rows"];
  expect(await cliJson(all)).toMatchObject({ tables: [{ folded: true }] });
  const again = { folded: false, partsWritten: 0, partsKept: 0, bytesRead: 0, bytesWritten: 0 };
  expect(await cliJson(all)).toMatchObject({ tables: [again] });
  expect(await restoreTo("twice", middle)).toEqual(wanted);
  const now = tableOf(await status(repo), "folds.rows")!;
  expect(await restoreTo("latest", Date.parse(now.lastRestorable!))).toEqual(last);
  expect(now.documents).toBe(last.size);
});
