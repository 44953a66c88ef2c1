/** What `thinkback table` says of one table. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatInstant } from "../../src/instant.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { commandsHere } from "../api/served.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const orders = "0a000000-0000-4000-8000-000000000001";
const late = "0a000000-0000-4000-8000-000000000002";

let directory: string;
let begun: string;
let copied: string;

interface Printed {
  schemas: { at: string; changes: string[]; schema: Record<string, unknown> | null }[];
  bases: Record<string, unknown>[];
  logs: Record<string, unknown>[];
}

const printed = async <T = Printed>(...args: string[]) =>
  JSON.parse((await commandsHere(directory).print(args, {} as never)).toString()) as T;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-table-"));
  const repository = await makeRepository(new DirectoryStore(directory));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 600_000));
  const one = { primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] };
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  const config = { id: orders, db: "shop", name: "orders", primary_key: "id", shards: [one] };
  const index = { index: "by", function: { data: "a" }, multi: false, geo: false, outdated: false };
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["table", orders], { ...config, ...settings });
  recording.catalog(["indexes", orders], { indexes: [] });
  const since = recording.log.stamp().time;
  recording.coverage("catalog", { state: "live", since });
  recording.coverage(orders, { state: "copying", since });
  begun = formatInstant(since - 1);
  const base = await recording.copy(orders, [["k1", { id: "k1" }]]);
  const before = await recording.tick(50);
  await base.finish(before, since - 1);
  copied = formatInstant(before);
  recording.coverage(orders, { state: "live", since: before });
  recording.catalog(["indexes", orders], {
    indexes: [{ ...index, query: "indexCreate('by', …)" }],
  });
  recording.put(orders, "k1", { id: "k1", n: 1 });
  await recording.tick(1000);
  recording.catalog(["table", orders], {
    ...config,
    ...settings,
    name: "sales",
    shards: [one, one],
    write_hook: { function: { data: "b" }, query: "setWriteHook(…)" },
  });
  recording.catalog(["table", late], { ...config, ...settings, id: late, name: "late" });
  recording.catalog(["indexes", late], { indexes: [] });
  await recording.tick(1000);
  recording.catalog(["table", late], null);
  recording.catalog(["indexes", late], null);
  await recording.tick(1000, { closed: true });
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test("each schema with what had changed, the newest first, and the code that indexes and hooks run", async () => {
  const { schemas } = await printed("table", "shop.sales");
  expect(schemas.map(({ changes }) => changes)).toEqual([
    ["renamed to shop.sales", "write hook set", "reconfigured: shards × replicas 1 × 1 → 2 × 1"],
    ["index by made"],
    ["first known"],
  ]);
  expect(schemas[0]!.schema).toMatchObject({
    name: "shop.sales",
    primaryKey: "id",
    indexes: [{ name: "by", multi: false, geo: false, code: "indexCreate('by', …)" }],
    writeHook: { code: "setWriteHook(…)" },
    shards: [
      { primary: "one", replicas: ["one"] },
      { primary: "one", replicas: ["one"] },
    ],
  });
  expect(schemas[2]!.schema).toMatchObject({ name: "shop.orders", indexes: [], writeHook: null });
  expect(schemas[2]!.at >= begun).toBe(true);
});

test("a table that came later was created, and one that is gone was dropped", async () => {
  const { schemas, bases } = await printed("table", "shop.late");
  expect(schemas.map(({ changes }) => changes)).toEqual([["table dropped"], ["table created"]]);
  expect(schemas[0]!.schema).toBeNull();
  expect(bases).toEqual([]);
});

test("its bases and its log are counted", async () => {
  const { bases, logs } = await printed("table", "shop.sales");
  expect(bases).toMatchObject([{ at: copied, lane: 0, documents: 1, parts: 1 }]);
  expect(bases[0]!["storedBytes"]).toBeGreaterThan(0);
  expect(logs).toMatchObject([{ lane: 0, changes: 1, foldedSegments: 0, foldedBytes: 0 }]);
  expect(logs[0]!["segments"]).toBeGreaterThan(2);
});

test("what a restore reads is counted, and costs what the profile says", async () => {
  const free = await printed<Record<string, unknown>>("table", "--reads", "shop.sales");
  expect(free).toMatchObject({ base: copied, documents: 1, isMeasured: false, cost: null });
  expect(free["objects"]).toBeGreaterThan(3);
  const args = ["table", "--reads", "--profile", "aws-s3-standard", "shop.sales"];
  const { cost, requests } = await printed<{
    cost: { total: number; requestCost: number; bytesCost: number; currency: string };
    requests: { get: number; list: number };
  }>(...args);
  expect(cost.currency).toBe("USD");
  expect(cost.requestCost).toBeCloseTo((requests.get * 0.0004 + requests.list * 0.005) / 1000, 12);
  expect(cost.total).toBe(cost.requestCost + cost.bytesCost);
  const gone = await printed<Record<string, unknown>>("table", "--reads", "shop.late");
  expect(gone).toMatchObject({ base: null, requests: null, cost: null });
});
