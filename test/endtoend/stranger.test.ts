/** Another server answers at the source's address for a while: an empty one, on which somebody has made a table. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DriverConnection, r } from "../server/driver.js";
import { ExchangedServers } from "../server/exchanged-servers.js";
import {
  cli,
  cliJson,
  type Running,
  type StatusResult,
  start,
  status,
  untilStatus,
} from "./cli.js";
import { boundMs, brokenChains, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { kill, nextInstant, stop, tableOf, until } from "./stage.js";
import { canonicalJson } from "./workload.js";

const name = "shop.orders";
const orders = r.db("shop").table("orders");

let directory: string;
let repo: string;
let servers: ExchangedServers;
let capture: Running;
const captures: Running[] = [];
const ledger = new Ledger();
let written = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  repo = join(directory, "repo");
  servers = await ExchangedServers.make(directory);
});

afterAll(async () => {
  await Promise.all(captures.map(kill));
  await servers.stop();
  await rm(directory, { recursive: true, force: true });
});

function run(...more: string[]): Running {
  const args = ["--source", `rethinkdb://127.0.0.1:${servers.port}`, "--repo", repo];
  const running = start(["run", ...args, "--tick", "200ms", "--no-fold", ...more]);
  captures.push(running);
  return running;
}

async function insert(connection: DriverConnection): Promise<void> {
  const document = { id: written, whose: "ours" };
  written += 1;
  const acknowledge = ledger.send(canonicalJson(document.id), canonicalJson(document), Date.now);
  await orders.insert(document).run(connection);
  acknowledge();
}

/** Writes until the table is captured, with everything before the call. */
async function untilCaptured(connection: DriverConnection): Promise<StatusResult> {
  const called = Date.now();
  return untilStatus(repo, async (now) => {
    await insert(connection);
    const table = tableOf(now, name);
    return table?.state === "live" && Date.parse(table.lastRestorable ?? "") > called + boundMs;
  });
}

test("nothing of a stranger is recorded, nothing of ours is dropped, and the right server is taken again", async () => {
  let connection = await servers.connect();
  await r.dbCreate("shop").run(connection);
  await r.db("shop").tableCreate("orders").run(connection);
  capture = run();
  await untilCaptured(connection);
  const left = Date.now();

  await servers.exchange("stranger");
  connection = await servers.connect();
  await r.dbCreate("shop").run(connection);
  await r.db("shop").tableCreate("orders").run(connection);
  await r.db("shop").table("orders").insert({ id: "strange", whose: "theirs" }).run(connection);
  await until(
    "the stranger is seen",
    () => capture.stderr().includes("another cluster answers"),
    60_000,
  );
  await nextInstant(3000);
  const back = Date.now();

  await servers.exchange("ours");
  connection = await servers.connect();
  await untilReadable(connection);
  const { tables } = await untilCaptured(connection);
  expect(tables.map((table) => [table.name, table.state])).toEqual([[name, "live"]]);
  const gaps = tables[0]!.intervals.filter((one) => one.class === "gap");
  expect(gaps).toHaveLength(1);
  expect(gaps[0]!.reason).toBeTruthy();
  expect(Date.parse(gaps[0]!.from)).toBeLessThan(left + boundMs);
  expect(Date.parse(gaps[0]!.to)).toBeGreaterThan(back);
  expect((await stop(capture)).status).toBe(0);

  const verdict = await judge(repo, name, ledger, spread(left - 3000, Date.now(), 60));
  expect(verdict.wrong).toEqual([]);
  expect(verdict.exact + verdict.late).toBeGreaterThan(10);
  const shown = await cli(["show", "--repo", repo, name, "strange"]);
  expect(shown.status).toBe(6);
  expect(shown.stderr).not.toContain("deleted");
  expect(await brokenChains(repo)).toEqual([]);
}, 180_000);

test("a start against a stranger is refused, and goes on with --accept-cluster", async () => {
  await servers.exchange("stranger");
  const refused = await run().finished;
  expect(refused.status).toBe(4);
  expect(refused.stderr).toContain("another cluster answers");
  expect(refused.stderr).toContain("--accept-cluster");
  const before = await status(repo);
  expect(before.tables).toHaveLength(1);

  const accepted = run("--accept-cluster");
  const connection = await servers.connect();
  await untilReadable(connection);
  const ours = before.tables[0]!;
  const isOurs = ({ id }: { id: string }) => id === ours.id;
  const now = await untilStatus(repo, ({ tables }) =>
    tables.some((table) => table.state === "live" && !isOurs(table)),
  );
  // The table of the cluster before is gone, and not a gap that somebody waits for.
  expect(now.tables.map((table) => `${table.name} is ${table.state}`).sort()).toEqual([
    `${name} is dropped`,
    `${name} is live`,
  ]);
  const { lastRestorable, intervals } = now.tables.find(isOurs)!;
  expect([lastRestorable, intervals]).toEqual([ours.lastRestorable, ours.intervals]);
  const target = ["--target", `rethinkdb://127.0.0.1:${servers.port}`];
  const chosen = ["--table", name, "--at", lastRestorable!, "--rename", `${name}=before.orders`];
  await cliJson(["restore", "--repo", repo, ...target, ...chosen]);
  const restored = r.db("before").table("orders");
  expect(await restored.filter({ whose: "ours" }).count().run(connection)).toBe(
    await restored.count().run(connection),
  );
  expect(await restored.get(0).run(connection)).toEqual({ id: 0, whose: "ours" });
  await orders.insert({ id: "later", whose: "theirs" }).run(connection);
  await connection.close();
  expect((await stop(accepted)).status).toBe(0);
  // From now on it is the source: no flag is wanted any more.
  const again = run();
  await until("it is captured again", () => again.stderr().includes("captured completely"));
  expect((await stop(again)).status).toBe(0);
}, 180_000);

/** A table is not there at once when its server has started. */
async function untilReadable(connection: DriverConnection): Promise<void> {
  await orders.wait({ timeout: 20 }).run(connection);
}
