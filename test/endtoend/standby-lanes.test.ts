/** A standby of a sealed repository whose tables move between lanes, and of which the log is folded. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, cliJson } from "./cli.js";
import { Follow } from "./follow-process.js";
import { boundMs } from "./judge.js";
import { iso, nextInstant, Stage, until } from "./stage.js";

const tables = ["a", "b", "c", "d", "e", "f"];
const names = tables.map((name) => `shop.${name}`);

let source: Stage;
let standby: Stage;
let repo: string;

beforeAll(async () => {
  [source, standby] = [await Stage.open(), await Stage.open()];
  repo = source.repo("repository");
  const keys = join(source.directory, "keys");
  await cli(["init", "--repo", repo, "--keys", keys]);
  process.env["THINKBACK_IDENTITY"] = join(keys, "reader.key");
  await source.query(r.dbCreate("shop"));
  for (const name of tables) {
    await source.query(r.db("shop").tableCreate(name));
    const rows = Array.from({ length: 200 }, (_, id) => ({ id, of: name, n: 0 }));
    await source.query(r.db("shop").table(name).insert(rows));
  }
  const writer = { THINKBACK_IDENTITY: join(keys, "writer.key") };
  source.captureIn(writer, repo, "--spool", source.repo("spool"));
  await source.untilExactNow(repo, ...names);
}, 120_000);

afterAll(async () => {
  delete process.env["THINKBACK_IDENTITY"];
  await standby.close();
  await source.close();
});

/** Changes, deletes and inserts in each table. */
async function change(n: number): Promise<void> {
  for (const name of tables) {
    const table = r.db("shop").table(name);
    await source.query(table.between(0, 100).update({ n }));
    await source.query(table.between(100 + n, 110 + n).delete());
    await source.query(table.insert({ id: 1000 + n, n }));
  }
}

/** Follows to an instant after everything that was done, and compares with the source and with a restore. */
async function endsEqual(): Promise<Follow> {
  // An exact instant has what was acknowledged two seconds before it.
  const at = await nextInstant(boundMs);
  await nextInstant();
  await source.untilExact(repo, at, ...names);
  const ended = Follow.begin(standby, repo, "--until", iso(at), "--check");
  const { status, stderr } = await ended.running.finished;
  expect([status, stderr]).toEqual([0, ""]);
  const to = `then_${at}`;
  const what = ["--at", iso(at), "--db", "shop", "--rename", `shop=${to}`];
  const { restored } = await standby.restore(repo, ...what);
  expect(restored.map(({ matches }) => matches)).toEqual(tables.map(() => true));
  for (const name of tables) {
    const there = await standby.texts("shop", name);
    expect([name, there]).toEqual([name, await source.texts("shop", name)]);
    expect([name, there]).toEqual([name, await standby.texts(to, name)]);
  }
  await standby.query(r.dbDrop(to));
  return ended;
}

interface Lanes {
  lanes: { lane: number; tables: number; writer: object | null }[];
}

const copied = (follow: Follow) => follow.events().filter((text) => text.endsWith(" copied"));

test("tables that move to other lanes are followed there", async () => {
  const follow = Follow.begin(standby, repo);
  await follow.caughtUp();
  expect(copied(follow)).toEqual(expect.arrayContaining(names.map((name) => `${name} copied`)));
  await change(1);
  expect((await cli(["lanes", "set", "3", "--repo", repo])).status).toBe(0);
  await until(
    "the tables are in three lanes",
    async () => {
      const { lanes } = await cliJson<Lanes>(["lanes", "list", "--repo", repo]);
      const sum = lanes.reduce((count, lane) => count + lane.tables, 0);
      const isShared = lanes.filter((lane) => lane.tables > 0).length > 1;
      // The table that the stage writes to itself comes on top.
      return isShared && lanes.every(({ writer }) => writer !== null) && sum === tables.length + 1;
    },
    60_000,
  );
  await source.untilExactNow(repo, ...names);
  await change(2);
  await follow.caughtUp();
  await follow.kill();
  await change(3);
  await endsEqual();
  await change(4);
  // By now every table is followed in its lane, by the log.
  expect(copied(await endsEqual())).toEqual([]);
}, 240_000);

test("a standby that was off while the log was folded goes on by the log", async () => {
  await change(5);
  await source.untilExactNow(repo, ...names);
  expect((await cli(["fold", "--repo", repo])).status).toBe(0);
  await change(6);
  expect(copied(await endsEqual())).toEqual([]);
}, 120_000);
