/** What was deleted costs nothing any more: no listing goes through directories that only once held something. */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { patient } from "../repository/month.js";
import { History, makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const hourMs = 3_600_000;

let directory: string;
let clock: StillClock;
let repository: Repository;
let recording: Recording;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-emptied-"));
  clock = new StillClock();
  repository = await makeRepository(new DirectoryStore(directory));
  recording = await Recording.begin(repository, clock, new History());
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copied = await recording.copy(table, [[1, { id: 1 }]]);
  const live = await recording.tick(10);
  await copied.finish(live, live - 10);
  recording.coverage(table, { state: "live", since: live });
});

afterEach(() => rm(directory, { recursive: true }));

async function round(unique: string, graceMs?: number): Promise<void> {
  const options = {
    clock: patient(clock),
    owner: { host: "test", process: 2, isAlive: () => false },
    unique,
    bases: () => ({ until: clock.instant }),
    partial: true,
    settleMs: 0,
    expires: true,
    graceMs,
  };
  await maintain(repository, options, { onRows: () => undefined, phase: () => undefined });
}

/** Directories in which nothing is, by their paths. */
async function emptyBelow(place: string): Promise<string[]> {
  const entries = await readdir(place, { withFileTypes: true });
  if (entries.length === 0) return [place.slice(directory.length + 1)];
  const below = entries.filter((entry) => entry.isDirectory());
  return (await Promise.all(below.map(({ name }) => emptyBelow(join(place, name))))).flat();
}

test("of twelve bases only the directories of those that are kept are there", async () => {
  for (let hour = 0; hour < 12; hour += 1) {
    recording.put(table, 1, { id: 1, hour });
    await recording.tick(hourMs);
    await round(`m${String(hour).padStart(2, "0")}`, 0);
  }
  expect(await emptyBelow(directory)).toEqual([]);
  expect((await readdir(join(directory, "bases", table))).length).toBeLessThan(8);
});

test("those that were left empty go with the first round that may delete", async () => {
  const left = [`bases/${table}/000001795000000-m1`, "bases/gone/000001795000000-m1", "folded/1-2"];
  for (const place of left) await mkdir(join(directory, place), { recursive: true });
  await recording.tick(hourMs);
  await round("m1");
  expect((await emptyBelow(directory)).sort()).toEqual(left.sort());
  await round("m2", 0);
  expect(await emptyBelow(directory)).toEqual([]);
});
