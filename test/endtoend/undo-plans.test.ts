/** What undo and rewind say before they write, plans of each kind, and commands that are stopped on their way. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, start } from "./cli.js";
import { countWrites } from "./count-writes.js";
import { Stage, until } from "./stage.js";

const documents = 6000;
const { row } = r as unknown as { row: (name: string) => Term };
const orders = r.db("shop").table("orders");

interface Result {
  operation: string;
  written: number;
  already: number;
  changed: number;
  deleted: number;
  broughtBack: number;
  firstDeleted: unknown[];
  kept: number;
  documents: number;
  refused: boolean;
  left: { key: unknown }[];
  conflicts: { key: unknown; paths: string[] }[];
  conflictCount: number;
  moved: { key: unknown }[];
  done: number;
  plan: string | null;
  wayBack: string | null;
  pin: string;
}

let stage: Stage;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  for (let from = 0; from < documents; from += 2000) {
    const some = Array.from({ length: 2000 }, (_, i) => ({ id: from + i, status: "open", rev: 1 }));
    await stage.query(orders.insert(some, { durability: "soft" }));
  }
  stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders");
}, 120_000);

afterAll(() => stage.close());

/** An instant, once everything before it is captured. */
async function instant(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const at = Date.now();
  await stage.untilExact(repo, at + 1, "shop.orders");
  return new Date(at).toISOString();
}

const live = () => stage.texts("shop", "orders");
const command = (name: string, ...more: string[]) => {
  return [name, "--target", stage.address, "--repo", repo, ...more];
};
const run = (name: string, ...more: string[]) => cliJson<Result>(command(name, ...more));
const ended = async (name: string, ...more: string[]) => {
  const { status, stdout, stderr } = await cli(["--json", ...command(name, ...more)]);
  const result = stdout === "" ? undefined : (JSON.parse(stdout) as Result);
  return { status, stderr, result };
};
const planPath = (name: string) => join(stage.directory, `${name}.json`);
const of = ["shop.orders"];

describe("an undo with conflicts", () => {
  const bad = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const since = [9, 10];
  let span: string[];

  beforeAll(async () => {
    const from = await instant();
    await stage.query(orders.getAll(r.args(bad)).update({ status: "bad" }));
    const to = await instant();
    await stage.query(orders.getAll(r.args(since)).update({ status: "shipped" }));
    span = ["--from", from, "--to", to];
  }, 60_000);

  test("is refused in a dry run too, which says what each way would do, and makes no plan", async () => {
    const path = planPath("refused");
    const { status, result, stderr } = await ended(
      "undo",
      ...of,
      ...span,
      "--dry-run",
      "--plan",
      path,
    );
    expect(status).toBe(17);
    expect(stderr).toContain("no plan was written");
    expect(result).toMatchObject({ refused: true, conflictCount: 2, documents: 8, plan: null });
    await expect(stat(path)).rejects.toThrow();
    const text = await cli(command("undo", ...of, ...span, "--dry-run"));
    expect(text.status).toBe(17);
    expect(text.stdout).toContain("would be REFUSED: 2 conflicts");
    expect(text.stdout).toContain("skip would write 8 documents, force or cascade 10 documents");
    expect(text.stdout).toContain(
      'conflict: shop.orders 9: status (was "open", set to "bad", is "shipped")',
    );
    expect(text.stdout).toContain('~ status: "bad" → "open"');
  });

  test("by a plan of a chosen way tells of them when it is carried out", async () => {
    const path = planPath("skip");
    const way = ["--on-conflict", "skip", "--dry-run", "--plan", path];
    expect(await run("undo", ...of, ...span, ...way)).toMatchObject({ documents: 8, plan: path });
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({
      conflictCount: 2,
      changed: 8,
    });
    const before = await live();
    expect(await run("undo", "--plan", path, "--dry-run")).toMatchObject({
      documents: 8,
      conflictCount: 2,
      moved: [],
      done: 0,
    });
    expect(await live()).toEqual(before);
    const done = await run("undo", "--plan", path);
    expect(done).toMatchObject({ written: 8, changed: 8, conflictCount: 2, left: [] });
    expect(await run("undo", "--plan", path, "--dry-run")).toMatchObject({ done: 8, moved: [] });

    // A plan of an undo of an operation is carried out as well.
    const back = planPath("operation");
    const named = ["--operation", `undo-${done.operation}`];
    expect(await run("undo", ...named, "--dry-run", "--plan", back)).toMatchObject({
      documents: 8,
    });
    const undone = await run("undo", "--plan", back);
    expect(undone).toMatchObject({ written: 8, left: [] });
    expect(await live()).toEqual(before);
    const again = await cli(command("undo", ...named));
    expect(again.stdout).toContain(`it was taken back already by ${undone.operation}`);
  }, 60_000);

  test("can leave a field that counts on as it is", async () => {
    await stage.query(orders.getAll(r.args(bad)).update({ rev: row("rev").add(1) }));
    const from = await instant();
    await stage.query(orders.getAll(1, 2).update({ status: "worse", rev: row("rev").add(1) }));
    const to = await instant();
    await stage.query(orders.getAll(1, 2).update({ note: "x", rev: row("rev").add(1) }));
    const args = [...of, "--from", from, "--to", to];
    const { status, result } = await ended("undo", ...args);
    expect(status).toBe(17);
    expect(result!.conflicts.map(({ paths }) => paths)).toEqual([["rev"], ["rev"]]);
    expect(await run("undo", ...args, "--ignore-field", "rev", "--key", "1")).toMatchObject({
      written: 1,
      conflictCount: 0,
    });
    expect(await run("undo", ...args, "--field", "status", "--key", "2")).toMatchObject({
      written: 1,
      conflictCount: 0,
    });
    expect(await stage.query(orders.getAll(1, 2).orderBy("id").coerceTo("array"))).toEqual(
      [1, 2].map((id) => ({ id, status: "bad", rev: 4, note: "x" })),
    );
  }, 60_000);

  test.each([
    [["--plan", "/none", "--on-conflict", "force"], /--on-conflict is given beside it/],
    [["--plan", "/none", "--from", "1h ago"], /--from is given beside it/],
    [["--plan", "/none", "--dry-run"], /cannot be used/],
    [["shop.order", "--from", "1h ago"], /the nearest: shop.orders/],
    [["shop.orders"], /it is not said what is to be undone/],
  ])("says what is wrong with %j", async (args, message) => {
    const { status, stderr } = await cli(command("undo", ...args));
    expect(status).not.toBe(0);
    expect(stderr).toMatch(message);
  });
});

