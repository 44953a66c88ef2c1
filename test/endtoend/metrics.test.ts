/** The metrics of a process that captures a real server, read as Prometheus reads them. */
import { rename } from "node:fs/promises";
import { request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { valueIn } from "../health/exposition.js";
import { expressions, namesIn } from "../health/monitoring.js";
import { hasPromtool, lintOf } from "../health/promtool.js";
import { r } from "../server/driver.js";
import { cli, type Running } from "./cli.js";
import { metricsUrl, scrape, textAt } from "./scrape.js";
import { Stage, stop, until } from "./stage.js";

let stage: Stage;
let repo: string;
let copy: string;
let running: Running;
let url: string;

const shop = r.db("shop");
const frontierOf = (table: string) =>
  `thinkback_table_frontier_timestamp_seconds{table="shop.${table}"}`;
const value = async (key: string) => valueIn(await scrape(url), key);

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  for (const name of ["orders", "old"]) await stage.query(shop.tableCreate(name));
  [repo, copy] = [stage.repo("repository"), stage.repo("copy")];
  const places = ["--repo", repo, "--repo", copy, "--spool", stage.repo("spool")];
  running = stage.capture(repo, ...places, "--include", "shop.*", "--metrics", "0");
  url = await metricsUrl(running);
  await stage.untilExactNow(repo, "shop.orders", "shop.old");
});

afterAll(() => stage.close());

test("they are well formed, and follow what is captured", async () => {
  const before = Date.now() / 1000;
  await stage.query(shop.table("orders").insert([{ id: 1 }, { id: 2 }]));
  await stage.query(shop.table("orders").get(1).update({ total: 1 }));
  await stage.query(shop.table("orders").get(2).delete());
  const changes = 'thinkback_table_changes_total{table="shop.orders"}';
  await until("the changes are told", async () => (await value(changes)) === 4);
  await until("their proof is told", async () => (await value(frontierOf("orders")))! > before);
  const metrics = await scrape(url);
  const now = Date.now() / 1000;
  for (const key of [
    "thinkback_frontier_timestamp_seconds",
    "thinkback_restorable_until_timestamp_seconds",
    "thinkback_catalog_frontier_timestamp_seconds",
    'thinkback_lane_tick_stored_timestamp_seconds{lane="0"}',
  ]) {
    expect([key, valueIn(metrics, key)! > now - 30]).toEqual([key, true]);
    expect([key, valueIn(metrics, key)! <= now]).toEqual([key, true]);
  }
  const ops = (op: string) => valueIn(metrics, `thinkback_changes_total{op="${op}"}`);
  expect(ops("delete")).toBe(1);
  expect(ops("insert")).toBeGreaterThanOrEqual(2);
  expect(ops("replace")).toBeGreaterThanOrEqual(1);
  expect(valueIn(metrics, 'thinkback_tables{state="live"}')).toBeGreaterThanOrEqual(2);
  expect(valueIn(metrics, "thinkback_healthy")).toBe(1);
  expect(valueIn(metrics, "thinkback_is_first")).toBe(1);
  expect(
    valueIn(metrics, 'thinkback_store_request_duration_seconds_count{op="put"}'),
  ).toBeGreaterThan(2);
  expect(valueIn(metrics, "thinkback_segment_bytes_total")).toBeGreaterThan(100);
  await until("the copy is level", async () => {
    return (await value(`thinkback_copy_level_timestamp_seconds{copy="${copy}"}`))! > before;
  });
});

test("every name in the rules and in the dashboard is exported", async () => {
  const read = 'thinkback_work_success_timestamp_seconds{work="status"}';
  await until("the repository was read", async () => (await value(read))! > 0);
  const metrics = await scrape(url);
  const names = new Set(expressions.flatMap(namesIn));
  expect(names.size).toBeGreaterThan(30);
  const lacking = [...names].filter((name) => {
    const family = metrics.get(name) ?? metrics.get(name.replace(/_bucket$/, ""));
    // Alarms have no channel here, and there is no Redis, so no series; each other one has a sample.
    return !family || (family.samples.size === 0 && !/^thinkback_(alarm|redis)_/.test(name));
  });
  expect(lacking).toEqual([]);
  expect(valueIn(metrics, "thinkback_repository_tables")).toBeGreaterThanOrEqual(2);
  expect(valueIn(metrics, 'thinkback_holes{class="damaged"}')).toBe(0);
});

