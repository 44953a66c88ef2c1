/** Drills on the simulated server: what they prove, what they find, and what they leave. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { digestOf, SetDigest } from "../../src/digest.js";
import { ThinkbackError } from "../../src/errors.js";
import type { Repository } from "../../src/format/description.js";
import { orderCode } from "../../src/key-order.js";
import { type Drill, listDrills, readDrill } from "../../src/repository/records/drills.js";
import { type Hold, liveHolds } from "../../src/repository/registers/holds.js";
import { type DrillObserver, type DrillOptions, drill } from "../../src/restore/drill.js";
import type { Target } from "../../src/rethinkdb/target.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { readStatus } from "../repository/looks.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { r } from "../server/driver.js";
import { overriding } from "../simulation/overriding.js";
import { type Captured, captureEveryType, Server } from "./captured.js";

let source: Server;
let server: Server;
let captured: Captured;
let repository: Repository;
const never = new AbortController().signal;

beforeAll(async () => {
  source = await Server.start();
  captured = await captureEveryType(source);
});
afterAll(() => source.stop());

beforeEach(async () => {
  server = await Server.start();
  await server.query(r.dbCreate("mine"));
  await server.query(r.db("mine").tableCreate("orders"));
  await server.query(r.db("mine").table("orders").insert({ id: "untouched" }));
  repository = { ...captured.repository, store: await copyOf(captured.repository.store) };
});

afterEach(async () => {
  const rows = r.db("mine").table("orders").coerceTo("array");
  expect(await server.query(rows)).toEqual([{ id: "untouched" }]);
  await server.stop();
});

const unique = "0123456789ab";
const options: DrillOptions = {
  at: "latest",
  tables: [],
  databases: [],
  unique,
  clean: false,
  clock: systemClock,
  random: Math.random,
};

/** Notes what it is told; calls `hooks`. */
function observing(hooks: Partial<DrillObserver> = {}) {
  const told = { leftovers: [] as unknown[], notDropped: [] as string[][] };
  const ignore = () => undefined;
  const observer: DrillObserver = {
    waits: ignore,
    planned: ignore,
    reading: ignore,
    writing: ignore,
    finishing: ignore,
    comparing: ignore,
    notHeld: ignore,
    leftovers: (databases, dropped) => told.leftovers.push([databases, dropped]),
    notDropped: (databases) => told.notDropped.push(databases),
    ...hooks,
  };
  return { observer, told };
}

function run(more: Partial<DrillOptions> = {}, target: Target = server.target()): Promise<Drill> {
  return drill(repository, target, { ...options, ...more }, observing().observer, never);
}

async function stored(): Promise<Drill[]> {
  const { store } = repository;
  return Promise.all((await listDrills(store)).map((name) => readDrill(store, name)));
}

const scratch = async () =>
  (await server.databases()).filter((name) => name.startsWith("thinkback_drill_"));

const tableOf = ({ tables }: Drill, name: string) => tables.find((table) => table.name === name)!;

/** The target, with every batch that is written changed. */
function writing(change: (documents: string[]) => string[]): Target {
  const target = server.target();
  return overriding<Target>(target, {
    write: (table, documents) => {
      const texts = change(documents.map((document) => document.toString()));
      return target.write(
        table,
        texts.map((text) => Buffer.from(text)),
      );
    },
  });
}

/** The target, where something happens to each table after the restore has compared it. */
function afterRestore(change: (db: string, name: string) => Promise<unknown>): Target {
  const target = server.target();
  return overriding<Target>(target, {
    waitForIndexes: async (table) => {
      await target.waitForIndexes(table);
      await change(table.db, table.name);
    },
  });
}

async function rejection(work: Promise<unknown>): Promise<ThinkbackError> {
  const error: unknown = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(ThinkbackError);
  return error as ThinkbackError;
}

