/** A capture with a copy of its repository: while the copy is away, when it is back, and when only the copy is left. */
import { readdir, rename, rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, cliJson, type StatusResult, status } from "./cli.js";
import { kill, nextInstant, type RestoreResult, Stage, stop, until } from "./stage.js";

interface CopiesResult extends StatusResult {
  copies: {
    location: string;
    error?: string;
    logTo: string | null;
    behindMs: number | null;
    missing: { objects: number; bytes: number };
  }[];
}

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(() => stage.close());

const of = (...repos: string[]) => repos.flatMap((repo) => ["--repo", repo]);

const statusOf = (...repos: string[]) => cliJson<CopiesResult>(["status", ...of(...repos)]);

function restore(repos: string[], at: string, to: string, db = "shop"): Promise<RestoreResult> {
  const what = ["--table", `${db}.orders`, "--rename", `${db}.orders=${to}.orders`];
  return cliJson(["restore", ...of(...repos), "--target", stage.address, "--at", at, ...what]);
}

test("a copy that was away catches up, restores the same, and stands in for the repository", async () => {
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const orders = r.db("shop").table("orders");
  const insert = (from: number, to: number) =>
    stage.query(
      orders.insert(Array.from({ length: to - from }, (_, i) => ({ id: from + i, from }))),
    );
  await insert(0, 300);
  const [repo, copy] = [stage.repo("primary"), stage.repo("copy")];
  const run = stage.capture(repo, "--include", "shop.*", ...of(repo, copy));
  await stage.untilExactNow(repo, "shop.orders");
  await until("the copy is level", () => run.stderr().includes("has everything"));
  await insert(300, 400);
  // As soon in the copy as in the repository: its own status says so.
  await stage.untilExactNow(copy, "shop.orders");

  await rename(copy, `${copy}.away`);
  await insert(400, 500);
  // The log goes on for longer than what is asked for below.
  await nextInstant(2000);
  await stage.untilExactNow(repo, "shop.orders");
  await until("the outage is told", () => run.stderr().includes("cannot be brought up to date"));
  const lagging = (await statusOf(repo, `${copy}.away`)).copies;
  expect(lagging[0]).toMatchObject({ behindMs: 0, missing: { objects: 0 } });
  expect(lagging[1]!.behindMs).toBeGreaterThan(1000);
  expect(lagging[1]!.missing.objects).toBeGreaterThan(3);
  const { stdout } = await cli(["status", ...of(repo, `${copy}.away`)]);
  expect(stdout).toMatch(
    /copy +log until +behind +missing +stored\n.*primary.*\n.*copy\.away +\S+ +\d+ s/,
  );
  const told = run.stderr().split("has everything").length;
  await rename(`${copy}.away`, copy);
  await until("it is level again", () => run.stderr().split("has everything").length > told);
  await insert(500, 550);
  const both = await stage.untilExactNow(copy, "shop.orders");
  const instant = both.tables.find(({ name }) => name === "shop.orders")!.lastRestorable!;
  expect((await stop(run)).status).toBe(0);
  const level = (await statusOf(repo, copy)).copies;
  expect(level[1]).toMatchObject({ behindMs: 0, missing: { objects: 0 } });

  await restore([repo], instant, "first");
  await restore([copy], instant, "second");
  const first = await stage.texts("first", "orders");
  expect(first.size).toBe(550);
  expect(await stage.texts("second", "orders")).toEqual(first);

  // The disk of the repository is lost.
  await rm(repo, { recursive: true });
  const { status: code, stderr } = await cli(["verify", "--data", ...of(repo, copy)]);
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/primary is not used now: there is no/),
  ]);
  await restore([repo, copy], instant, "third");
  expect(await stage.texts("third", "orders")).toEqual(first);
  const copied = await cli(["copy", "--from", copy, "--to", repo]);
  expect([copied.status, copied.stderr]).toEqual([0, ""]);
  expect((await status(repo)).restorableUntil).toBe((await status(copy)).restorableUntil);
}, 120_000);

test("ticks that only the copy took come to the repository at the next start, and are no gap", async () => {
  const { shop, insert, repo, copy } = await level("left");
  const run = stage.capture(repo, "--include", `${shop}.*`, ...of(repo, copy));
  await stage.untilExactNow(repo, `${shop}.orders`);
  await until("the copy is level", () => run.stderr().includes("has everything"));
  await rename(repo, `${repo}.away`);
  await insert(10, 20);
  const inserted = Date.now();
  const exact = await stage.untilExactNow(copy, `${shop}.orders`);
  const at = exact.tables.find(({ name }) => name === `${shop}.orders`)!.lastRestorable!;
  expect(Date.parse(at)).toBeGreaterThan(inserted);
  const ended = await stop(run);
  expect(ended.stderr).toMatch(
    /closing the last tick; the repository's store is away, and is given/,
  );
  expect(ended.stderr).toMatch(/the repository's store did not take .*[^]*unless a copy has it/);
  await rename(`${repo}.away`, repo);

  const again = stage.capture(repo, "--include", `${shop}.*`, ...of(repo, copy));
  await stage.untilExactNow(repo, `${shop}.orders`);
  expect(again.stderr()).toMatch(/the repository lacked ticks that the copy has/);
  expect((await stop(again)).status).toBe(0);
  await restore([repo], at, "delivered", shop);
  expect((await stage.texts("delivered", "orders")).size).toBe(20);
  expect((await cli(["verify", "--data", "--repo", repo])).status).toBe(0);
}, 120_000);

test("a capture does not begin a repository beside a copy, and a copy that is away is told", async () => {
  const { shop, repo, copy } = await level("beside");
  const once = await stage.backUp(repo, "--include", `${shop}.*`, ...of(repo, copy));
  expect(once.status).toBe(0);
  const run = stage.capture(repo, "--include", `${shop}.*`);
  await stage.untilExactNow(repo, `${shop}.orders`);
  await kill(run);
  await rename(repo, `${repo}.away`);
  const refused = await stage.capture(repo, ...of(repo, copy)).finished;
  expect(refused.status).toBe(4);
  expect(refused.stderr).toMatch(/beside\.1 holds no repository, but .*beside\.2 holds one/);
  await expect(readdir(repo)).rejects.toThrow("ENOENT");
  await rename(`${repo}.away`, repo);
  await rename(copy, `${copy}.away`);
  const without = stage.capture(repo, "--include", `${shop}.*`, ...of(repo, copy));
  await until("it is told", () => without.stderr().includes("did not close its log"));
  await stage.untilExactNow(repo, `${shop}.orders`);
  await kill(without);
}, 120_000);

/** A database with ten documents, and places for a repository and a copy of it. */
async function level(name: string) {
  const shop = `shop_${name}`;
  await stage.query(r.dbCreate(shop));
  await stage.query(r.db(shop).tableCreate("orders"));
  const orders = r.db(shop).table("orders");
  const insert = (from: number, to: number) =>
    stage.query(orders.insert(Array.from({ length: to - from }, (_, i) => ({ id: from + i }))));
  await insert(0, 10);
  return { shop, insert, repo: stage.repo(`${name}.1`), copy: stage.repo(`${name}.2`) };
}
