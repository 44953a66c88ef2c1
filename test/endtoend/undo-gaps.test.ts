/** Undo and rewind where a table was not watched: what they refuse, what they take if they may, and what they pin. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, cliJson, untilStatus } from "./cli.js";
import { iso, nextInstant, Stage, stop, tableOf } from "./stage.js";

interface Result {
  operation: string;
  written: number;
  pin: string | null;
  tables: { table: string; written: number }[];
}
interface Pins {
  pins: { name: string; at: string; holds: boolean }[];
}

const orders = r.db("shop").table("orders");
const carts = r.db("shop").table("carts");
let stage: Stage;
let repo: string;
/** An exact instant before the gap, two inside it, and one after it. */
let before: string;
let inside: string;
let later: string;
let after: string;

const command = (name: string, ...args: string[]) => {
  return [name, ...args, "--repo", repo, "--target", stage.address];
};
const run = (name: string, ...args: string[]) => cliJson<Result>(command(name, ...args));
const statuses = () => stage.query<string[]>(orders.orderBy("id").getField("status"));
const pinned = async (name: string | null) => {
  const { pins } = await cliJson<Pins>(["pin", "list", "--repo", repo]);
  return pins.find((one) => one.name === name);
};

async function exact(...names: string[]): Promise<string> {
  const now = await nextInstant(300);
  await stage.untilExact(repo, now + 1, ...names);
  return iso(now);
}

const rows = Array.from({ length: 6 }, (_, id) => ({ id, status: "open" }));

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  for (const [name, table] of [
    ["orders", orders],
    ["carts", carts],
  ] as const) {
    await stage.query(r.db("shop").tableCreate(name));
    await stage.query(table.insert(rows));
  }
  const first = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders", "shop.carts");
  before = await exact("shop.orders", "shop.carts");
  await stop(first);
  // The gap: half of the documents change before `inside`, and others after it.
  await stage.query(orders.getAll(0, 1, 2).update({ status: "bad" }));
  await nextInstant(50);
  inside = iso(await nextInstant(50));
  await stage.query(orders.getAll(3).update({ status: "worse" }));
  later = iso(await nextInstant(50));
  const second = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders", "shop.carts");
  after = await exact("shop.orders", "shop.carts");
  stage.onClose(() => stop(second));
}, 120_000);

afterAll(() => stage.close());

const inGap = ["bad", "bad", "bad", "worse", "open", "open"];

test.each([
  [
    "an undo from an instant in the gap",
    () => ["undo", "shop.orders", "--from", inside, "--to", after],
  ],
  [
    "an undo to an instant in the gap",
    () => ["undo", "shop.orders", "--from", before, "--to", inside],
  ],
  ["a rewind to an instant in the gap", () => ["rewind", "shop.orders", "--at", inside]],
] as const)("%s is refused, and the options that allow it are named", async (_, args) => {
  const [name, ...given] = args();
  const { status, stderr } = await cli(command(name!, ...given));
  expect(status).toBe(5);
  expect(stderr).toContain("that instant is in a gap (capture was not running)");
  expect(stderr).toContain("--gap before or --gap after");
  expect(await statuses()).toEqual(inGap);
});

test("a rewind into the gap gives the state before it, or leaves the state after it", async () => {
  const at = ["shop.orders", "--at", inside];
  const { stderr } = await cli(command("rewind", ...at, "--gap", "before", "--dry-run"));
  expect(stderr).toMatch(/thinkback: shop\.orders is taken as of .*, which is gap/);
  expect(await run("rewind", ...at, "--gap", "after")).toMatchObject({ written: 0 });
  expect(await statuses()).toEqual(inGap);
  const result = await run("rewind", ...at, "--gap", "before");
  expect(result.written).toBe(4);
  expect(await statuses()).toEqual(rows.map(({ status }) => status));
  expect(await run("undo", "--operation", result.operation)).toMatchObject({ written: 4 });
  expect(await statuses()).toEqual(inGap);
});

test("an undo of what was changed in the gap takes back all of it, as --allow-inexact says", async () => {
  const span = ["shop.orders", "--from", inside, "--to", after];
  // From the state after the gap on nothing was changed.
  expect(await run("undo", ...span, "--gap", "after")).toMatchObject({ written: 0 });
  const result = await run("undo", ...span, "--allow-inexact");
  expect(result.written).toBe(4);
  expect(await statuses()).toEqual(rows.map(({ status }) => status));
  expect(await run("undo", "--operation", result.operation)).toMatchObject({ written: 4 });
});

test("an undo of which both instants are taken as of the same one says that nothing is taken back", async () => {
  const span = ["shop.orders", "--from", inside, "--to", later, "--gap", "before"];
  const { stderr, status } = await cli(command("undo", ...span, "--dry-run"));
  expect(status).toBe(0);
  expect(stderr).toContain(
    "nothing of shop.orders is taken back: both instants are taken as of the same one",
  );
});

test("a table that is not watched any more: the newest instant that is known of it is pinned", async () => {
  const known = await exact("shop.orders", "shop.carts");
  const unwatched = stage.capture(repo, "--exclude", "shop.orders", "--take-over");
  await untilStatus(repo, (now) => tableOf(now, "shop.orders")!.state !== "live");
  await exact("shop.carts");
  const mixed = ["shop.orders", "shop.carts", "--at", known];
  await stage.query(orders.get(0).update({ status: "lost" }));
  const { stdout, stderr } = await cli([
    "--json",
    ...command("rewind", "shop.orders", "--at", known),
  ]);
  const result = JSON.parse(stdout) as Result;
  expect(result.written).toBe(1);
  expect(stderr).toMatch(
    /thinkback: shop\.orders is unwatched.* at .*; the newest instant that can be restored is pinned instead\n/,
  );
  const pin = (await pinned(result.pin))!;
  expect(pin).toMatchObject({ holds: true });
  // It can be restored to that instant, and it is the last one: exactly, without a flag.
  const plan = await cliJson<{ tables: { class: string }[] }>([
    "restore",
    "--dry-run",
    "--repo",
    repo,
    "--table",
    "shop.orders",
    "--at",
    `before:${result.operation}`,
  ]);
  expect(plan.tables).toMatchObject([{ class: "exact" }]);
  expect(Date.parse(pin.at)).toBeGreaterThanOrEqual(Date.parse(known));
  // What is known of the other one is newer, and that is pinned where it alone is changed.
  await stage.query(carts.get(0).update({ status: "lost" }));
  const other = await run("rewind", ...mixed, "--key", "0");
  expect(other.tables.map(({ table, written }) => [table, written])).toEqual([
    ["shop.orders", 0],
    ["shop.carts", 1],
  ]);
  expect(Date.parse((await pinned(other.pin))!.at)).toBeGreaterThan(Date.parse(pin.at));
  await stop(unwatched);
}, 120_000);
