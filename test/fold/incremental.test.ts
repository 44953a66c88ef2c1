/** A fold keeps the parts in whose ranges nothing changed, and what it makes is what a full rewrite makes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/digest.js";
import type { FoldedTable, FoldOptions } from "../../src/fold/fold.js";
import { mergeLatest } from "../../src/format/merge.js";
import { type OrderCode, orderCode } from "../../src/key-order.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import { baseCursor, findInBase } from "../../src/repository/bases/base-reader.js";
import { knownKeys } from "../../src/repository/bases/known-state.js";
import { jsonOfText, textOfJson } from "../../src/server-text.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { collect, newestBase } from "../repository/looks.js";
import {
  foldUp,
  json,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { mixedKeys } from "../repository/scenario.js";
import { fullRewrite } from "./full-rewrite.js";
import { bytesOf, expectedParts, readParts } from "./part-model.js";

const table = "0a000000-0000-4000-8000-000000000001";

/** Remembers which objects were read. */
class WatchedStore extends MemoryStore {
  readonly read = new Set<string>();
  override get(...args: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    this.read.add(args[0]);
    return super.get(...args);
  }
  override tail(...args: Parameters<ObjectStore["tail"]>) {
    this.read.add(args[0]);
    return super.tail(...args);
  }
}

/** A table whose base is folded again and again, and what is known of it. */
class FoldedHistory {
  private rounds = 0;
  private readonly instants: number[] = [];
  /** Since the instant from which the newest base needs the log. */
  private changed: OrderCode[] = [];

  private constructor(
    readonly store: WatchedStore,
    readonly recording: Recording,
    private readonly options: Partial<FoldOptions>,
  ) {}

  /** @param during changes while the table is copied: the log holds them, and the rows may too */
  static async begin(
    rows: [key: unknown, document: unknown][],
    during: [key: unknown, document: unknown][],
    options: Partial<FoldOptions>,
  ): Promise<FoldedHistory> {
    const store = new WatchedStore();
    const repository = await makeRepository(store);
    const recording = await Recording.begin(repository, new StillClock(1_000_000));
    const since = recording.clock.instant;
    recording.catalog(["table", table], { id: table, name: "orders", db: "shop" });
    recording.coverage(table, { state: "copying", since });
    const copy = await recording.copy(table, rows, options.partBytesTarget);
    const history = new FoldedHistory(store, recording, options);
    for (const [key, document] of during) history.put(key, document);
    const copied = await recording.tick();
    await copy.finish(copied, since - 1);
    recording.coverage(table, { state: "live", since: copied });
    await history.tick();
    return history;
  }

  put(key: unknown, document: unknown): void {
    this.recording.put(table, key, document);
    this.changed.push(orderCode(json(key)));
  }

  async tick(): Promise<number> {
    const end = await this.recording.tick();
    this.instants.push(end);
    return end;
  }

  base(): Promise<BaseManifest> {
    return newestBase(this.store, table, Number.MAX_SAFE_INTEGER).then((base) => base!);
  }

  /** Folds, and compares what came of it with a full rewrite, with the model of parts, and with what was recorded. */
  async fold(): Promise<{ folded: FoldedTable; base: BaseManifest }> {
    const { store, recording, options } = this;
    const { repository } = recording;
    const instant = await this.tick();
    const before = await this.base();
    const partsBefore = await readParts(store, before);
    const full = await fullRewrite(repository, before, instant, new MemoryStore());
    const names = new Set(await namesIn(store));
    this.rounds += 1;
    store.read.clear();
    const unique = `f${this.rounds}`;
    const [folded] = await foldUp(repository, instant, [table], { ...options, unique });
    const read = [...store.read].filter((name) => name.endsWith(".zst") && !name.startsWith("log"));
    const base = await this.base();

    const { rows, digest, documentBytes } = full.manifest;
    expect(base).toMatchObject({ instant, logFrom: instant, rows, digest, documentBytes });
    const target = options.partBytesTarget ?? 16 * 1024 * 1024;
    const after = await readParts(store, base);
    const allRows = after.flatMap((part) => part.rows);
    const expected = expectedParts(partsBefore, allRows, this.changed, target);
    const isKept = (name: string) => partsBefore.some((part) => part.name === name);
    const parts = after.map(({ name, rows: of }) =>
      isKept(name) ? { kept: name } : { keys: of.map(({ code }) => code) },
    );
    expect(parts).toEqual(expected.parts);
    const stored = partsBefore.filter(({ name }) => expected.read.includes(name));
    const written = (await namesIn(store)).filter((name) => !names.has(name));
    const sizes = await Promise.all(written.map(async (name) => (await store.size(name))!));
    expect(read.sort()).toEqual(expected.read.sort());
    expect(folded).toMatchObject({
      folded: true,
      breaks: 0,
      rows,
      partsKept: expected.parts.filter((part) => "kept" in part).length,
      partsWritten: expected.parts.filter((part) => "keys" in part).length,
      bytesRead: stored.reduce((sum, { stored: bytes }) => sum + bytes, 0),
      bytesWritten: sizes.reduce((sum, size) => sum + size, 0),
    });
    expect(written.length).toBe(2 * folded!.partsWritten + 1);
    await this.compare(base, instant);
    this.changed = [];
    return { folded: folded!, base };
  }

