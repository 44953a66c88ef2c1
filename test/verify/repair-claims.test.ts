/** What a claim shut out, and what it did not: the same once it was lost and is said again. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { writerName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { type EpochClaim, listClaims } from "../../src/repository/log/claims.js";
import { openSegment } from "../../src/repository/log/log.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { nextExpiry, putExpiry } from "../../src/repository/registers/expiry.js";
import type { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { sweep } from "../../src/upkeep/sweep.js";
import { repair } from "../../src/verify/repair.js";
import { verify } from "../../src/verify/verify.js";
import { foldLog, planSweep, readCoverage } from "../repository/looks.js";
import {
  copyOf,
  foldUp,
  History,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { owner, PatientClock } from "./world.js";

const table = "0a000000-0000-4000-8000-000000000001";
const tickMs = 60_000;

let clock: StillClock;
let repository: Repository;
let history: History;
let first: Recording;
let instants: Instant[];

/** A table whose first writer has written ten ticks. */
beforeEach(async () => {
  clock = new StillClock();
  repository = await makeRepository();
  history = new History();
  instants = [];
  first = await Recording.begin(repository, clock, history);
  first.catalogRead();
  first.catalog(["table", table], { id: table, name: "t", db: "d", primary_key: "id" });
  first.coverage(table, { state: "copying", since: clock.instant });
  const copied = await first.copy(table, [[1, { id: 1 }]]);
  const live = await first.tick(10);
  await copied.finish(live, live - 10);
  first.coverage(table, { state: "live", since: live });
  await work(first, 10);
});

async function work(recording: Recording, ticks: number): Promise<void> {
  for (let i = 0; i < ticks; i += 1) {
    recording.put(table, 1, { id: 1, at: clock.instant });
    instants.push(await recording.tick(tickMs));
  }
}

async function next(): Promise<Recording> {
  const recording = await Recording.begin(repository, clock, history);
  recording.coverage(table, { state: "resyncing", since: clock.instant });
  recording.coverage(table, { state: "live", since: clock.instant });
  return recording;
}

const fold = (unique: string) =>
  foldLog(repository, {
    now: clock.instant,
    settleMs: 0,
    partial: true,
    unique,
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    pinned: [],
  });

/** A claim that came late: it continues the third segment, and what came since was folded across it. */
async function claimLate(epoch: number): Promise<void> {
  const [, , third] = await namesIn(repository.store, "log/");
  const { name, checksum } = await openSegment(repository.store, third!);
  const late: EpochClaim = {
    epoch,
    started: clock.instant,
    host: "late",
    process: 9,
    space: "late",
    unique: "late",
    previous: { name, checksum },
  };
  await repository.store.put(writerName(epoch), encodeJsonObject("writer", late));
}

/** What is believed of the log, which instants are of which class, and what some of them restore to. */
async function readings(store: ObjectStore): Promise<object> {
  const { believed, pieces } = await LogView.read(store);
  const coverage = (await readCoverage(store)).get(table)!;
  const kept = instants.filter((at) => at >= coverage.intervals[0]!.from);
  const documents = await Promise.all(kept.map((at) => restoredAt(store, table, at)));
  return { believed, pieces: pieces.map(({ name }) => name), coverage, documents };
}

/** A copy that has lost claims, and what became of them by repairing. */
async function repaired(...epochs: number[]): Promise<{ store: MemoryStore; outcomes: string[] }> {
  const lost = Object.fromEntries(epochs.map((epoch) => [writerName(epoch), undefined]));
  const store = await copyOf(repository.store, lost);
  const report = await repair(store, {
    clock: new PatientClock(clock.instant),
    owner,
    unique: "repair1",
    data: true,
    settleMs: 0,
  });
  return { store, outcomes: report.repaired.map(({ object, outcome }) => `${object} ${outcome}`) };
}

async function expectAsBefore(store: ObjectStore): Promise<void> {
  expect(await readings(store)).toEqual(await readings(repository.store));
  const { report } = await verify(store, { share: 1, random: () => 0 });
  expect(report).toMatchObject({ damage: [], lost: [], breaks: [] });
}

describe("a claim that withdraws one that came late", () => {
  beforeEach(async () => {
    await fold("f1");
    await claimLate(2);
  });

  test("withdraws it again, by what it wrote", async () => {
    await work(await next(), 3);
    expect((await listClaims(repository.store)).at(-1)).toMatchObject({ withdraws: [2] });
    const { store, outcomes } = await repaired(3);
    expect(outcomes).toEqual(["writers/00000003.json rebuilt"]);
    await expectAsBefore(store);
  });

  test("withdraws it again, by the claim that follows, where it wrote nothing", async () => {
    await Recording.begin(repository, clock, history);
    await work(await next(), 3);
    const claims = await listClaims(repository.store);
    expect(claims.map(({ withdraws }) => withdraws)).toEqual([undefined, undefined, [2], [2]]);
    // The last one continues the same, but need not say it once more.
    const { withdraws: _, ...said } = claims.at(-1)!;
    const last = { [writerName(4)]: encodeJsonObject("writer", said) };
    repository = { ...repository, store: await copyOf(repository.store, last) };
    const { store, outcomes } = await repaired(3);
    expect(outcomes).toEqual(["writers/00000003.json rebuilt"]);
    await expectAsBefore(store);
  });

  test("withdraws it again although that one is lost, too, and comes back later", async () => {
    await work(await next(), 3);
    const { store, outcomes } = await repaired(2, 3);
    expect(outcomes).toEqual(["writers/00000003.json rebuilt", "writers/00000002.json left"]);
    await store.put(writerName(2), await repository.store.get(writerName(2)));
    await expectAsBefore(store);
  });
});

test("a claim whose first segments were expired shuts out what older writers wrote after it", async () => {
  const second = await next();
  await work(second, 5);
  await fold("f1");
  await work(second, 5);
  await fold("f2");
  const from = clock.instant - 1;
  await foldUp(repository, from, [table]);
  await work(Recording.behind(first, new History()), 3);
  await work(second, 2);
  const { store } = repository;
  const kept = (await LogView.read(store)).pieces.find((piece) => piece.first.epoch === 2)!;
  expect(kept.kind).toBe("folded");
  expect(kept.first.sequence).toBeGreaterThan(1);
  const now = clock.instant;
  const expiry = nextExpiry(undefined, now);
  expiry.logTo = kept.from - 1;
  expiry.cuts = [{ to: expiry.logTo, at: now }];
  expiry.horizons[table] = { from, base: from };
  await putExpiry(store, expiry);
  await sweep(
    repository,
    await planSweep(repository, { now, aged: now, graceMs: 0, holdsBegan: [] }),
  );
  expect((await namesIn(store, "log/00000001/")).length).toBe(3);
  const { store: after, outcomes } = await repaired(2);
  expect(outcomes).toEqual(["writers/00000002.json rebuilt"]);
  await expectAsBefore(after);
});
