/** Bursts of deletes and overwrites: found where there are many more than usual, in a folded log as in single segments. */
import { beforeEach, expect, test } from "vitest";
import { readActivity } from "../../src/recovery/activity.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { foldLog } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

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
