/** What capture could not watch is named, refused unless asked for, and resynced. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listSegments, openSegment, segmentVersions } from "../../src/repository/log/log.js";
import { openRepository } from "../../src/repository/repository.js";
import { storeAt } from "../../src/storage/store-at.js";
import { namesIn } from "../repository/recording.js";
import { r } from "../server/driver.js";
import { cli, type StatusResult, status, untilStatus } from "./cli.js";
import {
  deliveryMs,
  iso,
  kill,
  nextInstant,
  Stage,
  stop,
  type TableStatus,
  tableOf,
  until,
} from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ faults: true });
});

afterAll(() => stage.close());

/** A database with tables `busy` and `quiet` of 300 documents each. */
async function makeTables(db: string): Promise<void> {
  await stage.query(r.dbCreate(db));
  for (const name of ["busy", "quiet"]) {
    await stage.query(r.db(db).tableCreate(name));
    await stage.query(
      r
        .db(db)
        .table(name)
        .insert(documents(0, 300, "first")),
    );
  }
}

function documents(from: number, to: number, version: string): object[] {
  return Array.from({ length: to - from }, (_, i) => ({ id: from + i, version }));
}

async function change(db: string): Promise<void> {
  const busy = r.db(db).table("busy");
  await stage.query(busy.insert(documents(300, 400, "new")));
  await stage.query(busy.between(50, 60).update({ version: "changed" }));
  await stage.query(busy.between(0, 20).delete());
  await stage.query(busy.insert({ id: 100, version: "replaced" }, { conflict: "replace" }));
}

function gapsOf(now: StatusResult, name: string): TableStatus["intervals"] {
  return tableOf(now, name)!.intervals.filter((interval) => interval.class !== "exact");
}

async function expectRestored(repo: string, db: string, to: string, ...more: string[]) {
  const { restored } = await stage.restore(repo, "--db", db, "--rename", `${db}=${to}`, ...more);
  expect(restored.map(({ matches }) => matches)).toEqual(restored.map(() => true));
  for (const { to: name } of restored) {
    const table = name.split(".")[1]!;
    expect(await stage.texts(to, table), name).toEqual(await stage.texts(db, table));
  }
  return restored;
}

/** Document lines of a table in the log from `epoch` on. */
async function linesSince(repo: string, table: string, epoch: number): Promise<number> {
  const store = storeAt(repo);
  let lines = 0;
  for (const segment of await listSegments(store)) {
    if (segment.epoch < epoch) continue;
    for await (const _ of segmentVersions(await openSegment(store, segment.name), table))
      lines += 1;
  }
  return lines;
}

test("changes made while a killed capture is down: found, and only they are written", async () => {
  const repo = stage.repo("killed");
  await makeTables("killed");
  const first = stage.capture(repo, "--include", "killed.*");
  await stage.untilExactNow(repo, "killed.busy", "killed.quiet");
  await kill(first);
  await change("killed");
  const inside = await nextInstant();
  await nextInstant();

  const second = stage.capture(repo, "--include", "killed.*");
  const now = await stage.untilExactNow(repo, "killed.busy", "killed.quiet");
  for (const name of ["killed.busy", "killed.quiet"]) {
    expect(gapsOf(now, name), name).toMatchObject([
      { class: "gap", reason: "capture was not running" },
    ]);
  }
  await expectRestored(repo, "killed", "killed_after");
  const ids = now.tables.map(({ id, name }) => [name, id] as const);
  const lines = async (name: string) => linesSince(repo, new Map(ids).get(name)!, 2);
  expect(await lines("killed.quiet")).toBe(0);
  expect(await lines("killed.busy")).toBe(131);

  const args = ["restore", "--repo", repo, "--target", stage.address, "--at", iso(inside)];
  const choice = ["--table", "killed.busy", "--rename", "killed.busy=killed_in.busy"];
  const refused = await cli([...args, ...choice]);
  expect(refused.status).toBe(5);
  expect(refused.stderr).toContain("gap (capture was not running)");
  expect(refused.stderr).toMatch(/nearest exact: .* and .*--gap before or --gap after/);
  expect(await stage.query(r.dbList())).not.toContain("killed_in");
  const { restored } = await stage.restore(repo, "--at", iso(inside), ...choice, "--allow-inexact");
  expect(restored).toMatchObject([{ class: "gap", documents: 300, matches: true }]);
  expect((await stop(second)).status).toBe(0);
});

