/** What happens to tables while a capture runs. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli, type Running, status, untilStatus } from "./cli.js";
import { factsOf } from "./every-type.js";
import { iso, nextInstant, Stage, stop, tableOf, until } from "./stage.js";

let stage: Stage;
let repo: string;
let run: Running;
const db = r.db("shop");

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("follow");
  await stage.query(r.dbCreate("shop"));
  await stage.query(db.tableCreate("always"));
  run = stage.capture(repo, "--include", "shop.*", "--include", "store.*");
  await stage.untilExactNow(repo, "shop.always");
});

afterAll(async () => {
  expect((await stop(run)).status).toBe(0);
  await stage.close();
});

async function makeTable(name: string, documents: object[]): Promise<void> {
  await stage.query(db.tableCreate(name));
  await stage.query(db.table(name).insert(documents));
  await stage.untilExactNow(repo, `shop.${name}`);
}

/** An instant after all that is written, and before all that is still to be. */
async function instantNow(...names: string[]): Promise<number> {
  await stage.untilExactNow(repo, ...names);
  const instant = await nextInstant();
  await nextInstant();
  return instant;
}

function restoreAt(instant: number, table: string, to: string) {
  const rename = ["--table", table, "--rename", `${table}=${to}`];
  return stage.restore(repo, "--at", iso(instant), ...rename);
}

test("a table made meanwhile is captured, and with it each of its changes", async () => {
  await makeTable("fresh", [{ id: 1 }, { id: 2 }]);
  await stage.query(db.table("fresh").get(1).delete());
  const at = await instantNow("shop.fresh");
  await stage.untilExact(repo, at, "shop.fresh");
  await restoreAt(at, "shop.fresh", "then.fresh");
  expect([...(await stage.texts("then", "fresh")).keys()]).toEqual(["2"]);
});

test("a renamed table, and a table of a renamed database, go on without a gap", async () => {
  await makeTable("before", [{ id: 1 }]);
  const at = await instantNow("shop.before");
  await stage.query(db.table("before").config().update({ name: "after" }));
  await stage.query(db.table("after").insert({ id: 2 }));
  await stage.untilExactNow(repo, "shop.after");
  await stage.query(db.config().update({ name: "store" }));
  await stage.query(r.db("store").table("after").insert({ id: 3 }));
  // The catalog of a busy machine may know the name late: the instant is one after it was known.
  await stage.untilExactNow(repo, "store.after");
  const now = await stage.untilExactNow(repo, "store.after");
  await stage.query(r.db("store").config().update({ name: "shop" }));
  await stage.untilExactNow(repo, "shop.after");
  const table = tableOf(now, "store.after")!;
  const classes = new Set(table.intervals.map((interval) => interval.class));
  // A machine that is busy proves an instant late; a gap is another thing.
  classes.delete("late");
  expect([...classes]).toEqual(["exact"]);
  await restoreAt(at, "shop.before", "then.renamed");
  expect([...(await stage.texts("then", "renamed")).keys()]).toEqual(["1"]);
  const last = Date.parse(table.lastRestorable!);
  await restoreAt(last, "store.after", "then.renamed_later");
  expect([...(await stage.texts("then", "renamed_later")).keys()]).toEqual(["1", "2", "3"]);
});

test("a dropped table can be restored to before the drop, and is not known after it", async () => {
  await makeTable("doomed", [{ id: 1 }]);
  const at = await instantNow("shop.doomed");
  await stage.untilExact(repo, at, "shop.doomed");
  await stage.query(db.tableDrop("doomed"));
  await untilStatus(repo, (now) => tableOf(now, "shop.doomed")?.state === "dropped");
  await restoreAt(at, "shop.doomed", "then.doomed");
  expect([...(await stage.texts("then", "doomed")).keys()]).toEqual(["1"]);
  const args = ["--repo", repo, "--target", stage.address, "--table", "shop.doomed"];
  const gone = await cli(["restore", ...args]);
  expect(gone.status).toBe(6);
  expect(gone.stderr).toContain("there was no table shop.doomed");
});

test("a table that is dropped while no capture runs is gone when the next one begins", async () => {
  const own = stage.repo("absent");
  await stage.query(db.tableCreate("absent"));
  await stage.query(db.table("absent").insert({ id: 1 }));
  const chosen = ["--include", "shop.absent", "--include", "shop.always"];
  const first = stage.capture(own, ...chosen);
  const names = ["shop.absent", "shop.always"];
  await stage.untilExactNow(own, ...names);
  expect((await stop(first)).status).toBe(0);
  const before = tableOf(await status(own), "shop.absent")!;
  await stage.query(db.tableDrop("absent"));
  const second = stage.capture(own, ...chosen);
  const now = await stage.untilExactNow(own, "shop.always");
  expect((await stop(second)).status).toBe(0);
  expect(tableOf(now, "shop.absent")).toEqual({
    ...before,
    state: "dropped",
    provenTo: null,
  });
});