  /** Every way of reading a base, the first instants and the last ones give what was recorded. */
  private async compare(base: BaseManifest, instant: number): Promise<void> {
    const { store, recording } = this;
    const documents = recording.history.at(table, instant);
    expect(await documentsOf(store, base)).toEqual(documents);
    for (const at of [...this.instants.slice(0, 2), ...this.instants.slice(-4)]) {
      expect(await restoredAt(store, table, at)).toEqual(recording.history.at(table, at));
    }
    const log = await collect(store, [{ table, after: base.logFrom }], instant);
    const digests: string[] = [];
    for await (const { digest } of knownKeys(store, base, log)) digests.push(digest);
    await log.dispose();
    expect(digests).toEqual(documents.map((document) => digestOf(jsonOfText(document))));
    for (const key of mixedKeys) {
      const found = await findInBase(store, base, orderCode(json(key)));
      const recorded = recording.history.last(table, json(key), instant) ?? undefined;
      expect(found?.document && textOfJson(found.document)).toBe(recorded);
    }
  }
}

async function documentsOf(store: ObjectStore, base: BaseManifest): Promise<string[]> {
  const documents: string[] = [];
  for await (const winners of mergeLatest([baseCursor(store, base)])) {
    for (const { version } of winners) documents.push(textOfJson(version.document!));
  }
  return documents;
}

const someKey = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 1, arbitrary: fc.constantFrom(...mixedKeys) },
);
const someFill = fc.integer({ min: 0, max: 120 });
/** What happens to a stretch of the numbers, or to one key of any type. */
const someChange = fc.record({
  kind: fc.constantFrom("put", "put", "delete", "put many", "delete many", "append"),
  key: someKey,
  from: fc.integer({ min: 0, max: 60 }),
  count: fc.integer({ min: 1, max: 30 }),
  fill: someFill,
});
type Change = typeof someChange extends fc.Arbitrary<infer T> ? T : never;

const row = (key: unknown, version: number, fill: number): [unknown, unknown] => [
  key,
  { id: key, version, fill: "x".repeat(fill) },
];

function apply(history: FoldedHistory, change: Change, version: number): void {
  const { kind, key, from, count, fill } = change;
  const put = (one: unknown) => history.put(...row(one, version, fill));
  const many = Array.from({ length: count }, (_, i) => from + i);
  if (kind === "put") put(key);
  else if (kind === "delete") history.put(key, null);
  else if (kind === "put many") for (const one of many) put(one);
  else if (kind === "delete many") for (const one of many) history.put(one, null);
  else for (const one of many) put(`~${version} ${String(one).padStart(3, "0")}`);
}

