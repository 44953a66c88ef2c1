/** What expires, and what it must not take for a loss. */
import { describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { LogView } from "../../src/repository/log/log-view.js";
import {
  OperationWriter,
  publishRound,
  putOperationEnd,
} from "../../src/repository/records/operations.js";
import { latestExpiry } from "../../src/repository/registers/expiry.js";
import { parseKeep } from "../../src/repository/registers/keep-policy.js";
import { addPin, daysAround } from "../../src/repository/registers/pins.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import type { StoredObject } from "../../src/storage/object-store.js";
import { publishExpiry } from "../../src/upkeep/expire.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { verify } from "../../src/verify/verify.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { newestBase, planExpiry, readCoverage, readStatus } from "../repository/looks.js";
import { Month, patient, tables } from "../repository/month.js";
import {
  History,
  json,
  makeRepository,
  namesIn,
  Recording,
  StillClock,
} from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { overriding } from "../simulation/overriding.js";

const keep = "all:1d, 1h:2d";

/** Some days of history, maintained at the end of each. */
async function days(count: number, options: Parameters<Month["maintain"]>[0] = {}) {
  const month = await Month.begin(new Random(1), keep);
  const begin = dayOf(month.clock.instant);
  for (let day = 1; day <= count; day += 1) {
    await month.workUntil(begin + day * dayMs + 3_600_000);
    await month.maintain(options);
  }
  return month;
}

describe("an expiry", () => {
  test("is planned while a writer writes", async () => {
    const month = await days(4, { expires: false, graceMs: undefined });
    /** A segment comes whenever somebody looks. */
    async function* list(prefix: string): AsyncGenerator<StoredObject> {
      yield* month.store.list(prefix);
      await month.workUntil(month.clock.instant + 1);
    }
    const repository = { ...month.repository, store: overriding(month.store, { list }) };
    await month.maintain({ graceMs: undefined });
    const now = month.clock.instant + dayMs;
    const plan = await planExpiry(repository, { now, aged: now, tiers: parseKeep(keep), pins: [] });
    expect(plan.expiry).toBeDefined();
    expect(plan.tables.map(({ table }) => table).sort()).toEqual(tables);
  });

  test("expires nothing while nobody captures, whatever the clock says", async () => {
    const month = await days(4);
    await month.maintain();
    const sizes = await namesIn(month.store);
    const before = await readCoverage(month.store);
    const { from } = before.get(tables[0]!)!.intervals[0]!;
    for (const days of [1, 40, 4000]) {
      month.stopWriter(days * dayMs);
      await month.maintain({ graceMs: 0 });
      const [first] = (await readCoverage(month.store)).get(tables[0]!)!.intervals;
      expect(first!.from).toBe(from);
      expect(first!.to).toBeGreaterThan(before.get(tables[0]!)!.intervals[0]!.from);
    }
    expect(sizes.length).toBeGreaterThan(20);
    await month.startWriter();
    await month.maintain();
    expect((await readCoverage(month.store)).get(tables[0]!)!.state).toBe("live");
  });

  test("does not go by a clock of maintenance that is ahead of the log", async () => {
    const month = await days(4);
    await month.maintain();
    const kept = async () => (await readCoverage(month.store)).get(tables[0]!)!.intervals[0]!.from;
    const before = await kept();
    month.clock.instant += 2 * dayMs;
    await month.maintain();
    month.clock.instant -= 2 * dayMs;
    expect(await kept()).toBe(before);
  });

  test("does not go by a clock that is ahead of the source's, though capture writes by it", async () => {
    const month = await days(4);
    await month.maintain();
    const kept = async () => {
      const coverage = await readCoverage(month.store);
      return tables.map((table) => coverage.get(table)!.intervals[0]!.from);
    };
    const before = await kept();
    month.sourceOffsetMs = -400 * dayMs - 0.4;
    month.clock.instant += 400 * dayMs;
    await month.workUntil(month.clock.instant + 2000);
    const names = await namesIn(month.store);
    for (let round = 0; round < 2; round += 1) await month.maintain({ partial: false });
    expect(await kept()).toEqual(before);
    const left = new Set(await namesIn(month.store));
    expect(names.filter((name) => name.startsWith("bases/") && !left.has(name))).toEqual([]);
  });

  test("expires nothing though the last segment is lost, and all else of the log is folded", async () => {
    const month = await days(4);
    month.stopWriter(3_600_000);
    for (let round = 0; round < 3; round += 1) {
      await month.maintain({ partial: true, graceMs: 0 });
      month.stopWriter(60_000);
    }
    const segments = await namesIn(month.store, "log/");
    expect(segments).toHaveLength(1);
    const before = (await readCoverage(month.store)).get(tables[0]!)!.intervals[0]!.from;
    await month.store.delete(segments[0]!);
    month.stopWriter(400 * dayMs);
    await month.maintain({ graceMs: 0 });
    const { intervals } = (await readCoverage(month.store)).get(tables[0]!)!;
    // As old as the end of the log makes it.
    expect(intervals[0]!.from).toBe(before);
    expect(intervals.some((one) => one.class === "exact")).toBe(true);
  });

  test("claims nothing again that was expired, when more is declared than before", async () => {
    const month = await Month.begin(new Random(1), keep);
    const begin = dayOf(month.clock.instant);
    await month.workUntil(month.clock.instant + 3_600_000);
    const pinned = (await readCoverage(month.store)).get(tables[0]!)!.frontier!;
    await month.pin(pinned, true);
    for (let day = 1; day <= 4; day += 1) {
      await month.workUntil(begin + day * dayMs + 3_600_000);
      await month.maintain();
    }
    const before = (await readCoverage(month.store)).get(tables[0]!)!.intervals;
    expect(before[0]!.from).toBe(pinned);
    await declareKeep(month.store, "all:30d", month.clock.instant);
    await month.maintain();
    expect((await readCoverage(month.store)).get(tables[0]!)!.intervals).toEqual(before);
  });

  test("takes a pin with an end, and the operation that it is for, when the log has passed it", async () => {
    const month = await Month.begin(new Random(1), keep);
    const { store, clock } = month;
    const begin = dayOf(clock.instant);
    await month.workUntil(clock.instant + 3_600_000);
    const pinned = (await readCoverage(store)).get(tables[0]!)!.frontier!;
    const until = begin + 5 * dayMs;
    await addPin(store, { name: "before-undo", at: pinned, made: clock.instant, until });
    const writer = new OperationWriter(store, {
      repository: month.repository.description.id,
      id: "0123abcd",
      type: "undo",
      round: 1,
      made: clock.instant,
      table: tables[0]!,
      name: "shop.t1",
      description: "a test",
    });
    await writer.add({ key: json(1), before: null, after: json({ id: 1 }) });
    const recorded = await writer.finish();
    const round = await publishRound(store, recorded, { until }, clock.instant);
    await putOperationEnd(store, round, {
      ended: clock.instant,
      seconds: 1,
      written: 1,
      already: 0,
      left: [],
      found: [],
      unlisted: 0,
    });
    const isThere = async () => [
      isExactAt(intervalAt((await readCoverage(store)).get(tables[0]!)!, pinned), pinned),
      (await namesIn(store, "operations/")).length,
    ];
    for (let day = 1; day <= 4; day += 1) {
      await month.workUntil(begin + day * dayMs + 3_600_000);
      await month.maintain();
    }
    expect(await isThere()).toEqual([true, 3]);
    // The log does not go on, so nothing ages, whatever the clock says.
    clock.instant = begin + 40 * dayMs;
    await month.maintain();
    expect(await isThere()).toEqual([true, 3]);
    clock.instant = begin + 4 * dayMs + 3_600_000;
    for (let day = 5; day <= 7; day += 1) {
      await month.workUntil(begin + day * dayMs + 3_600_000);
      await month.maintain();
    }
    expect(await isThere()).toEqual([false, 0]);
  });

  test("leaves the days that a pin wants whole as they are, until the pin ends", async () => {
    const month = await days(1);
    const begin = dayOf(month.clock.instant) - dayMs;
    const at = begin + dayMs + 1_800_000;
    const until = begin + 7 * dayMs;
    const made = month.clock.instant;
    await addPin(month.store, { name: "mass", at, made, until, days: daysAround(at, 1000) });
    const ends = (day: number) =>
      month.ticks.map(({ to }) => to).filter((to) => dayOf(to) === begin + day * dayMs);
    const exact = async (day: number) => {
      const { intervals } = (await readCoverage(month.store)).get(tables[0]!)!;
      return ends(day).filter((to) => isExactAt(intervalAt({ intervals }, to), to));
    };
    await month.workUntil(begin + 2 * dayMs);
    const before = { held: await exact(1), day2: [] as number[] };
    expect(before.held.length).toBeGreaterThan(20);
    for (let day = 2; day <= 6; day += 1) {
      await month.workUntil(begin + day * dayMs + 3_600_000);
      await month.maintain({ graceMs: 0 });
      if (day === 3) before.day2 = await exact(2);
    }
    // The tiers keep an instant of each hour of two days: of the day after, only what a day still has.
    expect(await exact(1)).toEqual(before.held);
    expect((await exact(2)).length).toBeLessThan(before.day2.length);
    for (let day = 8; day <= 9; day += 1) {
      await month.workUntil(begin + day * dayMs);
      await month.maintain({ graceMs: 0 });
    }
    expect(await exact(1)).toEqual([]);
  });

  test("is published when nothing but claims end", async () => {
    const month = await days(3);
    const [first] = (await readCoverage(month.store)).get(tables[0]!)!.intervals;
    const now = month.clock.instant;
    expect(first!.from).toBe(dayOf(now) - 2 * dayMs);
    const before = await latestExpiry(month.store);
    const again = await planExpiry(month.repository, {
      now,
      aged: now,
      tiers: parseKeep(keep),
      pins: [],
    });
    expect(again.expiry).toBeUndefined();
    await publishExpiry(month.repository, again);
    expect(await latestExpiry(month.store)).toEqual(before);
  });

  test.each([
    ["", 0],
    [", though its claim was made with a clock years behind", 5 * 365 * dayMs],
  ])(
    "keeps the base of a table of which a capture that has just begun has not spoken yet%s",
    async (_, behindMs) => {
      const clock = new StillClock(Date.UTC(2026, 10, 21));
      const repository = await makeRepository();
      const history = new History();
      const table = tables[0]!;
      const recording = await Recording.begin(repository, clock, history);
      recording.coverage(table, { state: "copying", since: clock.instant });
      const copy = await recording.copy(table, [[0, { id: 0 }]]);
      const live = await recording.tick(10);
      await copy.finish(live, live - 10);
      recording.coverage(table, { state: "live", since: live });
      await recording.tick(10);
      clock.instant += 9 * dayMs;
      clock.instant -= behindMs;
      const next = await Recording.begin(repository, clock, history);
      clock.instant += behindMs;
      const basesToExpire = async () => {
        await next.tick(10);
        const now = clock.instant;
        const options = { now, aged: now, tiers: parseKeep(keep), pins: [] };
        return (await planExpiry(repository, options)).tables.flatMap(({ bases }) => bases);
      };
      expect(await basesToExpire()).toEqual([]);
      clock.instant += dayMs;
      expect(await basesToExpire()).toHaveLength(1);
    },
  );

  test("says nothing of what is deleted, and old ones are deleted", async () => {
    const month = await days(20);
    const expiry = (await latestExpiry(month.store))!;
    expect(expiry.number).toBeGreaterThan(14);
    expect((await namesIn(month.store, "expiries/")).length).toBeLessThan(12);
    expect(expiry.cuts.length).toBeLessThan(3);
    expect(Object.keys(expiry.bases).length).toBeLessThan(7);
    const { report } = await verify(month.store, { share: 1, random: () => 0 });
    expect(report.damage).toEqual([]);
  });

  test("leaves documents uncounted where what came before is gone", async () => {
    const clock = new StillClock(Date.UTC(2026, 10, 21, 18));
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, clock);
    const [table] = tables;
    recording.coverage(table!, { state: "copying", since: clock.instant });
    const copy = await recording.copy(table!, [[1, { id: 1 }]]);
    const live = await recording.tick(10);
    await copy.finish(live, live - 10);
    recording.coverage(table!, { state: "live", since: live });
    // Ticks end where days do, so that the log is cut right where the first base begins.
    for (let day = 0; day < 4; day += 1) {
      const midnight = dayOf(clock.instant) + dayMs - 1;
      recording.put(table!, 100 + day, { id: day });
      await recording.tick(midnight - clock.instant);
      recording.put(table!, 200 + day, { id: day });
      await recording.tick(3_600_000);
    }
    await declareKeep(repository.store, "all:1d", clock.instant);
    clock.instant += 600_000;
    await maintainNow(repository, clock, "m1", undefined);
    const { logTo } = (await latestExpiry(repository.store))!;
    const base = await newestBase(repository.store, table!, clock.instant);
    expect(logTo).toBe(base!.instant);
    const [status] = (await readStatus(repository)).tables;
    // It holds 9 by now; that is not said for sure, because what came before the base cannot be counted off.
    expect(status).toMatchObject({ documents: base!.rows, documentsExact: false });
  });

  test("leaves no more of the log than what is kept, in few pieces", async () => {
    const clock = new StillClock();
    const repository = await makeRepository();
    const { store } = repository;
    await declareKeep(store, "all:3d", clock.instant);
    const recording = await Recording.begin(repository, clock);
    const [table] = tables;
    recording.coverage(table!, { state: "copying", since: clock.instant });
    const copy = await recording.copy(table!, [[1, { id: 1 }]]);
    const live = await recording.tick(10);
    await copy.finish(live, live - 10);
    recording.coverage(table!, { state: "live", since: live });
    const begin = clock.instant;
    for (let day = 1; day <= 100; day += 1) {
      for (let tick = 0; tick < 4; tick += 1) {
        recording.put(table!, tick, { id: tick, day });
        await recording.tick(dayMs / 4 - 2);
      }
      if (day === 40) await addPin(store, { name: "p", at: clock.instant - dayMs, made: 0 });
      await maintainNow(repository, clock, `m${day}`, 0);
      const { pieces } = await LogView.read(store);
      if (day >= 40) expect(pieces.length, `day ${day}`).toBeLessThan(3 + 5 + 32);
      else expect(clock.instant - pieces[0]!.from).toBeLessThan(6 * dayMs);
    }
    expect((await latestExpiry(store))!.logTo).toBeGreaterThan(begin + 36 * dayMs);
    const { pieces } = await LogView.read(store);
    expect(pieces.length).toBeLessThan(3 + 5 + 32);
    expect((await namesIn(store)).length).toBeLessThan(200);
  });
});

function maintainNow(
  repository: Repository,
  clock: StillClock,
  unique: string,
  graceMs: number | undefined,
) {
  return maintain(
    repository,
    {
      clock: patient(clock),
      owner: { host: "test", process: 2, isAlive: () => false },
      unique,
      partial: true,
      settleMs: 0,
      expires: true,
      graceMs,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
}
