/** Undo and rewind of a live table, while others write to it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, start } from "./cli.js";
import { countWrites } from "./count-writes.js";
import { Stage, until } from "./stage.js";

const documents = 10_000;
const { row } = r as unknown as { row: (name: string) => Term };
const orders = r.db("shop").table("orders");
/** The keys of the bad change; of those that count on meanwhile; of those that get another status since. */
const bad = Array.from({ length: 500 }, (_, i) => i * 20);
const counted = bad.slice(0, 200);
const changed = bad.slice(100, 150);

interface OperationResult {
  operation: string;
  written: number;
  already: number;
  left: { key: number; refused: string | null }[];
  conflicts: { key: number; paths: string[] }[];
  doubts: string[];
  pin: string | null;
}

let stage: Stage;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  for (let from = 0; from < documents; from += 2000) {
    const some = Array.from({ length: 2000 }, (_, i) => {
      const id = from + i;
      return { id, status: "open", views: id, at: r.epochTime(id), zero: r.expr(0).mul(-1) };
    });
    await stage.query(orders.insert(some, { durability: "soft" }));
  }
  stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders");
}, 120_000);

afterAll(() => stage.close());

const update = (keys: number[], by: unknown) =>
  stage.query(orders.getAll(r.args(keys)).update(by as Term, { durability: "soft" }));

/** An instant, once everything before it is captured. */
async function instant(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const at = Date.now();
  await stage.untilExact(repo, at + 1, "shop.orders");
  return new Date(at).toISOString();
}

const live = () => stage.texts("shop", "orders");
const onLive = ["--target", "", "--repo", ""];
const command = (name: string, ...more: string[]) => {
  onLive[1] = stage.address;
  onLive[3] = repo;
  return [name, "shop.orders", ...onLive, ...more];
};
const run = (name: string, ...more: string[]) => cliJson<OperationResult>(command(name, ...more));

describe("an undo of a bad update", () => {
  let from: string;
  let to: string;
  let before: Map<string, string>;
  let done: OperationResult;

  beforeAll(async () => {
    from = await instant();
    await update(bad, { status: "bad" });
    to = await instant();
    await update(counted, { views: row("views").add(1_000_000) });
    await update(changed, { status: "shipped" });
    before = await live();
  }, 120_000);

  test("refuses to begin while there are conflicts, and writes nothing", async () => {
    const { status, stdout, stderr } = await cli([
      "--json",
      ...command("undo", "--from", from, "--to", to),
    ]);
    expect(status).toBe(17);
    expect(stderr).toContain("50 documents had fields set to something else since");
    const { conflicts } = JSON.parse(stdout) as OperationResult;
    expect(conflicts.map(({ key }) => key).sort((a, b) => a - b)).toEqual(changed);
    expect(new Set(conflicts.map(({ paths }) => paths.join()))).toEqual(new Set(["status"]));
    expect(await live()).toEqual(before);
  });

  test("gives the others their value back, and keeps what was counted since", async () => {
    done = await run("undo", "--from", from, "--to", to, "--on-conflict", "skip");
    expect(done).toMatchObject({ written: 450, already: 0, left: [] });
    expect(done.conflicts).toHaveLength(50);
    const statuses = await stage.query(orders.group("status").count().ungroup());
    expect(statuses).toEqual([
      { group: "open", reduction: documents - 50 },
      { group: "shipped", reduction: 50 },
    ]);
    const views = await stage.query<number>(orders.getAll(r.args(counted)).sum("views"));
    expect(views).toBe(counted.reduce((sum, id) => sum + id + 1_000_000, 0));
  });

  test("finds nothing to do when it is given again", async () => {
    const again = await run("undo", "--from", from, "--to", to, "--on-conflict", "skip");
    expect(again).toMatchObject({ written: 0, left: [] });
  });

  test("is undone itself, byte for byte", async () => {
    const undone = await run("undo", "--operation", done.operation);
    expect(undone).toMatchObject({ written: 450, left: [], conflicts: [] });
    expect(await live()).toEqual(before);
  });

  test("can be of one document, of a range, or of what fits a query", async () => {
    const span = ["--from", from, "--to", to, "--on-conflict", "skip"];
    expect(await run("undo", ...span, "--key", "0")).toMatchObject({ written: 1 });
    expect(await run("undo", ...span, "--between", "20..100")).toMatchObject({ written: 5 });
    const where = ["--where", '{"id": {"$gte": 120, "$lt": 160}}'];
    expect(await run("undo", ...span, ...where)).toMatchObject({ written: 2 });
    expect(await run("undo", ...span, "--key", "1")).toMatchObject({ written: 0 });
  });

  test("whose query fits nothing that was changed says why, before anything is written", async () => {
    const now = await live();
    const mistyped = ["--where", '{"status": 5, "colour": "red"}'];
    const said = [
      "status of shop.orders is a text in each document that was looked at, and a number was given",
      "no document of shop.orders that was looked at has a field colour",
    ];
    const [undo, rewind] = [
      ["undo", "--from", from, "--to", to] as const,
      ["rewind", "--at", from] as const,
    ];
    for (const [name, ...args] of [
      [...undo, "--dry-run"],
      undo,
      rewind,
      ["undo", "--operation", done.operation],
    ] as const) {
      const { status, stdout, stderr } = await cli([
        "--json",
        ...command(name, ...args, ...mistyped),
      ]);
      expect([name, status]).toEqual([name, 0]);
      expect(JSON.parse(stdout)).toMatchObject({ doubts: said });
      for (const text of said) expect(stderr).toContain(`thinkback: ${text}\n`);
    }
    expect([...(await live())]).toEqual([...now]);
    const { doubts } = await run(
      "undo",
      "--from",
      from,
      "--to",
      to,
      "--where",
      '{"status": "bad"}',
      "--dry-run",
      "--on-conflict",
      "skip",
    );
    expect(doubts).toEqual([]);
  });

  test("brings conflicts back wholly with cascade, and their field alone with force", async () => {
    const span = ["--from", from, "--to", to];
    const [first, second] = [changed[0]!, changed[1]!];
    await run("undo", ...span, "--key", String(first), "--on-conflict", "cascade");
    await run("undo", ...span, "--key", String(second), "--on-conflict", "force");
    const rows = await stage.query<{ id: number; status: string; views: number }[]>(
      orders.getAll(first, second).orderBy("id").pluck("id", "status", "views"),
    );
    expect(rows).toEqual([
      { id: first, status: "open", views: first },
      { id: second, status: "open", views: second + 1_000_000 },
    ]);
  });
});

