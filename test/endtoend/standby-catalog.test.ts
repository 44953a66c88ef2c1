/** What a standby does about tables that are dropped, renamed and swapped, hooks, gaps, and damage. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import type { Running } from "./cli.js";
import { Follow } from "./follow-process.js";
import { kill, Stage, stop } from "./stage.js";

let source: Stage;
let standby: Stage;
let repo: string;
let capture: Running;
let follow: Follow;
const shop = r.db("shop");

beforeAll(async () => {
  [source, standby] = [await Stage.open(), await Stage.open()];
  repo = source.repo("repository");
  await source.query(r.dbCreate("shop"));
  for (const name of ["a", "b", "hooked", "dropped"]) {
    await source.query(shop.tableCreate(name));
    await source.query(shop.table(name).insert([{ id: 1, of: name }, { id: 2 }]));
  }
  const hook = (_: Term, __: Term, now: Term) =>
    r.branch(now.eq(null), null, now.merge({ runs: now("runs").default(0).add(1) }));
  await source.query(shop.table("hooked").setWriteHook(hook));
  capture = source.capture(repo);
  await source.untilExactNow(repo, "shop.a", "shop.b", "shop.hooked", "shop.dropped");
  follow = Follow.begin(standby, repo, "--drop");
  await follow.caughtUp();
}, 120_000);

afterAll(async () => {
  await standby.close();
  await source.close();
});

async function same(db: string, ...tables: string[]): Promise<void> {
  for (const table of tables) {
    expect([table, await standby.texts(db, table)]).toEqual([table, await source.texts(db, table)]);
  }
}

const rename = (table: string, to: string) =>
  source.query(
    r.db("rethinkdb").table("table_config").filter({ name: table }).update({ name: to }),
  );

test("a write hook of the source does not run on what is followed", async () => {
  await source.query(shop.table("hooked").insert({ id: 3 }));
  await source.query(shop.table("hooked").get(2).update({ more: true }));
  await source.query(shop.table("hooked").get(1).delete());
  await follow.caughtUp();
  await same("shop", "hooked");
});

test("two tables swap their names, and a table takes the name of one that is dropped", async () => {
  await rename("a", "c");
  await rename("b", "a");
  await rename("c", "b");
  await source.query(shop.tableDrop("dropped"));
  await source.query(shop.tableCreate("dropped"));
  await source.query(shop.table("dropped").insert({ id: "another" }));
  await follow.untilEvent("shop.dropped dropped");
  await follow.untilEvent("shop.dropped copied");
  await follow.caughtUp();
  await same("shop", "a", "b", "dropped");
  expect(await standby.query(shop.tableList())).toEqual(["a", "b", "dropped", "hooked"]);
});

test("a database is renamed", async () => {
  await source.query(
    r.db("rethinkdb").table("db_config").filter({ name: "shop" }).update({ name: "store" }),
  );
  await follow.untilEvent("shop renamed store");
  await source.query(r.db("store").table("a").insert({ id: "after" }));
  await follow.caughtUp();
  await same("store", "a", "b", "dropped", "hooked");
  expect(await standby.query(r.dbList())).not.toContain("shop");
  expect(follow.events().filter((text) => text === "store.a copied")).toEqual([]);
});

test("what was missed in a gap comes with the resync", async () => {
  await kill(capture);
  const store = r.db("store").table("a");
  await source.query(store.insert(Array.from({ length: 100 }, (_, id) => ({ id: `gap ${id}` }))));
  await source.query(store.get(1).delete());
  capture = source.capture(repo);
  await source.untilExactNow(repo, "store.a", "store.b");
  await follow.caughtUp();
  await same("store", "a", "b", "dropped", "hooked");
  // Nothing had to be compared or copied again.
  expect(follow.events().filter((text) => text === "store.a copied")).toEqual([]);
});

test("a table that somebody has dropped on the standby is copied again", async () => {
  await standby.query(r.db("store").tableDrop("b"));
  await follow.untilEvent("store.b copied");
  await follow.caughtUp();
  await same("store", "b");
});

test("goes on when the target was down", async () => {
  await standby.crashServer();
  await source.query(r.db("store").table("a").insert({ id: "after the crash" }));
  await follow.caughtUp();
  await same("store", "a", "b", "dropped", "hooked");
});

test("it ends at a damaged log, and leaves the tables as they are", async () => {
  follow.running.process.kill("SIGTERM");
  expect((await follow.running.finished).status).toBe(0);
  const before = new Set(await segments());
  for (const id of ["x", "y", "z"]) {
    await source.query(r.db("store").table("a").insert({ id }));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await source.untilExactNow(repo, "store.a");
  await stop(capture);
  const since = (await segments()).filter((name) => !before.has(name));
  await rm(join(repo, since[Math.floor(since.length / 2)]!));
  const texts = await standby.texts("store", "a");
  follow = Follow.begin(standby, repo, "--drop");
  const { status, stderr } = await follow.running.finished;
  expect([status, JSON.parse(stderr)]).toEqual([
    8,
    { error: expect.objectContaining({ code: "damaged" }) },
  ]);
  expect(await standby.texts("store", "a")).toEqual(texts);
});

async function segments(): Promise<string[]> {
  const names = await readdir(join(repo, "log"), { recursive: true });
  return names
    .filter((name) => name.endsWith(".zst"))
    .map((name) => join("log", name))
    .sort();
}
