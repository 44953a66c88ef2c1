/** A pin that is accepted holds, whatever maintenance is under way; and one that does not hold is told of. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import type { Owner } from "../../src/owner.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { withLease } from "../../src/repository/registers/lease.js";
import { addPin, listPins } from "../../src/repository/registers/pins.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { pinInstant } from "../../src/restore/pin.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { WithoutStore } from "../../src/storage/without-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { verify } from "../../src/verify/verify.js";
import { dayMs } from "../repository/declared.js";
import { readCoverage, readStatus } from "../repository/looks.js";
import { patient } from "../repository/month.js";
import { History, makeRepository, Recording, StillClock } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";

const table = "0a000000-0000-4000-8000-000000000001";
const hourMs = 3_600_000;
/** The last instant of the day that the next round thins. */
const midnight = Date.UTC(2026, 10, 21) + dayMs - 1;

let clock: StillClock;
let repository: Repository;
let recording: Recording;
let rounds: number;
/** An instant of that day that no resolution keeps. */
let at: number;

/** A day has just left the tier that keeps every change, and nobody has maintained since. */
beforeEach(async () => {
  clock = new StillClock(midnight - 2 * hourMs);
  repository = await makeRepository();
  rounds = 0;
  await declareKeep(repository.store, "all:1d, 1h:30d", clock.instant);
  recording = await Recording.begin(repository, clock, new History());
  recording.catalogRead();
  recording.catalog(["table", table], { id: table, name: "t", db: "d", primary_key: "id" });
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copied = await recording.copy(table, [[1, { id: 1 }]]);
  const live = await recording.tick(10);
  await copied.finish(live, live - 10);
  recording.coverage(table, { state: "live", since: live });
  await workUntil(midnight);
  await workUntil(midnight + dayMs - 60_000);
  await round();
  await workUntil(midnight + dayMs + 5000);
  at = midnight - 2000;
});

async function workUntil(until: Instant): Promise<void> {
  while (clock.instant < until) {
    recording.put(table, 1, { id: 1, at: clock.instant });
    await recording.tick(Math.min(hourMs, until - clock.instant));
  }
}

async function round(store = repository.store): Promise<void> {
  rounds += 1;
  await maintain(
    { ...repository, store },
    {
      clock: patient(clock),
      owner: { host: "other", process: 2, isAlive: () => true },
      unique: `m${rounds}`,
      partial: true,
      settleMs: 0,
      expires: true,
      graceMs: 0,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
}

/** @param behindMs how far the clock of the machine that pins is behind */
function pinned(behindMs: number, store = repository.store) {
  const owner: Owner = { host: "test", process: 3, isAlive: () => true };
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(store, patient(clock), owner, "pin1", work);
  const request = { name: "p", at, allowInexact: true };
  return pinInstant({ ...repository, store }, request, clock.instant - behindMs, underLease);
}

const isOfPins = (name: string) => name.startsWith("pins/");

const isKept = async () => {
  const coverage = (await readCoverage(repository.store)).get(table)!;
  return isExactAt(intervalAt(coverage, at), at);
};

/** A round that is held at its first put of a folded segment until `meanwhile` is over. */
async function heldRound(meanwhile: () => Promise<void>): Promise<void> {
  let isHeld = false;
  const put: ObjectStore["put"] = async (name, bytes) => {
    if (!isHeld && name.startsWith("folded/")) {
      isHeld = true;
      await meanwhile();
    }
    await repository.store.put(name, bytes);
  };
  await round(overriding(repository.store, { put }));
  expect(isHeld).toBe(true);
}

test("without a pin the instant is thinned away", async () => {
  expect(await isKept()).toBe(true);
  await round();
  expect(await isKept()).toBe(false);
});

describe("a round under way has read the pins, and thins", () => {
  test.each([0, 11_000, 7_200_000])(
    "a pin by a clock that is %i ms behind is refused, as the round cannot be waited for",
    async (behindMs) => {
      let refused: unknown;
      await heldRound(async () => {
        refused = await pinned(behindMs).catch((error: unknown) => error);
      });
      expect(refused).toMatchObject({ code: "fenced" });
      expect(await listPins(repository.store)).toEqual([]);
    },
  );

  test("a pin whose put comes when it has ended is refused: what it took shows", async () => {
    const put: ObjectStore["put"] = async (name, bytes) => {
      if (isOfPins(name) && name.includes("0000000001")) {
        await round();
      }
      await repository.store.put(name, bytes);
    };
    const refused = pinned(11_000, overriding(repository.store, { put }));
    await expect(refused).rejects.toMatchObject({ code: "instant" });
    expect(await listPins(repository.store)).toEqual([]);
  });
});

test("a pin of what is young by the log needs no lease, and holds", async () => {
  at = midnight + dayMs - 3_600_000;
  await heldRound(async () => void (await pinned(0)));
  await workUntil(midnight + 2 * dayMs + 60_000);
  await round();
  expect((await listPins(repository.store)).map((pin) => pin.at)).toEqual([at]);
  const { pins } = await readStatus(repository);
  expect(pins).toMatchObject([{ name: "p", losses: [] }]);
});

test("a young instant in a gap that began more than a day ago takes the lease", async () => {
  const lost = clock.instant;
  recording.coverage(table, { state: "gap", since: lost, reason: "a fault" });
  clock.instant += 2 * dayMs;
  recording.coverage(table, { state: "live", since: clock.instant });
  await workUntil(clock.instant + 60_000);
  at = clock.instant - hourMs;
  let refused: unknown;
  await heldRound(async () => {
    refused = await pinned(0).catch((error: unknown) => error);
  });
  expect(refused).toMatchObject({ code: "fenced" });
});

test("a pin that was accepted before a round holds, although no listing shows it yet", async () => {
  await pinned(0);
  const list: ObjectStore["list"] = async function* (prefix) {
    for await (const one of repository.store.list(prefix)) if (!isOfPins(one.name)) yield one;
  };
  await round(overriding(repository.store, { list }));
  expect(await isKept()).toBe(true);
  expect((await readStatus(repository)).pins).toMatchObject([{ name: "p", losses: [] }]);
});

test("a pin that does not hold is told of by status and verify", async () => {
  const { pin } = await pinned(0);
  expect((await readStatus(repository)).pins).toMatchObject([{ name: "p", losses: [] }]);
  // As if a round had not seen it.
  await round(new WithoutStore(repository.store, { has: isOfPins }));
  const lost = [{ ...pin, ended: false, losses: [{ table, is: "thinned away", name: "d.t" }] }];
  expect((await readStatus(repository)).pins).toEqual(lost);
  const { report } = await verify(repository.store, { share: 0, random: () => 0 });
  expect(report.damage).toEqual([]);
  expect(report.lostPins).toEqual(lost);
});

test("a pin that promises nothing of a table does not miss it", async () => {
  await addPin(repository.store, { name: "q", at: 5, made: 6, classes: { [table]: "unwatched" } });
  await addPin(repository.store, { name: "r", at: 5, made: 6, classes: { [table]: "gap" } });
  expect((await readStatus(repository)).pins).toMatchObject([
    { name: "q", losses: [] },
    { name: "r", losses: [{ table, is: "expired" }] },
  ]);
});
