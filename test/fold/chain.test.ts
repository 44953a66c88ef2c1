/** The version chain is held against the base where the log meets it, also where parts are kept. */
import { beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/digest.js";
import type { Repository } from "../../src/format/description.js";
import { listEvidence } from "../../src/repository/records/evidence.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { newestBase } from "../repository/looks.js";
import { foldUp, json, makeRepository, Recording, StillClock } from "../repository/recording.js";

const tables = ["0a", "0b", "0c"].map((start) => `${start}000000-0000-4000-8000-000000000001`);
const [orders, carts] = tables as [string, string];
const partBytesTarget = 600;
const all = Number.MAX_SAFE_INTEGER;

/** Counts how often each object was read. */
class CountingStore extends MemoryStore {
  readonly reads = new Map<string, number>();
  override get(...args: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    this.reads.set(args[0], (this.reads.get(args[0]) ?? 0) + 1);
    return super.get(...args);
  }
  override tail(...args: Parameters<ObjectStore["tail"]>) {
    this.reads.set(args[0], (this.reads.get(args[0]) ?? 0) + 1);
    return super.tail(...args);
  }
}

let store: CountingStore;
let repository: Repository;
let recording: Recording;
const documentOf = (key: unknown, version: number) => ({ id: key, version, fill: "x".repeat(40) });

beforeEach(async () => {
  store = new CountingStore();
  repository = await makeRepository(store);
  recording = await Recording.begin(repository, new StillClock(1_000_000));
  const since = recording.clock.instant;
  const copies = [];
  for (const table of tables) {
    recording.coverage(table, { state: "copying", since });
    const rows = Array.from({ length: 50 }, (_, i): [unknown, unknown] => [i, documentOf(i, 0)]);
    copies.push(await recording.copy(table, rows, partBytesTarget));
  }
  const copied = await recording.tick();
  for (const copy of copies) await copy.finish(copied, since - 1);
  for (const table of tables) recording.coverage(table, { state: "live", since: copied });
  await recording.tick();
});

/** A version that names another one before it than what is stored. */
function append(table: string, key: unknown, previous: string | null, version: number): void {
  recording.clock.instant += 1;
  recording.log.append(table, json(key), previous, json(documentOf(key, version)));
}

let folds = 0;
const fold = async (options = {}) => {
  const end = await recording.tick();
  folds += 1;
  return foldUp(repository, end, tables, { partBytesTarget, unique: `f${folds}`, ...options });
};
const digestOfVersion = (key: unknown, version: number) => digestOf(json(documentOf(key, version)));
const missed = "0123456789ab5def";

describe.each([
  ["in memory", {}],
  ["spilled", { memoryBytesMax: 0 }],
])("with the log %s, a fold", (_, options) => {
  test("finds every chain whole that is, over several folds", async () => {
    for (let round = 1; round < 6; round += 1) {
      for (let key = round; key < 60; key += 7 - round) {
        recording.put(orders, key, documentOf(key, round));
        if (key % 3 === 0) await recording.tick();
        recording.put(orders, key, key % 2 === 0 ? null : documentOf(key, -round));
      }
      const [folded] = await fold(options);
      expect(folded).toMatchObject({ table: orders, folded: true, breaks: 0 });
    }
    expect(await listEvidence(store)).toEqual([]);
  });

  test.each<[string, unknown, string | null]>([
    ["another version than the base's", 30, missed],
    ["no version, but the base has one", 30, null],
    ["a version, but the base has none", 30.5, missed],
    ["a version, beyond the base's last key", "z", missed],
  ])("finds that a version names %s", async (__, key, previous) => {
    recording.put(orders, 3, documentOf(3, 1));
    recording.put(carts, 3, documentOf(3, 1));
    const [first] = await fold(options);
    // The part with the key is the copy's still.
    expect(first!.partsKept).toBeGreaterThan(4);
    const instant = first!.instant;
    append(orders, key, previous, 2);
    const at = recording.clock.instant;
    append(orders, key, digestOfVersion(key, 2), 3);
    recording.put(carts, 30, documentOf(30, 2));
    const [broken, whole] = await fold(options);
    expect(broken).toMatchObject({ table: orders, folded: false, breaks: 1 });
    expect(whole).toMatchObject({ table: carts, folded: true, breaks: 0 });
    const stored = key === 30 ? digestOfVersion(30, 0) : null;
    const evidence = { table: orders, key: JSON.stringify(key), at, named: previous, stored };
    expect(await listEvidence(store)).toMatchObject([evidence]);
    expect((await newestBase(store, orders, all))!.instant).toBe(instant);
    expect((await newestBase(store, carts, all))!.instant).toBe(whole!.instant);
  });

  test("finds a break between two versions of the log", async () => {
    append(orders, 30, digestOfVersion(30, 0), 1);
    await recording.tick();
    append(orders, 30, missed, 2);
    const [broken] = await fold(options);
    expect(broken).toMatchObject({ folded: false, breaks: 1 });
    const [evidence] = await listEvidence(store);
    expect(evidence).toMatchObject({ named: missed, stored: digestOfVersion(30, 1) });
  });
});

test("a fold of several tables reads the log once", async () => {
  for (const table of tables) {
    for (let i = 0; i < 5; i += 1) {
      recording.put(table, i, documentOf(i, 1));
      await recording.tick();
    }
  }
  const end = await recording.tick();
  const readsOfLog = async (of: string[], unique: string) => {
    store.reads.clear();
    const folded = await foldUp(repository, end, of, { partBytesTarget, unique });
    expect(folded.map(({ versions }) => versions)).toEqual(of.map(() => 5));
    const log = [...store.reads].filter(([name]) => name.startsWith("log/"));
    return log.reduce((sum, [, reads]) => sum + reads, 0);
  };
  const one = await readsOfLog([orders], "a");
  expect(one).toBeGreaterThan(15);
  expect(await readsOfLog(tables.slice(1), "b")).toBe(one);
});

test("tables whose newest exact instants differ are folded each to its own", async () => {
  for (const table of tables) recording.put(table, 1, documentOf(1, 1));
  const first = await recording.tick();
  for (const table of tables) recording.put(table, 2, documentOf(2, 1));
  const last = await recording.tick(1000, { lagging: { [carts]: first } });
  const folded = await foldUp(repository, last, tables, { partBytesTarget, unique: "f" });
  expect(folded.map(({ table, instant, versions }) => [table, instant, versions])).toEqual(
    tables.map((table) => (table === carts ? [table, first, 1] : [table, last, 2])),
  );
});
