/** A standby that was off for so long that the log which it needs has expired. The history is a recorded one. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { r } from "../server/driver.js";
import { cliJson } from "./cli.js";
import { Follow } from "./follow-process.js";
import { iso, Stage } from "./stage.js";

const table = "0a000000-0000-4000-8000-000000000001";
let standby: Stage;
let repo: string;
let recording: Recording;

beforeAll(async () => {
  standby = await Stage.open();
  repo = join(standby.directory, "repository");
  const clock = new StillClock(dayOf(Date.now()) - 9 * dayMs + 3_600_000);
  recording = await Recording.begin(await makeRepository(new DirectoryStore(repo)), clock);
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  const config = { id: table, db: "shop", name: "orders", primary_key: "id", shards, ...settings };
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["table", table], config);
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copy = await recording.copy(table, [
    ["changed", { day: 0, id: "changed" }],
    ["deleted", { day: 0, id: "deleted" }],
    ["kept", { day: 0, id: "kept" }],
  ]);
  const live = await recording.tick();
  await copy.finish(live, live - 1000);
  recording.coverage(table, { state: "live", since: live });
});

afterAll(() => standby.close());

/** So many days, in each of which a document is written and one is changed. Returns the last instant. */
async function days(from: number, to: number): Promise<number> {
  for (let day = from; day <= to; day += 1) {
    recording.put(table, `day ${day}`, { id: `day ${day}` });
    recording.put(table, "changed", { day, id: "changed" });
    await recording.tick(dayMs - 2);
  }
  return recording.tick();
}

/** Follows to an instant, compares, and returns what has happened to tables. */
async function follow(at: number): Promise<string[]> {
  const ended = Follow.begin(standby, repo, "--until", iso(at), "--check");
  const { status, stderr } = await ended.running.finished;
  expect([status, stderr]).toEqual([0, ""]);
  await standby.restore(repo, "--at", iso(at), "--db", "shop", "--rename", "shop=then");
  expect(await standby.texts("shop", "orders")).toEqual(await standby.texts("then", "orders"));
  await standby.query(r.dbDrop("then"));
  return ended.events();
}

test("compares all keys by itself, and goes on by the log from there", async () => {
  const first = await days(1, 1);
  expect(await follow(first)).toContain("shop.orders copied");
  expect(await follow(await days(2, 2))).toEqual(["done"]);
  recording.put(table, "deleted", null);
  const last = await days(3, 7);
  interface Expired {
    expired: { logTo: string };
  }
  const { expired } = await cliJson<Expired>(["expire", "--repo", repo, "--keep", "all:2d"]);
  expect(Date.parse(expired.logTo)).toBeGreaterThan(first + 2 * dayMs);
  expect(await follow(last)).toEqual(["shop.orders copied", "done"]);
  const ids = [...(await standby.texts("shop", "orders")).keys()];
  expect(ids).not.toContain('"deleted"');
  expect(ids).toContain('"day 3"');
  expect(await follow(await days(8, 8))).toEqual(["done"]);
});
