/** Disks that are full, or may not be written: what each command says then, and what a capture does that has a spool. */
import { existsSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, type Finished, status } from "./cli.js";
import { SmallDisk } from "./small-disk.js";
import { Stage, stop, tableOf, until } from "./stage.js";

let stage: Stage;
let disks = 0;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await insert(0, 20);
});

afterAll(() => stage.close());

async function insert(from: number, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, i) => ({ id: from + i, text: "x".repeat(2000) }));
  await stage.query(r.db("shop").table("orders").insert(rows, { conflict: "replace" }));
}

function mount(bytes = 32 << 20): SmallDisk | undefined {
  disks += 1;
  const disk = SmallDisk.mount(stage.repo(`disk-${disks}`), bytes);
  if (disk) stage.onClose(async () => disk.unmount());
  return disk;
}

function tried(what: () => void): boolean {
  try {
    what();
    return true;
  } catch (error) {
    if (String(error).includes("busy")) return false;
    throw error;
  }
}

/** Leaves no room, and none kept aside either. */
async function fillAll(disk: SmallDisk, repo: string): Promise<void> {
  for (const name of readdirSync(repo)) {
    if (name.startsWith(".reserve-")) unlinkSync(join(repo, name));
  }
  await disk.fill();
}

function expectPlain({ status: of, stderr }: Finished, code: number, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/→ /);
  expect(stderr).not.toMatch(/^ {4}at /m);
  expect(of, stderr).toBe(code);
}

/** Each that writes to the repository; and what it needs besides. */
const commands: [name: string, args: () => string[]][] = [
  ["fold", () => []],
  ["expire", () => ["--keep", "all:1d"]],
  ["maintain", () => []],
  ["drill", () => ["--target", stage.address]],
  ["pin add now", () => []],
  ["run", () => ["--source", stage.address, "--take-over"]],
  ["run --once", () => ["--source", stage.address, "--take-over"]],
];

describe.each([
  ["full, with nothing kept aside", 10, /no space left/],
  ["read-only", 4, /no permission/],
])("a repository whose disk is %s", (how, code, message) => {
  let disk: SmallDisk | undefined;
  let repo: string;

  beforeAll(async () => {
    disk = mount();
    if (!disk) return;
    repo = `${disk.path}/repo`;
    expect((await stage.backUp(repo)).status).toBe(0);
    await insert(0, 5);
    expect((await stage.backUp(repo)).status).toBe(0);
    if (how === "read-only") disk.remount("ro");
    else await fillAll(disk, repo);
  });

  test.for(commands)("%s ends with its status", async ([command, more], { skip }) => {
    if (!disk) return skip();
    const args = [...command.split(" "), "--repo", repo, ...more()];
    expectPlain(await cli(args), code, message);
    expect((await status(repo)).tables).not.toEqual([]);
  });

  test("a first backup to it, too", async ({ skip }) => {
    if (!disk) return skip();
    expectPlain(await stage.backUp(`${disk.path}/new`), code, message);
  });
});

test("a disk that fills before the first maintenance can be expired on", async (context) => {
  const disk = mount();
  if (!disk) return context.skip();
  const repo = `${disk.path}/repo`;
  expect((await stage.backUp(repo)).status).toBe(0);
  await disk.fill();
  expectPlain(await stage.backUp(repo), 10, /no space left/);
  const expired = await cli(["expire", "--repo", repo, "--keep", "all:1d"]);
  expect(expired.status, expired.stderr).toBe(0);
  expect(expired.stdout).toContain("kept: all:1d");
});

test("a first copy that does not fit ends with status 10", async (context) => {
  const disk = mount(4 << 20);
  if (!disk) return context.skip();
  await stage.query(r.db("shop").tableCreate("large"));
  const rows = Array.from({ length: 60 }, (_, id) => ({ id, bytes: r.random(0, 2 ** 40) }));
  const text = r
    .range(12_000)
    .map(() => r.random(0, 2 ** 40))
    .coerceTo("array");
  for (const row of rows)
    await stage.query(
      r
        .db("shop")
        .table("large")
        .insert({ ...row, text }),
    );
  expectPlain(await stage.backUp(`${disk.path}/repo`), 10, /no space left/);
  await stage.query(r.db("shop").tableDrop("large"));
});

test("a drill whose scratch disk is full ends with status 10", async (context) => {
  const disk = mount(16 << 20);
  if (!disk || !existsSync("/usr/local/bin/rethinkdb")) return context.skip();
  const repo = stage.repo("drilled");
  expect((await stage.backUp(repo)).status).toBe(0);
  await disk.fill();
  expectPlain(await cli(["drill", "--repo", repo], { TMPDIR: disk.path }), 10, /no space left/i);
});

describe.each([
  ["full", "no space left"],
  ["read-only", "no permission"],
])("a capture with a spool whose repository becomes %s", (how, message) => {
  let disk: SmallDisk | undefined;
  beforeEach(() => {
    disk = mount();
  });

  test("goes on, copies what is new, and delivers all when that is over", async (context) => {
    if (!disk) return context.skip();
    const table = `added_${how.replace("-", "_")}`;
    const repo = `${disk.path}/repo`;
    const spool = ["--spool", stage.repo(`spool-${how}`)];
    const run = stage.capture(repo, ...spool, "--include", "shop.*");
    await stage.untilExactNow(repo, "shop.orders");
    if (how === "full") await disk.fill();
    else await until("nothing is being written", () => tried(() => disk!.remount("ro")));
    await insert(100, 30);
    await until("the store fails", () => run.stderr().includes(message));
    await stage.query(r.db("shop").tableCreate(table));
    await stage.query(r.db("shop").table(table).insert({ id: 1 }));
    await until("the new table is copied", () => run.stderr().includes(table));
    expect(run.process.exitCode).toBeNull();
    if (how === "full") await disk.free();
    else disk.remount("rw");
    const now = await stage.untilExactNow(repo, "shop.orders", `shop.${table}`);
    expect(tableOf(now, "shop.orders")!.intervals.map((one) => one.class)).not.toContain("gap");
    expect(run.stderr()).toContain("store is back");
    expect((await stop(run)).status).toBe(0);
  });
});

test("without a spool it ends with status 10, and does not say that all is safe", async (context) => {
  const disk = mount();
  if (!disk) return context.skip();
  const repo = `${disk.path}/repo`;
  const run = stage.capture(repo, "--include", "shop.orders");
  await stage.untilExactNow(repo, "shop.orders");
  await disk.fill();
  await insert(200, 5);
  const finished = await run.finished;
  expectPlain(finished, 10, /capture stopped: no space left/);
  expect(finished.stderr).toMatch(/a gap until then/);
});
