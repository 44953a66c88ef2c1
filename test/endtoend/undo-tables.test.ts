/** Undo and rewind of one customer over three tables, in one operation. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, type Running, start } from "./cli.js";
import { countWrites } from "./count-writes.js";
import { at, boundMs } from "./judge.js";
import { iso, kill, Stage, tableOf, until } from "./stage.js";

/** Of each table; a half of them are the customer's. */
const documents = 4000;
const half = documents / 2;
const tables = ["orders", "invoices", "messages"] as const;
const { row } = r as unknown as { row: (name: string) => Term };
const shop = (name: string) => r.db("shop").table(name);

interface Result {
  operation: string;
  tables: { table: string; written: number; already: number; documents: number }[];
  documents: number;
  written: number;
  already: number;
  left: unknown[];
  conflicts: { table: string; key: unknown }[];
  seconds: number;
  estimatedSeconds: number;
  until: string;
  estimate: { seconds: number; writes: number; requests: { put: number }; cost: unknown };
  requests: { puts: number; gets: number; lists: number };
}

let stage: Stage;
let repo: string;
let capture: Running;
let tenant: string[];

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  for (const name of tables) {
    await stage.query(r.db("shop").tableCreate(name));
    for (let from = 0; from < documents; from += 2000) {
      const some = Array.from({ length: 2000 }, (_, i) => {
        const of = (from + i) % 2 === 0 ? "c1" : "c2";
        const whose = name === "orders" ? { customer: { id: of } } : { customer: of, sender: of };
        return { id: from + i, ...whose, status: "open", at: r.epochTime(from + i) };
      });
      await stage.query(shop(name).insert(some, { durability: "soft" }));
    }
  }
  const file = join(stage.directory, "tenants.yaml");
  await writeFile(
    file,
    "shop.orders: customer.id\nshop.invoices: customer\n" +
      "shop.messages: { $or: [{ sender: $tenant }, { receiver: $tenant }] }\n",
  );
  tenant = ["--tenant", file, "--tenant-id", "c1"];
  capture = stage.capture(repo);
  await stage.untilExactNow(repo, ...tables.map((name) => `shop.${name}`));
}, 120_000);

afterAll(() => stage.close());

/** An instant that is exact for all three tables, once everything before it is captured. A busy machine proves late. */
async function instant(): Promise<string> {
  const names = tables.map((name) => `shop.${name}`);
  for (let tries = 0; tries < 20; tries += 1) {
    // An exact instant has all that was acknowledged so long before.
    await new Promise((resolve) => setTimeout(resolve, boundMs));
    const now = Date.now();
    const known = await stage.untilExact(repo, now + 1, ...names);
    const classes = names.map((name) => at(tableOf(known, name)!.intervals, now)?.class);
    if (classes.every((of) => of === "exact")) return iso(now);
  }
  throw new Error("no instant was exact for all three tables");
}

/** Documents of all three tables, by table and key. */
async function live(): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const name of tables) {
    for (const [key, text] of await stage.texts("shop", name)) all.set(`${name} ${key}`, text);
  }
  return all;
}

const command = (name: string, ...more: string[]) => {
  const places = ["--target", stage.address, "--repo", repo];
  return [name, ...places, ...more];
};
const run = (name: string, ...more: string[]) => cliJson<Result>(command(name, ...more));
const breakAll = async () => {
  for (const name of tables) {
    await stage.query(shop(name).update({ status: "bad" } as never, { durability: "soft" }));
  }
};

/** The customer's documents of one state, everybody else's of another one. */
function mixed(ofTenant: Map<string, string>, ofOthers: Map<string, string>): Map<string, string> {
  const isTenants = (key: string) => Number(key.split(" ")[1]) % 2 === 0;
  return new Map(
    [...ofOthers].map(([key, text]) => [key, isTenants(key) ? ofTenant.get(key)! : text]),
  );
}

/** Runs a command that is killed when 40 % of what it will write is written. Counts writes by independent feeds. */
async function killedOnTheWay(args: string[]) {
  const writes = new Map<string, number>();
  const feeds: { close(): Promise<void> }[] = [];
  for (const name of tables) feeds.push(await countWrites(stage, shop(name), writes, `${name} `));
  const running = start(args);
  let ended = false;
  void running.finished.then(() => (ended = true));
  await until("40 % are written", () => ended || writes.size > 0.4 * 3 * half);
  running.process.kill("SIGKILL");
  const { stderr } = await running.finished;
  expect(writes.size).toBeLessThan(3 * half);
  return {
    writes,
    stderr,
    close: async () => {
      for (const feed of feeds) await feed.close();
    },
  };
}