test("a table dropped and made anew is two tables, each with its own history", async () => {
  await makeTable("twice", [{ id: "old" }]);
  const early = await instantNow("shop.twice");
  await stage.untilExact(repo, early, "shop.twice");
  const { id } = tableOf(await status(repo), "shop.twice")!;
  await stage.query(db.tableDrop("twice"));
  await stage.query(db.tableCreate("twice"));
  await stage.query(db.table("twice").insert({ id: "new" }));
  await untilStatus(repo, async (now) => {
    await stage.query(
      db.table("always").insert({ id: "beat", at: r.now() }, { conflict: "replace" }),
    );
    return now.tables.some((t) => t.name === "shop.twice" && t.id !== id && t.state === "live");
  });
  const asked = Date.now();
  const late = await untilStatus(repo, async (now) => {
    await stage.query(
      db.table("always").insert({ id: "beat", at: r.now() }, { conflict: "replace" }),
    );
    const made = now.tables.find((t) => t.name === "shop.twice" && t.id !== id);
    return Date.parse(made?.lastRestorable ?? "") > asked;
  });
  const states = late.tables.filter(({ name }) => name === "shop.twice").map(({ state }) => state);
  expect(states.sort()).toEqual(["dropped", "live"]);
  await restoreAt(early, "shop.twice", "then.early");
  await restoreAt(asked, "shop.twice", "then.late");
  expect([...(await stage.texts("then", "early")).keys()]).toEqual(['"old"']);
  expect([...(await stage.texts("then", "late")).keys()]).toEqual(['"new"']);
});

test("two tables that swap their names, of which one has another primary key, are both captured on", async () => {
  await makeTable("left", [{ id: 1 }]);
  await stage.query(db.tableCreate("right", { primaryKey: "key" }));
  await stage.query(db.table("right").insert({ key: 1 }));
  const swap = async (...names: [string, string]) => {
    for (const [from, to] of [
      [names[0], "swapping"],
      [names[1], names[0]],
      ["swapping", names[1]],
    ]) {
      await stage.query(db.table(from!).config().update({ name: to }));
    }
  };
  for (let swaps = 0; swaps < 6; swaps += 1) {
    // What changes nothing is counted, and never delivered: each proof lays a fence, by the name that it knows.
    for (let i = 0; i < 20; i += 1) {
      for (const name of ["left", "right"]) {
        await stage.query(db.table(name).replace((row: Term) => row));
      }
      await nextInstant(50);
    }
    await swap("left", "right");
  }
  expect(run.process.exitCode).toBeNull();
  await stage.untilExactNow(repo, "shop.left", "shop.right");
  expect(run.stderr()).not.toContain('"level":50');
}, 120_000);

test("indexes are restored as they were defined at the instant, also one redefined under its name", async () => {
  await makeTable("indexed", [{ id: 1, a: 1, b: 2 }]);
  const table = db.table("indexed");
  await stage.query(table.indexCreate("same", (row: Term) => row("a")));
  await stage.query(table.indexCreate("dropped", (row: Term) => row("b"), { multi: true }));
  await stage.query(table.indexWait());
  const early = (await factsOf(stage, "shop", "indexed")).indexes;
  const catalogRead = () => run.stderr().length;
  expect(catalogRead()).toBeGreaterThan(0);
  const at = await catalogSettled();
  await stage.query(table.indexDrop("dropped"));
  await stage.query(table.indexDrop("same"));
  await stage.query(table.indexCreate("same", (row: Term) => row("b").add(1)));
  await stage.query(table.indexWait());
  const late = (await factsOf(stage, "shop", "indexed")).indexes;
  const then = await catalogSettled();
  await stage.untilExact(repo, then, "shop.indexed");
  await restoreAt(at, "shop.indexed", "then.indexed_early");
  await restoreAt(then, "shop.indexed", "then.indexed_late");
  expect((await factsOf(stage, "then", "indexed_early")).indexes).toEqual(early);
  expect((await factsOf(stage, "then", "indexed_late")).indexes).toEqual(late);
  expect(early).not.toEqual(late);
});

/** An instant at which the repository's catalog has what `table.indexStatus` says now. */
async function catalogSettled(): Promise<number> {
  const wanted = (await factsOf(stage, "shop", "indexed")).indexes;
  const names = wanted.map((index) => (index as { index: string }).index);
  let instant = 0;
  await until("the catalog has the indexes", async () => {
    instant = await instantNow("shop.indexed");
    await stage.untilExact(repo, instant, "shop.indexed");
    const plan = ["restore", "--repo", repo, "--dry-run", "--json", "--at", iso(instant)];
    const { stdout } = await cli([...plan, "--table", "shop.indexed"]);
    const [table] = (JSON.parse(stdout) as { tables: { indexes: string[] }[] }).tables;
    return JSON.stringify(table?.indexes.toSorted()) === JSON.stringify(names);
  });
  return instant;
}
