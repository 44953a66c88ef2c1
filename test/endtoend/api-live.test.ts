/** What the API says differs between an instant and the live table, and how it reaches that. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cliJson, type Running } from "./cli.js";
import { kill, nextInstant, Stage, stop, until } from "./stage.js";

const password = "quiet-ocean-7";
const orders = r.db("shop").table("orders");

let stage: Stage;
let repo: string;
let then: string;
let tokens: Record<"viewer" | "operator", string>;

const source = () => `rethinkdb://backup:${password}@${stage.server.host}:${stage.server.port}`;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders.insert(["a", "b", "c"].map((id) => ({ id, n: 1 }))));
  await stage.query(r.db("rethinkdb").table("users").insert({ id: "backup", password }));
  await stage.query(r.grant("backup", { read: true }));
  await stage.query(r.db("rethinkdb").grant("backup", { read: true }));
});

afterAll(() => stage.close());

interface Served {
  running: Running;
  base: string;
}

async function served(...args: Parameters<Stage["start"]>): Promise<Served> {
  const running = stage.start(...args);
  await until("the API is served", () => /"api":"http/.test(running.stderr()));
  return { running, base: /"api":"([^"]+)"/.exec(running.stderr())![1]! };
}

const api = ["--api", "127.0.0.1:0"];

async function ask({ base }: Served, role: "viewer" | "operator", path: string) {
  const headers = { authorization: `Bearer ${tokens[role]}` };
  const answer = await fetch(base + path, { headers });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

/** The arguments of all processes that a process has started, as every user of the machine may see them. */
async function argumentsOfChildren(parent: number): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ps", ["-Awwo", "ppid=,args="]);
  const lines = stdout.split("\n").map((line) => line.trim());
  return lines.filter((line) => line.startsWith(`${parent} `));
}

test("of a process that captures, without a target: the tables of its source, by a viewer in counts only", async () => {
  const run = ["run", "--repo", repo, "--tick", "200ms", ...api];
  const here = await served(run, { THINKBACK_SOURCE: source() });
  const made = (role: "viewer" | "operator") =>
    cliJson<{ token: string }>(["token", "create", role, "--role", role, "--repo", repo]);
  tokens = {
    viewer: (await made("viewer")).token,
    operator: (await made("operator")).token,
  };
  await stage.untilExactNow(repo, "shop.orders");
  then = new Date(await nextInstant(300)).toISOString();
  const path = `/v1/tables/shop.orders/diff?live=true&at=${then}`;
  await stage.untilExact(repo, Date.parse(then), "shop.orders");
  const equal = await ask(here, "operator", path);
  expect(equal).toMatchObject({ status: 200, body: { added: 0, removed: 0, changed: 0 } });

  await stage.query(orders.insert({ id: "d", n: 4 }));
  await stage.query(orders.get("a").delete());
  await stage.query(orders.get("b").update({ n: 2 }));
  let isOver = false;
  const asked = ask(here, "operator", path).finally(() => (isOver = true));
  const seen = new Set<string>();
  while (!isOver) {
    for (const one of await argumentsOfChildren(here.running.process.pid!)) seen.add(one);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { status, body } = await asked;
  expect([status, body]).toEqual([
    200,
    expect.objectContaining({ table: "shop.orders", to: "live" }),
  ]);
  expect(Date.parse(body["from"] as string)).toBe(Date.parse(then));
  const { documents, added, removed, changed } = body as {
    documents: object[];
    added: number;
    removed: number;
    changed: number;
  };
  expect([added, removed, changed]).toEqual([1, 1, 1]);
  expect(documents).toHaveLength(3);
  expect(documents).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        key: "a",
        change: "removed",
        before: { id: "a", n: 1 },
        after: null,
      }),
      expect.objectContaining({
        key: "b",
        change: "changed",
        before: { id: "b", n: 1 },
        after: { id: "b", n: 2 },
      }),
      expect.objectContaining({
        key: "d",
        change: "added",
        before: null,
        after: { id: "d", n: 4 },
      }),
    ]),
  );
  // The command was seen, and its arguments hold no password.
  expect([...seen].some((one) => one.includes("diff") && one.includes("--live"))).toBe(true);
  expect([...seen].filter((one) => one.includes(password))).toEqual([]);
  expect(here.running.stderr()).not.toContain(password);

  const counts = await ask(here, "viewer", path);
  expect(counts).toMatchObject({ status: 200, body: { added: 1, removed: 1, changed: 1 } });
  expect(counts.body).not.toHaveProperty("documents");
  const limited = await ask(here, "operator", `${path}&limit=1`);
  expect(limited.body).toMatchObject({ added: 1, removed: 1, changed: 1 });
  expect(limited.body["documents"]).toHaveLength(1);

  await stage.query(r.db("shop").tableDrop("orders"));
  expect(await ask(here, "operator", path)).toMatchObject({
    status: 502,
    body: { code: "target", detail: expect.stringContaining("there is no table shop.orders") },
  });
  await stop(here.running);
});

test("of a process whose configuration names a target: the tables of that", async () => {
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders.insert(["a", "b", "c"].map((id) => ({ id, n: id === "c" ? 3 : 1 }))));
  const path = `/v1/tables/shop.orders/diff?live=true&at=${then}`;
  const run = ["run", "--role", "api", "--repo", repo, ...api];
  // The source would refuse this password: it is not asked.
  const wrong = source().replace(password, "wrong");
  const named = { THINKBACK_SOURCE: wrong, THINKBACK_TARGET: stage.address };
  const here = await served(run, named);
  expect(await ask(here, "operator", path)).toMatchObject({
    status: 200,
    body: { added: 0, removed: 0, changed: 1, documents: [{ key: "c" }] },
  });
  await kill(here.running);
});

test("of a process that knows no server: it says so", async () => {
  const here = await served(["run", "--role", "api", "--repo", repo, ...api]);
  const path = `/v1/tables/shop.orders/diff?at=${then}`;
  expect(await ask(here, "viewer", `${path}&live=true`)).toMatchObject({
    status: 422,
    body: { code: "usage", detail: "this server does not know the live tables" },
  });
  await kill(here.running);
});