describe("a drill", () => {
  test("proves every document, stores that, and leaves nothing", async () => {
    const proof = await run();
    expect(proof.ok).toBe(true);
    expect(proof.class).toBe("exact");
    expect(proof.server).toMatch(/^rethinkdb 2\.4\.4/);
    const names = ["types.custom-key_1", "types.empty", "types.keys", "types.values"];
    expect(proof.tables.map(({ name, ok }) => [name, ok])).toEqual(names.map((n) => [n, true]));
    for (const { id, name, rows, bytes, digest } of proof.tables) {
      const [db, table] = name.split(".") as [string, string];
      const texts = [...source.server.cluster!.documents(db, table).values()];
      const all = new SetDigest();
      for (const text of texts) all.add(digestOf(Buffer.from(text)));
      expect({ rows, digest }).toEqual({ rows: texts.length, digest: all.hex() });
      expect(bytes).toBe(Buffer.byteLength(texts.join("")));
      expect(id).toBe(source.server.cluster!.tableId(db, table));
    }
    expect(proof.documents).toBe(proof.tables.reduce((sum, { rows }) => sum + rows, 0));
    expect(proof.documentsPerSecond).toBeGreaterThan(0);
    expect(proof.bytesPerSecond).toBeGreaterThan(0);
    expect(proof.begun).toBeLessThanOrEqual(proof.ended);
    expect(await stored()).toMatchObject([proof]);
    expect(await scratch()).toEqual([]);
  });

  test("proves an earlier instant, and only the tables that it was asked for", async () => {
    const tables = ["types.keys"];
    const before = await run({ at: captured.copied, tables });
    const after = await run({ at: captured.changed, tables, unique: "0123456789ac" });
    expect(before).toMatchObject({ ok: true, instant: captured.copied, documents: 21 });
    expect(after).toMatchObject({ ok: true, instant: captured.changed, documents: 22 });
    expect(before.tables[0]!.digest).not.toBe(after.tables[0]!.digest);
    expect(after.tables).toHaveLength(1);
    const { tables: all, lastProven } = await readStatus(repository);
    const proof = { instant: captured.changed, done: after.ended };
    expect(lastProven).toEqual({ ...proof, tables: 1, of: 4 });
    expect(all.find(({ name }) => name === "types.keys")?.lastProven).toEqual(proof);
    expect(all.find(({ name }) => name === "types.empty")?.lastProven).toBeUndefined();
  });

  test("draws exact instants by lot, from the first to the last", async () => {
    const coverage = (await readStatus(repository)).tables.map(({ intervals }) => intervals);
    for (const random of [0, 0.3, 0.7, 1 - Number.EPSILON]) {
      const { instant, ok, tables } = await run({ random: () => random, at: "random" });
      expect(ok).toBe(true);
      expect(tables.length).toBeGreaterThan(0);
      const classes = coverage.map((of) => of.find((i) => i.from <= instant && instant <= i.to));
      expect(classes.every((interval) => (interval?.class ?? "exact") === "exact")).toBe(true);
    }
    const first = Math.min(...coverage.flatMap((of) => of.map(({ from }) => from)));
    expect((await stored()).at(-1)!.instant).toBe(first);
    const named = await run({ at: "random", random: () => 0, tables: ["types.values"] });
    const own = (await readStatus(repository)).tables.find(({ name }) => name === "types.values");
    expect(named.instant).toBe(own!.firstRestorable);
    const whole = await run({ at: "random", databases: ["nothing"] }).catch(
      (error: unknown) => error,
    );
    expect(whole).toMatchObject({ code: "instant" });
    expect(await rejection(run({ at: "random", databases: ["none"] }))).toMatchObject({
      code: "unknown",
    });
  });

  test("notes that it reads, until it has ended", async () => {
    const { store } = repository;
    let reading: Promise<Hold[]> | undefined;
    const { observer } = observing({
      comparing: () => {
        reading ??= liveHolds(store, systemClock.now());
      },
    });
    await drill(repository, server.target(), options, observer, never);
    expect(await reading).toMatchObject([{ unique }]);
    expect(await namesIn(store, "holds/")).toEqual([]);
  });

  test("of an instant that is not exact is refused before anything is made", async () => {
    const error = await rejection(run({ at: captured.copied - 3_600_000 }));
    expect(error.code).toBe("instant");
    expect(await stored()).toEqual([]);
  });
});

