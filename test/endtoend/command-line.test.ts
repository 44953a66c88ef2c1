/** What the command line asks for and cannot be had is said, with its exit status, instead of being passed over. */
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli } from "./cli.js";
import { Stage, stop, until } from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(r.db("shop").table("orders").insert({ id: 1 }));
});

afterAll(() => stage.close());

test("a one-shot backup of what is not there is an error, and makes nothing", async () => {
  const repo = stage.repo("misspelt");
  for (const include of [["shpo.orders"], ["shop.*", "shop.ordres"]]) {
    const wanted = include.flatMap((pattern) => ["--include", pattern]);
    const { status, stderr } = await stage.backUp(repo, ...wanted);
    expect(stderr).toMatch(new RegExp(`--include ${include.at(-1)} chooses no table of rethinkdb`));
    expect(stderr).toMatch(/→ tables there: shop\.orders/);
    expect(status).toBe(6);
  }
  const excluded = ["--exclude", "old", "--exclude", "shop"];
  const left = "--exclude old --exclude shop leaves no table";
  const all = await stage.backUp(repo, ...excluded);
  expect(all.stderr).toContain(`${left} of rethinkdb`);
  const some = await stage.backUp(repo, "--include", "shop.orders", ...excluded);
  expect(some.stderr).toContain(`${left} of --include shop.orders of rethinkdb`);
  expect([all.status, some.status]).toEqual([6, 6]);
  await expect(readdir(repo)).rejects.toThrow("ENOENT");
});

test("a capture of an address where no server is makes nothing", async () => {
  const repo = stage.repo("nowhere");
  const away = ["run", "--source", "rethinkdb://127.0.0.1:1", "--repo", repo];
  for (const args of [away, [...away, "--once"]]) {
    expect((await cli(args)).status).toBe(3);
    await expect(readdir(repo)).rejects.toThrow("ENOENT");
  }
});

test("a capture of what is not there yet warns, and so does status, until it is there", async () => {
  const repo = stage.repo("later");
  const running = stage.capture(repo, "--include", "shop.*", "--include", "later.t");
  const warned = /"level":40.*--include later\.t chooses no table of/;
  await until("the log warns", () => warned.test(running.stderr()));
  const status = async () => (await cli(["status", "--repo", repo])).stdout;
  const idle = "--include later.t chooses no table of those that are there";
  await until("status warns", async () => (await status()).includes(idle));
  await stage.query(r.dbCreate("later"));
  await stage.query(r.db("later").tableCreate("t"));
  await until("the table is captured", async () => /later\.t +live/.test(await status()));
  expect(await status()).not.toContain(idle);
  expect((await stop(running)).status).toBe(0);
});

test("an instant just behind the clock is waited for, also while nothing happens", async () => {
  const repo = stage.repo("idle");
  const running = stage.capture(repo, "--include", "shop.*");
  await until("it captures", () => running.stderr().includes("captured completely"));
  const at = Date.now();
  await until("a second has passed", () => Date.now() - at >= 1000);
  const show = (time: string) =>
    cli(["show", "shop.orders", "1", "--repo", repo, "--at", time, "--json"]);
  const { status, stdout, stderr } = await show("1s ago");
  expect(stderr).not.toContain("unwatched");
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ class: "exact", document: { id: 1 } });
  expect((await stop(running)).status).toBe(0);
  const after = await show("now");
  expect([after.status, after.stderr]).toEqual([5, expect.stringContaining("not proven yet")]);
});
