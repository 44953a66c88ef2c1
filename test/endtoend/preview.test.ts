/** Previews: a throw-away server with the past in it. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { r, type Term } from "../server/driver.js";
import { findBinary } from "../server/real-server.js";
import { cli, type Running, start } from "./cli.js";
import { iso, Stage, until } from "./stage.js";

const binary = await findBinary();
const orders = r.db("shop").table("orders");

interface Ready {
  at: string;
  address: string;
  http: string | null;
  tables: { from: string; to: string; documents: number }[];
}

let stage: Stage;
let repo: string;
let temporary: string;
let at: string;
let past: Map<string, string>;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  temporary = join(stage.directory, "tmp");
  await mkdir(temporary);
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(r.db("shop").tableCreate("customers"));
  const rows = Array.from({ length: 300 }, (_, id) => ({ id, customer: `c${id % 3}`, n: id }));
  await stage.query(orders.insert(rows));
  await stage.query(orders.indexCreate("customer"));
  stage.capture(repo);
  const now = await stage.untilExactNow(repo, "shop.orders", "shop.customers");
  past = await stage.texts("shop", "orders");
  at = now.tables.find(({ name }) => name === "shop.orders")!.lastRestorable!;
  await stage.query(orders.delete());
}, 120_000);

afterAll(() => stage.close());

/** A preview that is ready. */
async function preview(...args: string[]): Promise<{ running: Running; ready: Ready }> {
  const given = ["--json", "preview", "--repo", repo, "--at", at, ...args];
  const running = start(given, { TMPDIR: temporary });
  stage.onClose(() => Promise.resolve(running.process.kill("SIGKILL")));
  let printed = "";
  running.process.stdout!.on("data", (bytes: Buffer) => (printed += bytes.toString()));
  let ended = false;
  void running.finished.then(() => (ended = true));
  await until("the preview is ready", () => printed.endsWith("\n") || ended);
  if (printed === "") throw new Error((await running.finished).stderr);
  return { running, ready: JSON.parse(printed) as Ready };
}

async function textsAt(address: string, db: string): Promise<Map<string, string>> {
  const connection = await r.connect(parseAddress(address) as never);
  try {
    const pairs = r
      .db(db)
      .table("orders")
      .map((document: Term) => [document("id").toJsonString(), document.toJsonString()]);
    const rows = (await pairs.coerceTo("array").run(connection)) as [string, string][];
    return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
  } finally {
    await connection.close();
  }
}

const scratch = async () =>
  (await stage.query<string[]>(r.dbList())).filter((name) => name.startsWith("thinkback_preview_"));

test.runIf(binary)("shows the past on a server of its own, until it is stopped", async () => {
  const { running, ready } = await preview("--http");
  expect(await textsAt(ready.address, "shop")).toEqual(past);
  expect(ready.tables.map(({ from, documents }) => [from, documents])).toContainEqual([
    "shop.orders",
    300,
  ]);
  const web = await fetch(`${ready.http}/ajax/reql/open-new-connection`, { method: "POST" });
  expect(web.status).toBe(200);
  running.process.kill("SIGINT");
  const { status, stderr } = await running.finished;
  expect([status, stderr]).toEqual([0, expect.stringContaining("the preview is removed")]);
  expect(await readdir(temporary)).toEqual([]);
});

test.runIf(binary)("leaves nothing behind when it is killed, and ends by itself", async () => {
  const { running } = await preview("--table", "shop.orders", "--where", '{"customer": "c1"}');
  running.process.kill("SIGKILL");
  await running.finished;
  await until("the server is gone", async () => (await readdir(temporary)).length === 0);
  const { running: short } = await preview("--for", "1s");
  expect((await short.finished).status).toBe(0);
  expect(await readdir(temporary)).toEqual([]);
});

test("shows what is selected, in scratch databases of a target", async () => {
  const { running, ready } = await preview("--target", stage.address, "--key", "7", "--key", "9");
  const table = ready.tables.find(({ from }) => from === "shop.orders")!;
  expect(table.documents).toBe(2);
  const db = table.to.split(".")[0]!;
  expect([...(await stage.texts(db, "orders")).keys()]).toEqual(["7", "9"]);
  running.process.kill("SIGKILL");
  await running.finished;
  expect(await scratch()).toContain(db);
  const { running: next } = await preview("--target", stage.address, "--clean", "--db", "shop");
  expect(await scratch()).toHaveLength(1);
  expect(await scratch()).not.toContain(db);
  next.process.kill("SIGTERM");
  expect((await next.finished).status).toBe(0);
  expect(await scratch()).toEqual([]);
});

test.each([
  [["--clean"], 2, /--clean has no effect/],
  [["--http", "--target", "rethinkdb://127.0.0.1:1"], 2, /--http has no effect/],
  [["--for", "soon"], 2, /--for/],
  [["--at", iso(0)], 5, /./],
  [["--table", "shop.none"], 6, /./],
])("refuses %j", async (args, status, message) => {
  const ended = await cli(["preview", "--repo", repo, ...args]);
  expect([ended.status, ended.stderr]).toEqual([status, expect.stringMatching(message)]);
});