describe("a drill finds", () => {
  test("a document that the target has altered", async () => {
    const target = writing((texts) =>
      texts.map((text) => (text.includes('"added"') ? '{"id":"added","more":1}' : text)),
    );
    const proof = await run({}, target);
    expect(proof.ok).toBe(false);
    const { ok, differences } = tableOf(proof, "types.keys");
    expect(ok).toBe(false);
    expect(differences).toEqual({
      missing: { count: 0, keys: [] },
      altered: { count: 1, keys: ['"added"'] },
      extra: { count: 0, keys: [] },
      settings: ["what was read back is not what was written"],
    });
    expect(tableOf(proof, "types.values").ok).toBe(true);
    expect(await stored()).toMatchObject([{ ok: false, tables: proof.tables }]);
    expect(await scratch()).toEqual([]);
    const { lastDrillFailed, lastProven, tables } = await readStatus(repository);
    expect(lastDrillFailed).toMatchObject({ ended: proof.ended });
    expect(lastProven).toMatchObject({ tables: 3, of: 4 });
    const keys = tables.find(({ name }) => name === "types.keys")!;
    expect(keys).toMatchObject({ lastProven: undefined, failedDrill: { ended: proof.ended } });
  });

  test("a document that the target has lost, in each place of the order of keys", async () => {
    const codeOf = ([key]: [string, string]) => orderCode(Buffer.from(key));
    const keys = [...source.server.cluster!.documents("types", "keys")].sort((a, b) =>
      codeOf(a) < codeOf(b) ? -1 : 1,
    );
    for (const [i, [key, lost]] of [keys[0]!, keys[9]!, keys.at(-1)!].entries()) {
      // The write that is left out is still acknowledged.
      const target = writing((texts) => texts.filter((text) => text !== lost));
      const proof = await run({ tables: ["types.keys"], unique: `00000000000${i}` }, target);
      expect(proof.tables[0]!.rows).toBe(keys.length - 1);
      expect(proof.tables[0]!.differences?.missing).toEqual({ count: 1, keys: [key] });
    }
  });

  test("by its own reading what happens after the restore has compared", async () => {
    const target = afterRestore(async (db, name) => {
      if (name !== "values") return;
      const table = r.db(db).table(name);
      await server.query(table.get("numbers").update({ safe: 1 }));
      await server.query(table.get("text").delete());
      await server.query(table.insert([{ id: "a stranger" }, { id: "zzz" }]));
    });
    const { differences } = tableOf(await run({}, target), "types.values");
    expect(differences).toEqual({
      missing: { count: 1, keys: ['"text"'] },
      altered: { count: 1, keys: ['"numbers"'] },
      extra: { count: 2, keys: ['"a stranger"', '"zzz"'] },
      settings: [],
    });
  });

  test("every document of a table that is empty, and names the first few", async () => {
    const target = afterRestore((db, name) => server.query(r.db(db).table(name).delete()));
    const { differences, rows } = tableOf(await run({}, target), "types.keys");
    expect(rows).toBe(0);
    expect(differences?.missing.count).toBe(22);
    expect(differences?.missing.keys).toHaveLength(5);
  });

  test("indexes, a write hook and settings that are not there, or otherwise", async () => {
    const target = server.target();
    const lossy = overriding<Target>(target, {
      createIndex: async (table, index) => {
        if (index.index === "simple") return;
        const expression = { ...index, index: "geo" };
        await target.createIndex(table, index.index === "multi" ? expression : index);
      },
      createTable: (spec) => target.createTable({ ...spec, durability: "hard" }),
      setWriteHook: () => Promise.resolve(),
      waitForIndexes: async ({ db, name }) => {
        if (name !== "values") return;
        const table = r.db(db).table(name);
        await server.query(table.indexCreate("own"));
        await server.query(table.indexDrop("compound"));
        await server.query(table.indexCreate("compound", { multi: true }));
      },
    });
    const failing = overriding<Target>(lossy, {
      createIndex: (table, index) =>
        index.index === "geo" ? Promise.resolve() : lossy.createIndex(table, index),
    });
    const proof = await run({}, failing);
    expect(tableOf(proof, "types.values").differences?.settings.toSorted()).toEqual([
      "index compound differs",
      "index geo differs",
      "index multi is missing",
      "index own was not restored",
      "index simple is missing",
    ]);
    expect(tableOf(proof, "types.keys").differences?.settings).toEqual([
      "durability: hard instead of soft",
      "the write hook is missing",
    ]);
    expect(tableOf(proof, "types.empty").ok).toBe(true);
  });

  test("damage in the repository: it is stored as failed, and nothing is left", async () => {
    const part = (await namesIn(repository.store, "bases/")).find((name) => /\d\.zst$/.test(name));
    const bytes = Buffer.from(await repository.store.get(part!));
    bytes[20] = bytes[20]! ^ 1;
    repository = { ...repository, store: await copyOf(repository.store, { [part!]: bytes }) };
    const error = await rejection(run());
    expect(error).toMatchObject({ code: "damaged", message: expect.stringContaining(part!) });
    const failure = { code: "damaged", message: error.message };
    expect(await stored()).toMatchObject([{ ok: false, failure, tables: [] }]);
    expect(await scratch()).toEqual([]);
    const { lastDrillFailed, lastProven } = await readStatus(repository);
    expect([lastDrillFailed?.failure, lastProven]).toEqual([failure, undefined]);
  });
});

