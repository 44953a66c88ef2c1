/** Bursts of deletes and overwrites: found where there are many more than usual, in a folded log as in single segments. */
import { beforeEach, expect, test } from "vitest";
import { readActivity } from "../../src/recovery/activity.js";
import {
  OperationWriter,
  publishRound,
  putOperationEnd,
} from "../../src/repository/records/operations.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { foldLog } from "../repository/looks.js";
import { json, makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const keys = Array.from({ length: 400 }, (_, i) => `k${i}`);

let recording: Recording;
let begun: number;

beforeEach(async () => {
  recording = await Recording.begin(await makeRepository(), new StillClock());
  recording.catalogRead();
  begun = recording.clock.instant;
  // An import is no burst: nothing is lost by it.
  for (const key of keys) recording.put(table, key, { id: key, n: 0 });
  await recording.tick(20_000);
});

async function bursts(): Promise<[kind: string, count: number, from: number][]> {
  const view = await RepositoryView.read(recording.repository);
  const activity = await readActivity(view, undefined, begun, recording.clock.instant);
  return activity.bursts.map(({ kind, count, from }) => [kind, count, from]);
}

async function fold(): Promise<void> {
  const now = recording.clock.instant;
  const options = { now, settleMs: 0, partial: true, unique: "f1", pinned: [] };
  const all = { resolutionOf: () => 1, spanMaxMs: () => Number.MAX_SAFE_INTEGER };
  await foldLog(recording.repository, { ...options, ...all });
  const view = await RepositoryView.read(recording.repository);
  expect(view.log.pieces[0]!.kind).toBe("folded");
}

test("a burst begins with its own first change, not with one that came a while before", async () => {
  recording.put(table, "k1", null);
  await recording.tick(4000);
  const from = recording.clock.instant + 1;
  for (const key of keys.slice(2, 302)) recording.put(table, key, null);
  await recording.tick();
  const found = [["deletes", 300, from]];
  expect(await bursts()).toEqual(found);
  await fold();
  expect(await bursts()).toEqual(found);
});

test("what happens all the time is no burst, and less than 100 is none either", async () => {
  for (let round = 1; round <= 60; round += 1) {
    for (const key of keys.slice(0, 120)) recording.put(table, key, { id: key, n: round });
    await recording.tick(9000);
  }
  for (const key of keys.slice(300, 399)) recording.put(table, key, null);
  await recording.tick(20_000);
  expect(await bursts()).toEqual([]);
  await fold();
  expect(await bursts()).toEqual([]);
});

test("overwrites far above what is usual are one", async () => {
  for (let round = 1; round <= 60; round += 1) {
    for (const key of keys.slice(0, 20)) recording.put(table, key, { id: key, n: round });
    await recording.tick(9000);
  }
  await recording.tick(20_000);
  const from = recording.clock.instant + 1;
  for (const key of keys) recording.put(table, key, { id: key, n: -1 });
  await recording.tick();
  expect(await bursts()).toEqual([["overwrites", 400, from]]);
  await fold();
  expect(await bursts()).toEqual([["overwrites", 400, from]]);
});

async function activity(from = begun, to = recording.clock.instant) {
  return readActivity(await RepositoryView.read(recording.repository), undefined, from, to);
}

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

test("changes are counted in spans that fit the stretch, the same in a folded log that is read", async () => {
  await recording.tick(100_000);
  for (const key of keys) recording.put(table, key, null);
  await recording.tick(100_000);
  const counted = await activity();
  expect(counted.spanMs).toBe(5000);
  expect(counted.changes.length).toBeLessThanOrEqual(84);
  expect(counted.changes.filter((count) => count > 0)).toEqual([400, 400]);
  expect(counted.spread).toEqual([]);
  await fold();
  const folded = await activity();
  expect([folded.changes, folded.spread]).toEqual([counted.changes, []]);
});

test("where a folded log says only a sum, it is spread evenly, and that is said", async () => {
  recording.put(table, "k1", null);
  await recording.tick(180_000);
  const [from, to] = [begun, recording.clock.instant];
  await fold();
  const whole = await activity();
  expect(Math.round(sum(whole.changes))).toBe(401);
  expect(Math.max(...whole.changes)).toBeLessThan(401 / 10);
  expect(whole.spread).toHaveLength(1);
  expect(whole.spread[0]!.to).toBeGreaterThan(to - 1000);
  // Of a part of the stretch only this part of the sum is told.
  const half = await activity(from + (to - from) / 2, to);
  expect(sum(half.changes)).toBeGreaterThan(401 * 0.45);
  expect(sum(half.changes)).toBeLessThan(401 * 0.55);
});

/** Records that an undo is to give some documents another value, or to delete them. */
async function recorded(
  some: readonly string[],
  after: (key: string) => object | null,
  id = "7f3a1b2c",
) {
  const { store, description } = recording.repository;
  const made = recording.clock.instant;
  const head = { repository: description.id, id, type: "undo" as const, round: 1 };
  const about = { ...head, made, table, name: "shop.orders", description: "a test" };
  const writer = new OperationWriter(store, about);
  for (const key of some.toSorted()) {
    const [before, then] = [json({ id: key, n: 0 }), after(key)];
    await writer.add({ key: json(key), before, after: then && json(then) });
  }
  return publishRound(store, await writer.finish(), { until: made + 1 }, made);
}

const ended = (of: Awaited<ReturnType<typeof recorded>>, left: readonly string[] = []) =>
  putOperationEnd(recording.repository.store, of, {
    ended: recording.clock.instant,
    seconds: 1,
    written: of.documents - left.length,
    already: 0,
    left: left.map((key) => JSON.stringify(key)),
    found: [],
    unlisted: 0,
  });

/** Of each burst, how many changes it has, and how many of them operations have written. */
async function owners(): Promise<[kind: string, count: number, own: object][]> {
  const view = await RepositoryView.read(recording.repository);
  const { store } = recording.repository;
  const { bursts } = await readActivity(view, undefined, begun, recording.clock.instant, store);
  return bursts.map(({ kind, count, own }) => [kind, count, Object.fromEntries(own)]);
}

const good = (key: string) => ({ id: key, n: "good" });
const byUndo = (count: number) => ({ "undo-7f3a1b2c": count });

test("what an operation has written is told from what others wrote in the same seconds", async () => {
  const operation = await recorded(keys.slice(0, 250), good);
  for (const key of keys.slice(0, 250)) recording.put(table, key, good(key));
  // Somebody else overwrites some, and deletes fewer than the operation writes.
  for (const key of keys.slice(250, 300)) recording.put(table, key, { id: key, n: "other" });
  for (const key of keys.slice(250, 400)) recording.put(table, key, null);
  await recording.tick();
  await ended(operation);
  const found = [
    ["deletes", 150, {}],
    ["overwrites", 300, byUndo(250)],
  ];
  expect(await owners()).toEqual(found);
  await recording.tick(3_600_000);
  await fold();
  expect(await owners()).toEqual(found);
});

test("a delete is an operation's if its record has the key, and its end does not say that it was left", async () => {
  const operation = await recorded(keys.slice(0, 200), () => null);
  for (const key of keys.slice(0, 300)) recording.put(table, key, null);
  await recording.tick();
  expect(await owners()).toEqual([["deletes", 300, byUndo(200)]]);
  await ended(operation, keys.slice(0, 20));
  expect(await owners()).toEqual([["deletes", 300, byUndo(180)]]);
});

test("the same documents written long after an operation has ended are others'", async () => {
  const operation = await recorded(keys, good);
  await ended(operation);
  await recording.tick(120_000);
  for (const key of keys) recording.put(table, key, good(key));
  await recording.tick();
  expect(await owners()).toEqual([["overwrites", 400, {}]]);
});

test("of two operations that were to write the same document, the one that ran then has written it", async () => {
  await ended(await recorded(keys.slice(0, 200), good));
  await recording.tick(20_000);
  const second = await recorded(keys.slice(0, 200), good, "00000002");
  for (const key of keys.slice(0, 200)) recording.put(table, key, good(key));
  await recording.tick();
  await ended(second);
  expect(await owners()).toEqual([["overwrites", 200, { "undo-00000002": 200 }]]);
});