describe("an undo of one customer over three tables", () => {
  let good: Map<string, string>;
  let bad: Map<string, string>;
  let span: string[];

  beforeAll(async () => {
    const from = await instant();
    good = await live();
    await breakAll();
    const to = await instant();
    bad = await live();
    span = ["--from", from, "--to", to];
  }, 120_000);

  test("by a plan that is killed on the way and given again writes each document once", async () => {
    const path = join(stage.directory, "undo.json");
    const planning = ["--dry-run", "--plan", path, "--profile", "aws-s3-standard"];
    const plan = await run("undo", ...span, ...tenant, ...planning);
    expect(plan.tables.map(({ table, documents: of }) => [table, of])).toEqual(
      tables.map((name) => [`shop.${name}`, half]),
    );
    expect(plan.documents).toBe(3 * half);
    expect(plan.estimate).toMatchObject({
      writes: (3 * half) / 100,
      cost: { profile: "aws-s3-standard", currency: "USD", total: expect.any(Number) as number },
    });
    expect(await live()).toEqual(bad);

    const { writes, close } = await killedOnTheWay(command("undo", "--plan", path));
    const result = await run("undo", "--plan", path);
    expect(result.written + result.already).toBe(3 * half);
    expect(result.already).toBeGreaterThan(0);
    expect(result.tables.map(({ table }) => table)).toEqual(tables.map((name) => `shop.${name}`));
    expect(result.left).toEqual([]);
    expect(result.estimatedSeconds).toBe(plan.estimate.seconds);
    await until("all writes are told", () => writes.size === 3 * half);
    await close();
    expect([...writes.values()].filter((count) => count !== 1)).toEqual([]);
    expect(await live()).toEqual(mixed(good, bad));

    // All of it is one operation, also what the run wrote that was killed.
    const undone = await run("undo", "--operation", result.operation);
    expect(undone).toMatchObject({ written: 3 * half, left: [], conflicts: [] });
    expect(await live()).toEqual(bad);
    const list = ["pin", "list", "--repo", repo];
    const { pins } = await cliJson<{ pins: { name: string; until: string }[] }>(list);
    expect(pins.find(({ name }) => name === `before-undo-${result.operation}`)).toMatchObject({
      until: result.until,
      ended: false,
    });
  }, 240_000);

  test("names every table that cannot be done, and writes nothing to the others", async () => {
    const before = await live();
    await stage.query(r.db("shop").tableCreate("later"));
    await stage.query(r.db("shop").tableCreate("other", { primaryKey: "key" } as never));
    const given = ["shop.orders", "shop.later", "shop.nothing"];
    const { status, stderr } = await cli(command("undo", ...given, ...span));
    expect(status).not.toBe(0);
    expect(stderr).toContain("2 tables cannot be taken");
    expect(stderr).toContain("later");
    expect(stderr).toContain("nothing");
    await stage.query(r.db("shop").tableDrop("later"));
    await stage.query(r.db("shop").tableDrop("other"));
    expect(await live()).toEqual(before);
  });

  test("refuses if a table has a conflict, and names the table", async () => {
    await stage.query(shop("invoices").get(4).update({ status: "paid" }));
    const before = await live();
    const { status, stdout } = await cli(["--json", ...command("undo", ...span, ...tenant)]);
    expect(status).toBe(17);
    const { conflicts } = JSON.parse(stdout) as Result;
    expect(conflicts).toEqual([{ table: "shop.invoices", key: 4, paths: ["status"] }]);
    expect(await live()).toEqual(before);
    await stage.query(shop("invoices").get(4).update({ status: "bad" }));
  });

  test("refuses a plan of the form that knew one table", async () => {
    const path = join(stage.directory, "old.json");
    await writeFile(
      path,
      '{"thinkback":"plan","version":1,"id":"0123abcd","changes":[\n],"documents":0}\n',
    );
    const { status, stderr } = await cli(command("undo", "--plan", path));
    expect(status).toBe(2);
    expect(stderr).toContain("version 1");
  });
});

describe("a rewind of one customer over three tables", () => {
  test("that is killed on the way and given again writes each document once", async () => {
    await stage.query(shop("orders").update({ status: "open" } as never));
    const then = await instant();
    const past = await live();
    for (const name of tables) {
      await stage.query(shop(name).filter(row("id").lt(half)).update({ status: "worse" }));
      await stage.query(shop(name).filter(row("id").ge(half)).delete());
    }
    const broken = await live();
    const rewind = command("rewind", "--at", then, ...tenant);
    const { writes, close } = await killedOnTheWay(rewind);
    const result = await cliJson<Result>(rewind);
    expect(result.left).toEqual([]);
    await until("all writes are told", () => writes.size === 3 * half);
    await close();
    expect([...writes.values()].filter((count) => count !== 1)).toEqual([]);
    const now = await live();
    const expected = mixed(past, new Map([...past].map(([key]) => [key, broken.get(key) ?? ""])));
    for (const [key, text] of expected) if (text === "") expected.delete(key);
    expect(inOrder(now)).toEqual(inOrder(expected));
  }, 240_000);

  test("that was killed is taken back without a capture", async () => {
    const then = await instant();
    await breakAll();
    await instant();
    await kill(capture);
    const before = await live();
    const { stderr, close } = await killedOnTheWay(command("rewind", "--at", then, "--db", "shop"));
    await close();
    const id = /rewind ([0-9a-f]{8}) changes/.exec(stderr)![1]!;
    expect(await live()).not.toEqual(before);
    const undone = await run("undo", "--operation", id);
    expect(undone).toMatchObject({ left: [], conflicts: [] });
    expect(undone.written).toBeGreaterThan(0);
    expect(await live()).toEqual(before);
  }, 240_000);
});

const inOrder = (of: Map<string, string>) =>
  new Map([...of].toSorted(([a], [b]) => (a < b ? -1 : 1)));