test("a crash of the server: the gap is named, and what the server lost is not restored after it", async () => {
  const repo = stage.repo("crashed");
  await makeTables("crashed");
  const run = stage.capture(repo, "--include", "crashed.*");
  await stage.untilExactNow(repo, "crashed.busy", "crashed.quiet");
  const busy = r.db("crashed").table("busy");
  await stage.query(busy.insert(documents(1000, 1100, "soft"), { durability: "soft" }));
  await stage.crashServer();
  await change("crashed");
  const now = await stage.untilExactNow(repo, "crashed.busy", "crashed.quiet");
  expect(gapsOf(now, "crashed.busy")).toMatchObject([
    { class: "gap", reason: expect.stringMatching(/closed the connection|ECONNRESET/) },
  ]);
  await expectRestored(repo, "crashed", "crashed_after");
  expect((await stop(run)).status).toBe(0);
});

test("while the store is away segments wait on the spool, a new table too, and nothing is lost", async () => {
  const repo = stage.repo("away");
  await makeTables("away");
  const spool = ["--spool", stage.repo("spool"), "--include", "away.*"];
  const run = stage.capture(repo, ...spool);
  await stage.untilExactNow(repo, "away.busy", "away.quiet");
  await rename(repo, `${repo}.elsewhere`);
  await change("away");
  await until("the outage is noticed", () => run.stderr().includes("store fails"));
  const during = await nextInstant();
  await stage.query(r.db("away").tableCreate("late"));
  await stage.query(
    r
      .db("away")
      .table("late")
      .insert(documents(0, 10, "late")),
  );
  await until("the new table is seen", () => run.stderr().includes("away.late"));
  await rename(`${repo}.elsewhere`, repo);
  await until("the store is back", () => run.stderr().includes("store is back"), 60_000);
  const now = await stage.untilExactNow(repo, "away.busy", "away.quiet", "away.late");
  expect(gapsOf(now, "away.busy")).toEqual([]);
  await expectRestored(repo, "away", "away_after");
  const choice = [
    "--at",
    iso(during),
    "--table",
    "away.busy",
    "--rename",
    "away.busy=away_then.busy",
  ];
  const then = await stage.restore(repo, ...choice);
  expect(then.restored).toMatchObject([{ class: "exact", documents: 380 }]);
  expect((await stop(run)).status).toBe(0);
});

test("what a killed capture had left on its spool is delivered by the next one", async () => {
  const repo = stage.repo("left");
  await makeTables("left");
  const spool = ["--spool", stage.repo("left-spool"), "--include", "left.*"];
  const first = stage.capture(repo, ...spool);
  await stage.untilExactNow(repo, "left.busy", "left.quiet");
  const { restorableUntil } = await status(repo);
  await rename(repo, `${repo}.elsewhere`);
  await change("left");
  await until("the outage is noticed", () => first.stderr().includes("store fails"));
  const wanted = await stage.texts("left", "busy");
  const { id } = (await openRepository(storeAt(`${repo}.elsewhere`))).description;
  const store = storeAt(join(stage.repo("left-spool"), id));
  const spooled = () => namesIn(store, "log/");
  await until("the spool holds a tick", async () => (await spooled()).length > 0);
  await kill(first);
  const last = (await spooled()).sort().at(-1)!;
  const { frontier, lagging } = (await openSegment(store, last)).index.footer;
  await rename(`${repo}.elsewhere`, repo);
  const second = stage.capture(repo, ...spool);
  const now = await stage.untilExactNow(repo, "left.busy", "left.quiet");
  expect(second.stderr()).toContain(
    "the segments that were left in the spool are in the repository now",
  );
  expect(gapsOf(now, "left.busy")).toMatchObject([{ class: "gap" }]);
  // What the spool held said more than the repository did, or as much where the next proof was not there yet.
  expect(frontier).toBeGreaterThanOrEqual(Date.parse(restorableUntil!));
  const proven = lagging[tableOf(now, "left.busy")!.id] ?? frontier;
  expect(Date.parse(gapsOf(now, "left.busy")[0]!.from)).toBe(proven + 1);
  expect(await stage.texts("left", "busy")).toEqual(wanted);
  await expectRestored(repo, "left", "left_after");
  expect((await stop(second)).status).toBe(0);
});

test("SIGTERM closes the open tick, proves it, and leaves nothing to resync but the time after it", async () => {
  const repo = stage.repo("ended");
  await makeTables("ended");
  const first = stage.capture(repo, "--include", "ended.*", "--tick", "10 minutes");
  await untilStatus(repo, (now) =>
    ["ended.busy", "ended.quiet"].every((name) => tableOf(now, name)?.state === "live"),
  );
  await change("ended");
  const changed = Date.now();
  await until("the changes were delivered", () => Date.now() > changed + deliveryMs);
  const ended = await stop(first);
  expect(ended.status).toBe(0);
  expect(ended.stderr).toContain("the last tick is closed");
  const now = await status(repo);
  expect(Date.parse(tableOf(now, "ended.busy")!.lastRestorable!)).toBeGreaterThan(changed);
  await expectRestored(repo, "ended", "ended_after");
});