test("folds in a row make what full rewrites make, and keep every part that they can", async () => {
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(someKey, { selector: (key) => orderCode(json(key)), maxLength: 60 }),
      fc.array(someChange, { maxLength: 2 }),
      fc.array(fc.array(someChange, { maxLength: 4 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom(1, 250, 600, 1500, 6000),
      fc.constantFrom(0, 1000, undefined),
      async (keys, during, rounds, partBytesTarget, memoryBytesMax) => {
        const options = {
          partBytesTarget,
          ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
        };
        const rows = keys.map((key, i) => row(key, 0, (i * 37) % 90));
        const window = during.map(({ key, fill }, i) => row(key, -i - 1, fill));
        const history = await FoldedHistory.begin(rows, window, options);
        for (const [i, changes] of rounds.entries()) {
          for (const change of changes) {
            apply(history, change, i + 1);
            await history.tick();
          }
          kept += (await history.fold()).folded.partsKept;
        }
      },
    ),
    { numRuns: 60 },
  );
  expect(kept, "the test is broken: no fold kept a part").toBeGreaterThan(300);
}, 120_000);

/** A hundred numbered rows of about 100 bytes, ten to a part. */
const target = 1000;
const numbered = (count = 100) =>
  Array.from({ length: count }, (_, i) => row(i, 0, 41 - String(i).length * 2));
const partsOf = (base: BaseManifest) =>
  base.parts.map(({ firstKey, lastKey }) => `${firstKey}-${lastKey}`);

describe("a fold", () => {
  const begin = (rows = numbered()) => FoldedHistory.begin(rows, [], { partBytesTarget: target });

  test("of nothing writes a manifest, and reads and writes no part", async () => {
    const history = await begin();
    const { folded } = await history.fold();
    expect(folded).toMatchObject({ partsWritten: 0, partsKept: 10, bytesRead: 0, versions: 0 });
    expect(folded.bytesWritten).toBeGreaterThan(0);
  });

  test("of one change rewrites the part whose range it falls into", async () => {
    const history = await begin();
    expect(partsOf(await history.base()).slice(3, 5)).toEqual(["30-39", "40-49"]);
    // Between two parts: the later one owns it.
    history.put(39.5, { id: 39.5 });
    const { base, folded } = await history.fold();
    expect(folded).toMatchObject({ partsKept: 9 });
    expect(partsOf(base).slice(3, 6)).toEqual(["30-39", "39.5-44", "45-49"]);
  });

  test("of keys beyond the last part, or before the first, rewrites that part", async () => {
    const history = await begin();
    history.put("last", { id: "last" });
    expect((await history.fold()).folded).toMatchObject({ partsKept: 9 });
    history.put([], { id: [] });
    expect((await history.fold()).folded).toMatchObject({ partsKept: 10 });
  });

  test("that empties a part leaves none behind; its range belongs to the next", async () => {
    const history = await begin();
    for (let key = 30; key < 40; key += 1) history.put(key, null);
    const emptied = await history.fold();
    expect(emptied.folded).toMatchObject({ partsWritten: 0, partsKept: 9 });
    expect(partsOf(emptied.base).slice(2, 4)).toEqual(["20-29", "40-49"]);
    history.put(35, { id: 35 });
    const again = await history.fold();
    expect(again.folded).toMatchObject({ partsKept: 8 });
    expect(partsOf(again.base).slice(2, 4)).toEqual(["20-29", "35-44"]);
  });

  test("that empties the last part gives its range to the one before", async () => {
    const history = await begin();
    for (let key = 90; key < 100; key += 1) history.put(key, null);
    expect((await history.fold()).folded).toMatchObject({ partsWritten: 0, partsKept: 9 });
    history.put(95, { id: 95 });
    expect((await history.fold()).folded).toMatchObject({ partsKept: 8 });
  });

  test("that empties the table makes a base without parts, and one of that has parts again", async () => {
    const history = await begin();
    for (let key = 0; key < 100; key += 1) history.put(key, null);
    const { base } = await history.fold();
    expect(base).toMatchObject({ parts: [], rows: 0, digest: "0000000000000000" });
    for (const [key, document] of numbered(25)) history.put(key, document);
    expect((await history.fold()).folded).toMatchObject({ partsKept: 0, partsWritten: 3 });
  });

  test("joins a part that became small with the next one, and reads no more than that", async () => {
    const history = await begin();
    for (let key = 30; key < 39; key += 1) history.put(key, null);
    const { base, folded } = await history.fold();
    expect(folded).toMatchObject({ partsKept: 8, partsWritten: 2 });
    expect(partsOf(base).slice(2, 6)).toEqual(["20-29", "39-44", "45-49", "50-59"]);
  });

  test("of a part that grew leaves no small part, so that none accumulate", async () => {
    const history = await begin();
    for (let round = 0; round < 40; round += 1) {
      const key = (round * 37) % 100;
      history.put(...row(key + 0.001 * round, round, 39));
      history.put(...row(key + 0.002 * round, round, 5));
      history.put((round * 53) % 100, null);
      const { folded, base } = await history.fold();
      // One part, or two, or three, that changed, and one more behind each of them at most.
      expect(folded.partsKept).toBeGreaterThan(base.parts.length - 10);
      const parts = await readParts(history.store, base);
      const small = parts.slice(0, -1).filter(({ rows }) => 4 * bytesOf(rows) < target);
      expect(small).toEqual([]);
      expect(Math.max(...parts.map(({ rows }) => bytesOf(rows)))).toBeLessThan(target + 110);
    }
  });

  test("goes on with parts of bases made with another target", async () => {
    const rows = numbered();
    const large = await FoldedHistory.begin(rows, [], { partBytesTarget: 100_000 });
    large.put(50, null);
    expect((await large.fold()).base.parts).toHaveLength(1);
    const small = await FoldedHistory.begin(rows, [], { partBytesTarget: 300 });
    expect((await small.base()).parts.length).toBeGreaterThan(30);
    Object.assign(small, { options: { partBytesTarget: 100_000 } });
    small.put(50, null);
    expect((await small.fold()).folded.partsKept).toBeGreaterThan(30);
  });
});
