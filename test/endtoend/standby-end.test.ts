/** How a standby ends: at an instant, with what it lacks; and as a cluster of its own. The history is a recorded one. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { r, type Term } from "../server/driver.js";
import { cli, type Finished } from "./cli.js";
import { Follow, type FollowLine } from "./follow-process.js";
import { iso, Stage } from "./stage.js";

const [ordersId, skippedId] = [
  "0a000000-0000-4000-8000-000000000001",
  "0a000000-0000-4000-8000-000000000002",
];
const orders = r.db("shop").table("orders");
const tables = () => standby.query<string[]>(r.db("shop").tableList());
let standby: Stage;
let repo: string;
let recording: Recording;
let hook: object;

beforeAll(async () => {
  standby = await Stage.open();
  repo = join(standby.directory, "repository");
  hook = await hookOf((_: Term, __: Term, now: Term) => now);
  const clock = new StillClock(Date.now() - 3_600_000);
  recording = await Recording.begin(await makeRepository(new DirectoryStore(repo)), clock);
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["table", ordersId], configOf(ordersId, "orders", hook));
  recording.catalog(["user", "alice"], { id: "alice" });
  recording.coverage(ordersId, { state: "copying", since: clock.instant });
  const copy = await recording.copy(ordersId, [
    ["a", { id: "a" }],
    ["b", { id: "b" }],
  ]);
  const live = await recording.tick();
  await copy.finish(live, live - 1000);
  recording.coverage(ordersId, { state: "live", since: live });
  await recording.tick();
}, 60_000);

afterAll(() => standby.close());

function configOf(id: string, name: string, write_hook: object | null = null): object {
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook, indexes: [] };
  return { id, db: "shop", name, primary_key: "id", shards, ...settings };
}

/** A write hook as a catalog has it. */
async function hookOf(of: unknown): Promise<object> {
  const at = r.db("hooks").table("t");
  await standby.query(r.dbCreate("hooks"));
  await standby.query(r.db("hooks").tableCreate("t"));
  await standby.query(at.setWriteHook(of as Term));
  const found = await standby.query<object>(at.config()("write_hook").without({ function: true }));
  const data = await standby.query<string>(at.getWriteHook()("function").coerceTo("string"));
  await standby.query(r.dbDrop("hooks"));
  const code = { $reql_type$: "BINARY", data: Buffer.from(data).toString("base64") };
  return { ...found, function: code };
}

type Ended = Finished & {
  done: FollowLine;
  error: { code: string; message: string; hint: string };
};

async function end(...args: string[]): Promise<Ended> {
  const follow = Follow.begin(standby, repo, ...args);
  const ended = await follow.running.finished;
  const { error } = ended.stderr.startsWith("{") ? JSON.parse(ended.stderr) : { error: undefined };
  return { ...ended, done: follow.lines.find(({ event }) => event === "done")!, error };
}

const until = (at: number, ...more: string[]) => end("--until", iso(at), "--check", ...more);

test("a table of which nothing is captured is named, and ends it with a status", async () => {
  recording.catalog(["table", skippedId], configOf(skippedId, "skipped"));
  const at = await recording.tick();
  const { status, error, done } = await until(at);
  expect([status, error.message]).toEqual([5, expect.stringContaining("shop.skipped")]);
  expect(done).toMatchObject({ notCaptured: ["shop.skipped"], checked: [{ different: 0 }] });
  expect(await tables()).toEqual(["orders"]);
  recording.catalog(["table", skippedId], null);
  const later = await until(await recording.tick());
  expect([later.status, later.stderr]).toEqual([0, ""]);
  expect(later.done.notCaptured).toEqual([]);
});

test("documents that the target refuses are counted until it takes them", async () => {
  const many = Array<number>(100_001).fill(0);
  recording.put(ordersId, "big", { a: many, id: "big" });
  await recording.tick();
  recording.put(ordersId, "c", { id: "c" });
  const refused = await until(await recording.tick());
  expect([refused.status, refused.done.leftOut]).toEqual([14, { "shop.orders": 1 }]);
  expect(refused.done.checked).toMatchObject([{ different: 0, leftOut: 1 }]);
  expect(refused.stderr).toContain("1 of shop.orders");
  // The next process knows it too.
  recording.put(ordersId, "c", { id: "c", n: 1 });
  expect((await until(await recording.tick())).status).toBe(14);
  recording.put(ordersId, "big", { a: [], id: "big" });
  const { status, done } = await until(await recording.tick());
  expect([status, done.leftOut]).toEqual([0, {}]);
});