describe("a rewind", () => {
  test("by a plan writes nothing twice, and tells what has moved", async () => {
    const at = await instant();
    const past = await live();
    await stage.query(orders.filter(row("id").lt(4000)).update({ status: "wrong" }));
    await stage.query(orders.filter(row("id").ge(9500)).delete());
    await stage.query(orders.insert([{ id: "new" }, { id: "newer" }]));
    const path = join(stage.directory, "plan.json");
    const planned = await cliJson<{ documents: number }>(
      command("rewind", "--at", at, "--dry-run", "--plan", path),
    );
    expect(planned.documents).toBe(4502);
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ documents: 4502 });
    const moved = [1, 2, 3, 5, 7, 11, 13];
    await update(moved, { status: "moved" });

    const writes = new Map<string, number>();
    const feed = await countWrites(stage, orders, writes);
    const killed = start(command("rewind", "--plan", path));
    await until("40 % are written", () => writes.size > 1800);
    killed.process.kill("SIGKILL");
    await killed.finished;
    const atKill = writes.size;
    expect(atKill).toBeLessThan(4495);

    const { status, stdout } = await cli(["--json", ...command("rewind", "--plan", path)]);
    expect(status).toBe(17);
    const result = JSON.parse(stdout) as OperationResult;
    expect(result.left.map(({ key }) => key).sort((a, b) => a - b)).toEqual(moved);
    expect(result.written + result.already).toBe(4495);
    await until("all are told", () => writes.size === 4495);
    await feed.close();
    expect(writes.size).toBe(4495);
    expect([...writes.values()].every((count) => count === 1)).toBe(true);
    const now = await live();
    for (const key of moved) expect(now.get(String(key))).toContain('"moved"');
    for (const key of moved) now.delete(String(key));
    for (const key of moved) past.delete(String(key));
    expect(now).toEqual(past);

    const undone = await run("undo", "--operation", result.operation);
    expect(undone).toMatchObject({ written: 4495, left: [], conflicts: [] });
  }, 180_000);

  test("directly leaves nothing different", async () => {
    const at = await instant();
    const past = await live();
    await stage.query(orders.filter(row("id").lt(100)).update({ status: "worse" }));
    await stage.query(orders.get(200).delete());
    expect(await run("rewind", "--at", at, "--key", "200")).toMatchObject({ written: 1 });
    expect(await run("rewind", "--at", at)).toMatchObject({ written: 100, left: [] });
    expect(await live()).toEqual(past);
  });

  test.each([
    [["--at", "now", "--plan", "/none"], 2, /--at is given beside it/],
    [["--plan", "/none"], 2, /cannot be used/],
    [["--at", "2020-01-01"], 5, /.*/],
    [["--at", "now", "--between", "x"], 2, /--between/],
  ])("refuses %j", async (args, status, message) => {
    const ended = await cli(command("rewind", ...args));
    expect(ended.status).toBe(status);
    expect(ended.stderr).toMatch(message);
  });
});
