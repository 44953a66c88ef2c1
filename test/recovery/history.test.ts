/** Every version of one document that is kept: what each did, what is lacking, and what finding them costs. */
import { rm } from "node:fs/promises";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { historyOf } from "../../src/recovery/versions.js";
import { writtenBy } from "../../src/recovery/written-by.js";
import { OperationWriter, publishRound } from "../../src/repository/records/operations.js";
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { CountingStore } from "../../src/storage/counting-store.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { noUse, useSince } from "../../src/storage/store-use.js";
import { GeneratedRepository } from "../bench/generated.js";
import { foldLog } from "../repository/looks.js";
import { foldUp, json, makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const foldingAll = (now: number, resolutionMs = 1) => ({
  now,
  settleMs: 0,
  partial: true,
  unique: `u${now}`,
  resolutionOf: () => resolutionMs,
  spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  pinned: [],
});

describe("the history of one document", () => {
  let recording: Recording;
  let begun: number;

  beforeEach(async () => {
    recording = await Recording.begin(await makeRepository(), new StillClock());
    recording.catalogRead();
    const since = recording.log.stamp().time;
    recording.coverage(table, { state: "copying", since });
    const base = await recording.copy(table, [
      ["old", { id: "old", n: 1 }],
      ["other", { id: "other" }],
    ]);
    begun = await recording.tick();
    await base.finish(begun, since - 1);
    recording.coverage(table, { state: "live", since: begun });
    await recording.tick();
  });

  const history = async (key: string, from?: number) =>
    historyOf(
      await RepositoryView.read(recording.repository),
      table,
      json(key),
      from,
      recording.clock.instant,
    );
  const told = async (key: string, from?: number) =>
    (await history(key, from)).versions.map(({ kind, document }) => [kind, document?.toString()]);

  async function changeAll(): Promise<void> {
    recording.put(table, "new", { id: "new", n: 1 });
    recording.put(table, "old", { id: "old", n: 2 });
    await recording.tick();
    recording.put(table, "new", null);
    recording.put(table, "old", { id: "old", n: 2 });
    await recording.tick();
    recording.put(table, "new", { id: "new", n: 3 });
    await recording.tick();
  }

  const all = {
    old: [
      ["known", '{"id":"old","n":1}'],
      ["changed", '{"id":"old","n":2}'],
    ],
    new: [
      ["inserted", '{"id":"new","n":1}'],
      ["deleted", undefined],
      ["inserted again", '{"id":"new","n":3}'],
    ],
  };

  test("every version once, and what it did", async () => {
    await changeAll();
    expect(await told("old")).toEqual(all.old);
    expect(await told("new")).toEqual(all.new);
    expect(await told("nobody")).toEqual([]);
  });

  test("the same of a folded log and a newer base", async () => {
    await changeAll();
    const now = recording.clock.instant;
    await foldUp(recording.repository, now);
    await foldLog(recording.repository, foldingAll(now));
    expect((await RepositoryView.read(recording.repository)).log.pieces[0]!.kind).toBe("folded");
    expect(await told("old")).toEqual(all.old);
    expect(await told("new")).toEqual(all.new);
  });

  test("from an instant on: what stood then, and what came after it", async () => {
    await changeAll();
    const { versions } = await history("new");
    const from = versions[1]!.time;
    expect(await told("new", from)).toEqual(all.new.slice(1));
    expect((await history("new", from)).earlier?.document?.toString()).toBe('{"id":"new","n":1}');
    expect((await history("new", from - 100_000)).earlier).toBeUndefined();
  });

  test("it is complete between its first copy and its last proof, up to what was asked for", async () => {
    const end = await recording.tick();
    const whole = { from: begun, to: end, isComplete: true };
    expect((await history("old")).proven).toMatchObject(whole);
    expect((await history("old", begun - 9000)).proven).toMatchObject(whole);
    const view = await RepositoryView.read(recording.repository);
    const until = async (from: number | undefined, to: number) =>
      (await historyOf(view, table, json("old"), from, to)).proven;
    expect(await until(begun + 3, begun + 5)).toEqual({
      from: begun + 3,
      to: begun + 5,
      isComplete: true,
    });
    expect(await until(undefined, whole.to + 9000)).toEqual(whole);
    expect(await until(undefined, begun - 9000)).toBeUndefined();
  });

  test("it is not complete over a gap, but is before it and after it", async () => {
    const gapFrom = recording.clock.instant;
    recording.coverage(table, { state: "gap", since: gapFrom, reason: "cut off" });
    await recording.tick(5000);
    const open = await history("old");
    expect(open.proven).toEqual({ from: begun, to: gapFrom, isComplete: true });
    expect(open.lacking).toMatchObject([{ from: gapFrom + 1, class: "gap", reason: "cut off" }]);
    const since = recording.log.stamp().time;
    recording.coverage(table, { state: "copying", since });
    const base = await recording.copy(table, [["old", { id: "old", n: 1 }]]);
    const back = await recording.tick();
    await base.finish(back, since - 1);
    recording.coverage(table, { state: "live", since: back });
    const end = await recording.tick();
    expect((await history("old")).proven).toEqual({ from: begun, to: end, isComplete: false });
    expect((await history("old", back)).proven).toEqual({ from: back, to: end, isComplete: true });
    const view = await RepositoryView.read(recording.repository);
    const before = await historyOf(view, table, json("old"), undefined, gapFrom);
    expect(before.proven).toEqual({ from: begun, to: gapFrom, isComplete: true });
    const inside = await historyOf(view, table, json("old"), undefined, gapFrom + 9);
    expect(inside.proven).toEqual({ from: begun, to: gapFrom + 9, isComplete: false });
  });

  test("where it is thinned, and where a gap is", async () => {
    for (let n = 1; n <= 50; n += 1) {
      recording.put(table, "old", { id: "old", n });
      await recording.tick(100);
    }
    recording.coverage(table, { state: "gap", since: recording.clock.instant, reason: "cut off" });
    await recording.tick(5000);
    const now = recording.clock.instant;
    await foldUp(recording.repository, now);
    await foldLog(recording.repository, foldingAll(now));
    await foldLog(recording.repository, foldingAll(now + 1, 1000));
    const { versions, lacking } = await history("old");
    expect(versions.length).toBeGreaterThan(3);
    expect(versions.length).toBeLessThan(12);
    expect(lacking.map(({ class: of, resolutionMs }) => [of, resolutionMs])).toEqual(
      expect.arrayContaining([["exact", 1000]]),
    );
    expect(lacking.some(({ class: of }) => of === "gap" || of === "unwatched")).toBe(true);
  });

  test("a version that an operation has written is told from others", async () => {
    const { store, description } = recording.repository;
    recording.put(table, "old", { id: "old", n: 2 });
    await recording.tick();
    const writer = new OperationWriter(store, {
      repository: description.id,
      id: "7f3a1b2c",
      type: "undo",
      round: 1,
      made: recording.clock.instant,
      table,
      name: "shop.orders",
      description: "a test",
    });
    const [before, after] = [json({ id: "old", n: 2 }), json({ id: "old", n: 1 })];
    await writer.add({ key: json("old"), before, after });
    const now = recording.clock.instant;
    await publishRound(store, await writer.finish(), { until: now + 1 }, now);
    recording.put(table, "old", { id: "old", n: 1 });
    await recording.tick();
    const { versions } = await history("old");
    const written = await writtenBy(store, table, json("old"), versions);
    expect(versions.map((version) => written.get(version)?.id)).toEqual([
      undefined,
      undefined,
      "7f3a1b2c",
    ]);
    const others = (await history("other")).versions;
    expect(await writtenBy(store, table, json("other"), others)).toEqual(new Map());
  });
});

describe("one document of a million", () => {
  const scratch: string[] = [];
  afterAll(async () => {
    for (const directory of scratch) await rm(directory, { recursive: true, force: true });
  });

  test("costs less than 2 MiB and six requests, besides the look", {
    timeout: 300_000,
  }, async () => {
    const generated = await GeneratedRepository.begin(scratch);
    const rows = Array.from({ length: 1_000_000 }, (_, i) => {
      const id = `order-${String(i).padStart(9, "0")}`;
      const text = `{"customer":"c${(i * 7919) % 50_021}","id":"${id}","total":${(i * 31) % 9973}}`;
      return { id, text: Buffer.from(text) };
    });
    const { table: orders } = await generated.copy("orders", rows);
    for (let i = 0; i < 200; i += 1) generated.change(orders, rows, i * 4999, i, 1);
    generated.change(orders, rows, 500_000, 1, 1);
    await generated.tick();
    const { repository, clock, directory } = generated;
    await foldUp(repository, clock.instant);
    await foldLog(repository, foldingAll(clock.instant));

    const use = { ...noUse };
    const store = new CountingStore(new DirectoryStore(directory), use);
    const view = await RepositoryView.read(await openRepository(store));
    await view.eachLane();
    await view.catalog(clock.instant);
    const look = { ...use };
    const key = json(rows[500_000]!.id);
    const { versions } = await historyOf(view, orders, key, undefined, clock.instant);
    await writtenBy(store, orders, key, versions);
    const reading = useSince(use, look);
    process.stdout.write(`look ${JSON.stringify(look)}\nreading ${JSON.stringify(reading)}\n`);
    expect(versions.map(({ kind }) => kind)).toEqual(["known", "changed"]);
    expect(reading.gets + reading.lists + reading.heads).toBeLessThanOrEqual(6);
    expect(reading.bytesDown).toBeLessThan(2 * 1024 * 1024);
  });
});
