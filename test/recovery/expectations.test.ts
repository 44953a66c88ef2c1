/** Drills with expectations, on the simulated server: what passes, what differs, and what could not be checked. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import { checksText, Expectations } from "../../src/recovery/expectations.js";
import { type Drill, listDrills, readDrill } from "../../src/repository/records/drills.js";
import { type DrillObserver, drill } from "../../src/restore/drill.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { readStatus } from "../repository/looks.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { type Captured, captureEveryType, Server } from "../restore/captured.js";
import { r } from "../server/driver.js";
import { overriding } from "../simulation/overriding.js";

let source: Server;
let captured: Captured;
let server: Server;
let repository: Repository;
let drills = 0;

beforeAll(async () => {
  source = await Server.start();
  server = await Server.start();
  captured = await captureEveryType(source);
});
afterAll(async () => {
  await source.stop();
  await server.stop();
});
beforeEach(async () => {
  repository = { ...captured.repository, store: await copyOf(captured.repository.store) };
});

const ignore = () => undefined;
const observer: DrillObserver = {
  waits: ignore,
  planned: ignore,
  reading: ignore,
  writing: ignore,
  finishing: ignore,
  comparing: ignore,
  notHeld: ignore,
  leftovers: ignore,
  notDropped: ignore,
};

async function run(
  tables: object,
  more: { tables?: string[]; at?: number; server?: Server } = {},
): Promise<Drill> {
  drills += 1;
  const checks = await Expectations.read(JSON.stringify({ tables }), "x.yaml", repository.store);
  const options = {
    at: more.at ?? ("latest" as const),
    tables: more.tables ?? [],
    databases: [],
    unique: drills.toString(16).padStart(12, "0"),
    clean: false,
    checks,
    clock: systemClock,
    random: Math.random,
  };
  const never = new AbortController().signal;
  return drill(repository, (more.server ?? server).target(), options, observer, never);
}

const told = ({ checks = [] }: Drill) =>
  checks.map(({ table, what, outcome, found }) => [table, what, outcome, found]);

describe("a drill finds", () => {
  test("as many documents as are expected, exactly and between bounds", async () => {
    const done = await run({
      "types.keys": { exact: 22 },
      "types.values": { min: 11, max: 11 },
      "types.empty": { max: 0 },
    });
    expect(told(done)).toEqual([
      ["types.keys", "exactly 22 documents", "passed", 22],
      ["types.values", "from 11 to 11 documents", "passed", 11],
      ["types.empty", "at most 0 documents", "passed", 0],
    ]);
    const [name] = await listDrills(repository.store);
    expect(await readDrill(repository.store, name!)).toMatchObject({ checks: done.checks });
    expect((await readStatus(repository)).lastDrillUnexpected).toBeUndefined();
  });

  test("too many and too few, and is a proof of the restore all the same", async () => {
    const done = await run({
      "types.keys": { exact: 21, within: "5%" },
      "types.values": { min: 12 },
    });
    expect(told(done)).toEqual([
      ["types.keys", "exactly 21 documents", "differs", 22],
      ["types.keys", "within 5% of the last drill", "not run", 22],
      ["types.values", "at least 12 documents", "differs", 11],
    ]);
    expect(done.ok).toBe(true);
    expect(checksText(done.checks!)).toBe(
      "3 expectations: 0 passed, 2 differ, 1 could not be checked",
    );
    const status = await readStatus(repository);
    expect(status.lastDrillUnexpected).toMatchObject({ ended: done.ended });
    expect([status.lastDrillFailed, status.lastProven?.tables]).toEqual([undefined, 4]);
  });

  test("about as many as the last drill: from its bounds on, and not beyond", async () => {
    const at = captured.copied;
    await run({ "types.keys": { exact: 21 } }, { at });
    // 21 ± 4.7% is 20.013 to 21.987; 21 ± 4.8% is up to 22.008.
    const done = await run({ "types.keys": { within: "4.7%" }, "types.values": { within: "0%" } });
    expect(told(done)).toEqual([
      ["types.keys", "within 4.7% of the last drill, which found 21", "differs", 22],
      ["types.values", "within 0% of the last drill, which found 12", "differs", 11],
    ]);
    await run({ "types.keys": { exact: 21 } }, { at });
    const wide = await run({ "types.keys": { within: "4.8 %" } });
    expect(told(wide)).toEqual([
      ["types.keys", "within 4.8% of the last drill, which found 21", "passed", 22],
    ]);
  });

  test("documents by a query: at least one, or as many as are asked for", async () => {
    const done = await run({
      "types.values": {
        find: [
          { where: { text: { $regex: "^0123" } } },
          { name: "binary values", where: { data: { $exists: true } }, exact: 1 },
          { where: { id: "no such document" } },
        ],
      },
    });
    expect(told(done)).toEqual([
      ["types.values", 'at least 1 with: {"text":{"$regex":"^0123"}}', "passed", 1],
      ["types.values", "exactly 1 with: binary values", "passed", 1],
      ["types.values", 'at least 1 with: {"id":"no such document"}', "differs", 0],
    ]);
  });
});

describe("what is not looked at does not pass", () => {
  test("a table that is not there, or not restored", async () => {
    const done = await run(
      { "types.gone": { max: 0 }, "types.values": { min: 1 } },
      { tables: ["types.keys"] },
    );
    expect(done.checks).toMatchObject([
      { outcome: "not run", reason: "the drill did not restore this table" },
      { outcome: "not run", reason: "the drill did not restore this table" },
    ]);
  });

  test("a query with a field that no document has", async () => {
    const done = await run({
      "types.values": {
        find: [
          { where: { stauts: "lost" }, max: 0 },
          { where: { id: "x" }, max: 0 },
        ],
      },
    });
    expect(done.checks).toMatchObject([
      { outcome: "not run", reason: expect.stringContaining("has a field stauts") as string },
      { outcome: "passed", found: 0 },
    ]);
  });

  test("anything, if the repository is damaged", async () => {
    const parts = await namesIn(repository.store, "bases/");
    const part = parts.find((name) => /\d\.zst$/.test(name))!;
    const bytes = Buffer.from(await repository.store.get(part));
    bytes[20] = bytes[20]! ^ 1;
    repository = { ...repository, store: await copyOf(repository.store, { [part]: bytes }) };
    const { store } = repository;
    await expect(run({ "types.keys": { max: 100 } })).rejects.toMatchObject({ code: "damaged" });
    const [name] = await listDrills(store);
    expect(await readDrill(store, name!)).toMatchObject({
      ok: false,
      checks: [{ outcome: "not run", reason: "the drill did not restore this table" }],
    });
  });

  test("a count that a drill found which was not equal", async () => {
    const target = server.target();
    const losing = overriding<typeof target>(target, {
      waitForIndexes: async (table) => {
        await target.waitForIndexes(table);
        if (table.name !== "keys") return;
        await server.query(r.db(table.db).table(table.name).limit(3).delete());
      },
    });
    const lost = await run(
      { "types.keys": { exact: 22 } },
      { server: { target: () => losing } as unknown as Server },
    );
    expect(told(lost)).toEqual([["types.keys", "exactly 22 documents", "differs", 19]]);
    expect(lost.ok).toBe(false);
    const next = await run({ "types.keys": { within: "5%" } });
    expect(told(next)).toEqual([["types.keys", "within 5% of the last drill", "not run", 22]]);
  });
});

describe("a file of expectations is refused", () => {
  test.each([
    ["it is not YAML", "tables: [", /cannot be used: /],
    ["it expects nothing", "tables: {}", /expects nothing/],
    ["a table is expected to be nothing", "tables: {shop.orders: {}}", /expects nothing/],
    ["a key is not known", "tables: {shop.orders: {minimum: 1}}", /minimum/],
    ["a name is no table", "tables: {orders: {min: 1}}", /orders is not db\.table/],
    ["a count is no count", "tables: {shop.orders: {min: -1}}", /min is not 0 or more/],
    ["a share is no share", "tables: {shop.orders: {within: 5}}", /within is not a share/],
    ["exact has company", "tables: {shop.orders: {exact: 1, max: 2}}", /exact beside min or max/],
    ["bounds exclude each other", "tables: {shop.orders: {min: 3, max: 2}}", /min .* greater/],
    ["a query is none", "tables: {shop.orders: {find: [{where: {a: {$gte: {}}}}]}}", /\$gte/],
    ["a query runs code", "tables: {shop.orders: {find: [{where: {$where: x}}]}}", /\$where/],
  ])("if %s", async (_, text, message) => {
    const reading = Expectations.read(text, "expected.yaml", new MemoryStore());
    await expect(reading).rejects.toMatchObject({
      code: "usage",
      message: expect.stringMatching(message),
    });
    expect(() => Expectations.check(text, "expected.yaml")).toThrow(message);
  });
});