describe("a rewind", () => {
  test("says what it deletes, and can keep it", async () => {
    const at = await instant();
    const past = await live();
    await stage.query(orders.insert(Array.from({ length: 7 }, (_, i) => ({ id: `new ${i}` }))));
    await stage.query(orders.getAll(100, 101).update({ status: "wrong" }));
    await stage.query(orders.get(102).delete());
    const dry = await run("rewind", ...of, "--at", at, "--dry-run");
    expect(dry).toMatchObject({ documents: 10, changed: 2, deleted: 7, broughtBack: 1 });
    expect(dry.firstDeleted).toEqual(Array.from({ length: 5 }, (_, i) => `new ${i}`));
    const text = await cli(command("rewind", ...of, "--at", at, "--dry-run"));
    expect(text.stdout).toContain("would change 2 documents, delete 7 (made since), bring back 1");
    expect(text.stdout).toMatch(/deletes: shop.orders "new 0", .* and 2 more/);
    const kept = await run("rewind", ...of, "--at", at, "--keep-added");
    expect(kept).toMatchObject({ written: 3, kept: 7, deleted: 0, broughtBack: 1 });
    const done = await run("rewind", ...of, "--at", at, "--gentle", "--max-rate", "5000");
    expect(done).toMatchObject({ written: 7, deleted: 7 });
    expect(await live()).toEqual(past);
    // The way back is printed whole.
    expect(done.wayBack).toBe(
      `thinkback undo --operation ${done.operation} --repo ${repo} --target ${stage.address}`,
    );
  }, 60_000);

  test("that is stopped tells how far it came, and both ways", async () => {
    const at = await instant();
    const past = await live();
    await stage.query(orders.update({ status: "wrong" } as never, { durability: "soft" }));
    const writes = new Map<string, number>();
    const feed = await countWrites(stage, orders, writes);
    const args = command("rewind", ...of, "--at", at, "--max-rate", "1000");
    const stopped = start(["--json", ...args]);
    await until("some are written", () => writes.size > 500);
    stopped.process.kill("SIGINT");
    const { status, stdout, stderr } = await stopped.finished;
    expect(status).toBe(12);
    const result = JSON.parse(stdout) as { operation: string; stopped: boolean; done: number };
    expect(result).toMatchObject({ stopped: true, documents });
    expect(stderr).toContain("to go on: give the same command again");
    expect(stderr).toContain(`thinkback undo --operation ${result.operation} --repo`);
    await feed.close();
    // What was written then is written before the operation's point, and not after it.
    const point = await instant();
    const undone = await run("undo", "--operation", result.operation);
    expect(undone.written).toBeGreaterThanOrEqual(result.done);
    const wrong = await stage.query(orders.filter({ status: "wrong" }).count());
    expect(wrong).toBe(documents);
    await run("rewind", ...of, "--at", at);
    expect(await live()).toEqual(past);
    // before: is the pin, at which nothing of the operation was written yet.
    const named = await run("rewind", ...of, "--at", `before:${undone.operation}`, "--dry-run");
    const direct = await run("rewind", ...of, "--at", point, "--dry-run");
    expect(named.documents).toBe(direct.documents);
  }, 120_000);

  test("whose plan has moved documents names them, and advises a new plan", async () => {
    const at = await instant();
    await stage.query(orders.getAll(200, 201).update({ status: "wrong" }));
    const path = planPath("moved");
    await run("rewind", ...of, "--at", at, "--dry-run", "--plan", path);
    await stage.query(orders.get(200).update({ status: "moved" }));
    const shown = await ended("rewind", "--plan", path, "--dry-run");
    expect(shown.status).toBe(17);
    expect(shown.result!.moved).toEqual([{ table: "shop.orders", key: 200 }]);
    const { status, stderr, result } = await ended("rewind", "--plan", path);
    expect(status).toBe(17);
    expect(result).toMatchObject({ written: 1, left: [{ key: 200, why: "moved" }] });
    expect(stderr).toContain("1 document was left as it is");
    expect(stderr).toContain("make a new plan");
    expect(stderr).toContain("--key 200");
  }, 60_000);
});

test("another cluster is named as such", async ({ skip }) => {
  skip(stage.server.cluster !== undefined, "simulated clusters have the same servers and tables");
  const other = await Stage.open();
  try {
    await other.query(r.dbCreate("shop"));
    await other.query(r.db("shop").tableCreate("orders"));
    const args = ["shop.orders", "--from", "1h ago", "--repo", repo, "--target", other.address];
    const { status, stderr } = await cli(["undo", ...args]);
    expect(status).not.toBe(0);
    expect(stderr).toContain("is another cluster than the one that was captured here");
  } finally {
    await other.close();
  }
}, 60_000);