describe("a drill that is cut short leaves nothing", () => {
  test.each(["reading", "writing", "finishing", "comparing"] as const)("while %s", async (step) => {
    const stop = new AbortController();
    const steps = new Map<string, number>();
    const { observer } = observing({
      [step]: (of: { name?: string }) => {
        const table = of.name ?? "the log";
        steps.set(table, (steps.get(table) ?? 0) + 1);
        stop.abort(new Error("enough"));
      },
    });
    const error = await rejection(
      drill(repository, server.target(), options, observer, stop.signal),
    );
    expect(error).toMatchObject({ code: "incomplete" });
    // Of the tables that are restored at once; of one that is written, the sync is still waited for.
    for (const times of steps.values()) expect(times).toBe(1);
    expect(steps.size).toBeLessThanOrEqual(step === "writing" || step === "finishing" ? 4 : 1);
    expect(stop.signal.aborted).toBe(true);
    expect(await scratch()).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  test("while a database is being made, which is there only later", async () => {
    const target = server.target();
    const stop = new AbortController();
    const slow = overriding<Target>(target, {
      createDatabase: async (name) => {
        stop.abort();
        await systemClock.sleep(300);
        await target.createDatabase(name);
      },
    });
    const work = drill(repository, slow, options, observing().observer, stop.signal);
    expect(await rejection(work)).toMatchObject({ code: "incomplete" });
    await systemClock.sleep(500);
    expect(await scratch()).toEqual([]);
  });

  test("before it begins", async () => {
    const { observer } = observing();
    const work = drill(repository, server.target(), options, observer, AbortSignal.abort());
    expect(await rejection(work)).toMatchObject({ code: "incomplete" });
  });

  test("while the target does not answer", async () => {
    const target = server.target();
    const stop = new AbortController();
    const silent = overriding<Target>(target, {
      waitForIndexes: () => {
        stop.abort();
        return new Promise(() => undefined);
      },
    });
    const hurried = {
      ...systemClock,
      sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 50, signal),
    };
    const choice = { ...options, clock: hurried };
    const error = await rejection(
      drill(repository, silent, choice, observing().observer, stop.signal),
    );
    expect(error).toMatchObject({ code: "incomplete" });
    expect(await scratch()).toEqual([]);
  });

  test("by a target that refuses", async () => {
    const target = server.target();
    const refusing = overriding<Target>(target, {
      sync: () => Promise.reject(new ThinkbackError("target", "out of luck")),
    });
    expect(await rejection(run({}, refusing))).toMatchObject({ message: "out of luck" });
    expect(await scratch()).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  test("by the loss of its connections", async () => {
    const target = server.target();
    let cut = false;
    const { observer } = observing({
      comparing: () => {
        if (!cut) server.server.cluster!.dropConnections();
        cut = true;
      },
    });
    const error = await rejection(drill(repository, target, options, observer, never));
    expect(error.code).toBe("target");
    expect(cut).toBe(true);
    await reconnected();
    expect(await scratch()).toEqual([]);
  });

  /** The tests' own connection was cut as well. */
  async function reconnected(): Promise<void> {
    const other = await Server.to(server.server);
    await server.leave();
    server = other;
  }
});

describe("what other drills have left", () => {
  const left = "thinkback_drill_fedcba987654_shop";
  const similar = "thinkback_drill_mine";

  beforeEach(async () => {
    for (const name of [left, similar]) await server.query(r.dbCreate(name));
  });

  test("is told, and stays", async () => {
    const { observer, told } = observing();
    expect((await drill(repository, server.target(), options, observer, never)).ok).toBe(true);
    expect(told.leftovers).toEqual([[[left], false]]);
    expect(await scratch()).toEqual([left, similar]);
  });

  test("is dropped on demand, and nothing else", async () => {
    const { observer, told } = observing();
    await drill(repository, server.target(), { ...options, clean: true }, observer, never);
    expect(told.leftovers).toEqual([[[left], true]]);
    expect(await scratch()).toEqual([similar]);
  });

  test("is never written to: a drill has a name of its own", async () => {
    const error = await rejection(run({ unique: "fedcba987654" }));
    expect(error.code).toBe("internal");
    expect((await rejection(run({ unique: "short" }))).code).toBe("internal");
    expect(await scratch()).toEqual([left, similar]);
  });
});

test("a database that cannot be dropped is told; what was proven stays proven", async () => {
  const target = server.target();
  const stubborn = overriding<Target>(target, {
    dropDatabase: (name) =>
      name.endsWith("_types") ? Promise.reject(new Error("no")) : target.dropDatabase(name),
  });
  const { observer, told } = observing();
  const proof = await drill(repository, stubborn, options, observer, never);
  expect(proof.ok).toBe(true);
  expect(told.notDropped.flat()).toEqual([`thinkback_drill_${unique}_types`]);
  expect(await stored()).toHaveLength(1);
});

test("a proof that cannot be stored is no proof", async () => {
  const { store } = repository;
  const full = overriding<ObjectStore>(store, { put: () => Promise.reject(new Error("no room")) });
  repository = { ...repository, store: full };
  await expect(run()).rejects.toThrow("no room");
  expect(await scratch()).toEqual([]);
});