test.skipIf(!hasPromtool)("promtool finds nothing wrong with them", async () => {
  expect(lintOf(await textAt(url))).toBe("");
});

test("a table that is renamed goes on under its name, and one that is dropped loses its series", async () => {
  expect(await value(frontierOf("old"))).toBeGreaterThan(0);
  await stage.query(shop.table("old").config().update({ name: "older" }));
  await until("the new name is told", async () => (await value(frontierOf("older"))) !== undefined);
  expect(await value(frontierOf("old"))).toBeUndefined();
  const sum = 'thinkback_changes_total{op="insert"}';
  const before = (await value(sum))!;
  await stage.query(shop.tableDrop("older"));
  await until("the drop is told", async () => (await value(frontierOf("older"))) === undefined);
  expect(await value('thinkback_table_changes_total{table="shop.older"}')).toBeUndefined();
  expect(await value(sum)).toBeGreaterThanOrEqual(before);
  expect(await value(frontierOf("orders"))).toBeGreaterThan(0);
});

test("while the store is away, moments stand still, and the metrics are told all the same", async () => {
  await rename(repo, `${repo}.away`);
  await stage.query(shop.table("orders").insert({ id: 3 }));
  await until("the outage is noticed", () => running.stderr().includes("store fails"));
  const moments = ["frontier", "restorable_until", "tick_stored"].map(
    (what) => `thinkback_${what}_timestamp_seconds`,
  );
  const read = async () => Promise.all(moments.map(value));
  const before = await read();
  await until("ticks wait on the spool", async () => (await value("thinkback_spool_bytes"))! > 0);
  await stage.query(shop.table("orders").insert({ id: 4 }));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await read()).toEqual(before);
  const failures = 'thinkback_store_request_failures_total{op="put"}';
  const others = 'thinkback_store_request_failures_total{op="head"}';
  expect((await value(failures))! + (await value(others))!).toBeGreaterThan(0);
  await rename(`${repo}.away`, repo);
  await until("it goes on", async () => {
    const now = await read();
    return now.every((at, i) => at! > before[i]!) && (await value("thinkback_spool_bytes")) === 0;
  });
});

test("only programs of this machine read them, and only read them", async () => {
  const { port } = new URL(url);
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, init).then(({ status }) => status);
  expect(await ask("/metrics", { method: "HEAD" })).toBe(200);
  expect(await ask("/metrics", { method: "POST" })).toBe(405);
  expect(await ask("/")).toBe(404);
  expect((await fetch(url)).headers.get("content-type")).toBe(
    "text/plain; version=0.0.4; charset=utf-8",
  );
  const foreign = await statusOf(Number(port), "evil.example");
  expect(foreign).toBe(403);
  expect(await statusOf(Number(port), `localhost:${port}`)).toBe(200);
  const taken = ["run", "--source", stage.address, "--repo", stage.repo("other")];
  const secret = ["--heartbeat-url", "https://127.0.0.1:1/ping/S3cret"];
  const { status, stderr } = await cli([...taken, "--metrics", port, ...secret]);
  expect([status, stderr]).toEqual([2, expect.stringContaining(`--metrics 127.0.0.1:${port}: `)]);
  expect(stderr).toMatch(/--heartbeat-url is a secret\. Other users .* by --heartbeat-url-file/);
  expect(stderr).not.toContain("S3cret");
});

test("a process ends whose last part cannot begin, though others have begun", async () => {
  const { port } = new URL(url);
  const alone = ["run", "--role", "api,restore", "--recoveries", "--repo", repo];
  const reached = ["--source", stage.address, "--metrics", "0", "--api", port];
  const { status, stderr } = await cli([...alone, ...reached]);
  expect([status, stderr]).toEqual([2, expect.stringContaining(`--api ${port}: `)]);
});

test("they end with the capture", async () => {
  expect((await stop(running)).status).toBe(0);
  await expect(fetch(url)).rejects.toThrow();
});

/** `fetch` lets nobody choose the name of the host. */
function statusOf(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path: "/metrics", headers: { host } });
    asked.on("error", reject);
    asked.on("response", (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    asked.end();
  });
}