test("an instant at which names are late is refused before anything is brought there", async () => {
  const since = recording.log.stamp().time;
  recording.put(ordersId, "late", { id: "late" });
  const to = await recording.tick();
  const of = [ordersId];
  recording.coverage("catalog", { state: "late", since, to, lateMs: to - since, of });
  const after = await recording.tick();
  const { status, error } = await until(to - 300);
  expect([status, error.hint]).toEqual([5, expect.stringContaining("nearest exact")]);
  expect(error.message).toContain("names, indexes and hooks changed");
  // The one before is not lost.
  expect((await until(since - 1)).status).toBe(0);
  expect((await until(after)).status).toBe(0);
});

test("an instant that no capture will prove is refused at once", async () => {
  const last = await recording.tick();
  const began = performance.now();
  const { status, error } = await end("--until", iso(last + 600_000));
  expect([status, error.message]).toEqual([5, expect.stringContaining("no capture runs")]);
  expect(error.hint).toContain(`--until ${iso(last).replace("Z", "+00:00")}`);
  expect(performance.now() - began).toBeLessThan(15_000);
});

test("says as of when the standby is when it is stopped", async () => {
  const follow = Follow.begin(standby, repo);
  await follow.until("it follows", () => follow.lines.length > 0);
  const { instant } = follow.lines[0]!;
  follow.running.process.kill("SIGTERM");
  expect((await follow.running.finished).status).toBe(0);
  expect(follow.lines.at(-1)).toEqual({ event: "stopped", instant });
});

test("another choice is refused with the command that goes on", async () => {
  const { status, error } = await end("--db", "shop");
  expect([status, error.hint]).toEqual([
    7,
    expect.stringContaining("thinkback follow --repo … --target rethinkdb://…;"),
  ]);
});

test("applications cannot write to it; what a reconfigured table holds is compared if that is asked for", async () => {
  const writes = standby.query(orders.insert({ id: "mine" }));
  expect(await writes).toMatchObject({ errors: 1, first_error: /takes no writes/ });
  await standby.query(orders.setWriteHook(null));
  await standby.query(orders.insert({ id: "mine" }));
  const at = await recording.tick();
  const { status, error } = await until(at);
  expect([status, error.message]).toEqual([7, expect.stringContaining("shop.orders")]);
  expect(error.hint).not.toContain("drop the");
  expect(await standby.query(orders.get("mine"))).toEqual({ id: "mine" });
  expect((await until(at, "--overwrite")).status).toBe(0);
  expect(await standby.query(orders.get("mine"))).toBe(null);
  expect(await standby.query(orders.insert({ id: "mine" }))).toMatchObject({ errors: 1 });
});

test("a check that finds differences names them, and finishes nothing", async () => {
  await standby.query(orders.insert({ id: "other" }, { ignoreWriteHook: true }));
  const at = await recording.tick();
  const { status, error } = await until(at, "--finish");
  expect([status, error.message]).toEqual([9, expect.stringContaining('shop.orders (1: "other")')]);
  expect(error.hint).toMatch(/^if applications already write here, stop/);
  expect(error.hint).not.toContain("drop");
  expect(await standby.query(r.dbList())).toContain("thinkback_follow");
  expect((await until(at, "--overwrite")).status).toBe(0);
});

test("what is finished has the source's hooks, takes writes, and cannot be followed onto", async () => {
  const follow = Follow.begin(standby, repo, "--finish");
  expect((await follow.running.finished).status).toBe(0);
  expect(follow.lines.at(-1)).toMatchObject({ event: "finished", tables: 1, kept: [] });
  expect(await standby.query(r.dbList())).not.toContain("thinkback_follow");
  expect(await standby.query(orders.getWriteHook()("function").coerceTo("string"))).toBe(
    Buffer.from((hook as { function: { data: string } }).function.data, "base64").toString(),
  );
  await standby.query(orders.get("a").update({ mine: true }));
  recording.put(ordersId, "a", { id: "a", theirs: true });
  const at = await recording.tick();
  const late = await end("--until", iso(at));
  expect([late.status, late.error.message]).toEqual([
    7,
    expect.stringContaining("not the standby"),
  ]);
  expect(await standby.query(orders.get("a"))).toEqual({ id: "a", mine: true });
  expect(await standby.query(r.dbList())).not.toContain("thinkback_follow");
  const again = await cli(["follow", "--repo", repo, "--target", standby.address, "--finish"]);
  expect([again.status, again.stderr]).toEqual([7, expect.stringContaining("no standby")]);
});
