import { describe, expect, test } from "vitest";
import { type CoverageRecord, type CoverageState } from "../../../src/format/coverage-record.js";
import {
  intervalAt,
  isExactAt,
  isKeptAt,
  relabel,
  thinned,
} from "../../../src/repository/coverage/coverage.js";
import { CoverageBuilder } from "../../../src/repository/coverage/coverage-builder.js";
import { clipped } from "../../../src/repository/coverage/coverage-reader.js";
import { claimEpoch } from "../../../src/repository/log/claim-epoch.js";
import { capturedAt } from "../../../src/repository/restorable.js";
import { readAllCoverage, readCoverage } from "../looks.js";
import { copyOf, foldUp, makeRepository, namesIn, Recording, StillClock } from "../recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const other = "0b000000-0000-4000-8000-000000000002";

type Step = CoverageRecord | { end: number } | { reach: number };

function built(...steps: Step[]) {
  const builder = new CoverageBuilder(table);
  for (const step of steps) {
    if ("end" in step) builder.end(step.end);
    else if ("reach" in step) builder.reach(step.reach);
    else builder.apply(step);
  }
  return builder.build();
}

const copying = (since: number): Step => ({ state: "copying", since });
const resyncing = (since: number): Step => ({ state: "resyncing", since });
const live = (since: number): Step => ({ state: "live", since });
const gap = (since: number, reason = "lost"): Step => ({ state: "gap", since, reason });
const stopped = (since: number, reason: string): Step => ({ state: "stopped", since, reason });
const dropped = (since: number): Step => ({ state: "dropped", since });

const late = (since: number, to: number, lateMs: number): Step => {
  return { state: "late", since, to, lateMs };
};

const continued = (since: number, at: number): Step => ({ state: "continued", since, at });

describe("a writer that goes on where the one before ended", () => {
  test("leaves one exact interval, and names the instant of what it repeats", () => {
    const coverage = built(live(30), { end: 100 }, continued(100, 120), { reach: 200 });
    expect(coverage).toMatchObject({ state: "live", frontier: 200, continued: [120] });
    expect(coverage.intervals).toEqual([{ from: 30, to: 200, class: "exact" }]);
  });

  test("does so several times, and after records of lateness", () => {
    const steps = [late(90, 110, 2500), { end: 100 }, continued(100, 120), { end: 150 }];
    const coverage = built(live(30), ...steps, continued(150, 160), { reach: 200 });
    expect(coverage.intervals).toMatchObject([
      { from: 30, to: 89, class: "exact" },
      { from: 90, to: 110, class: "late" },
      { from: 111, to: 200, class: "exact" },
    ]);
  });

  test("that dies before it is proven further is exact up to the last proof before it", () => {
    const coverage = built(live(30), { end: 100 }, continued(100, 120), { end: 100 });
    expect(coverage).toMatchObject({ state: "gap", frontier: 100 });
    expect(coverage.intervals).toEqual([{ from: 30, to: 100, class: "exact" }]);
  });

  test("if the end of the log before is lost, the time of what is lost is damaged, and no more", () => {
    const coverage = built(live(30), { end: 80 }, continued(100, 120), { reach: 200 });
    expect(coverage.intervals).toMatchObject([
      { from: 30, to: 80, class: "exact" },
      { from: 81, to: 99, class: "damaged" },
      { from: 100, to: 200, class: "exact" },
    ]);
    expect(coverage.state).toBe("live");
  });

  test("has no instant twice if records before it are lost", () => {
    const builder = new CoverageBuilder(table);
    builder.apply({ state: "live", since: 30 });
    builder.end(100);
    builder.lose(100, "object x is missing");
    builder.apply({ state: "continued", since: 100, at: 120 });
    builder.reach(200);
    expect(builder.build().intervals).toMatchObject([
      { from: 30, to: 100, class: "exact" },
      { from: 101, to: 200, class: "exact" },
    ]);
  });

  test("changes nothing of a table that is watched already", () => {
    const twice = [continued(100, 120), continued(100, 130)];
    const coverage = built(live(30), { end: 100 }, ...twice, { reach: 200 });
    expect(coverage.continued).toEqual([120]);
  });

  test("goes on from what a folded segment says of the time before", () => {
    const opening = { state: "gap" as const, frontier: 100, gap: { since: 100, reason: "ended" } };
    const builder = new CoverageBuilder(table, opening);
    builder.apply({ state: "continued", since: 100, at: 120 });
    builder.reach(200);
    expect(builder.build().intervals).toEqual([{ from: 100, to: 200, class: "exact" }]);
  });
});

describe("what is late", () => {
  const intervals = (...steps: Step[]) => built(copying(10), live(30), ...steps).intervals;

  test("is taken out of what is exact, and changes no state", () => {
    const coverage = built(copying(10), live(30), late(51, 4250, 4200), { reach: 5000 });
    expect(coverage).toMatchObject({ state: "live", frontier: 5000 });
    expect(coverage.intervals).toEqual([
      { from: 30, to: 50, class: "exact" },
      { from: 51, to: 4250, class: "late", lateMs: 4200, reason: "proofs were 4.2 s apart" },
      { from: 4251, to: 5000, class: "exact" },
    ]);
  });

  test("of spans that overlap, the latest counts, whatever their order", () => {
    const expected = [
      { from: 30, to: 39, class: "exact" },
      { from: 40, to: 49, class: "late", lateMs: 3000 },
      { from: 50, to: 59, class: "late", lateMs: 5000 },
      { from: 60, to: 69, class: "late", lateMs: 3000 },
      { from: 70, to: 99, class: "late", lateMs: 2500 },
      { from: 100, to: 120, class: "exact" },
    ];
    const [a, b, c] = [late(40, 69, 3000), late(50, 59, 5000), late(45, 99, 2500)];
    expect(intervals(a, b, c, { reach: 120 })).toMatchObject(expected);
    expect(intervals(c, b, a, { reach: 120 })).toMatchObject(expected);
  });

  test("neighbours of one lateness are one interval, of two are two", () => {
    const same = intervals(late(40, 49, 3000), late(50, 59, 3000), { reach: 80 });
    expect(same).toMatchObject([{ to: 39 }, { from: 40, to: 59, lateMs: 3000 }, { from: 60 }]);
    const different = intervals(late(40, 49, 3000), late(50, 59, 4000), { reach: 80 });
    expect(different).toMatchObject([{ to: 39 }, { to: 49 }, { to: 59 }, { from: 60 }]);
  });

  test("is nothing where the table is not exact, and reaches no farther than the frontier", () => {
    const of = intervals(gap(50), late(20, 69, 3000), resyncing(60), live(65), { reach: 67 });
    expect(of).toMatchObject([
      { from: 30, to: 50, class: "late" },
      { from: 51, to: 64, class: "gap" },
      { from: 65, to: 67, class: "late" },
    ]);
  });

  test("is thinned as what is exact, and never exact itself", () => {
    const coverage = { ...built(copying(10), live(30), late(40, 99, 3000), { reach: 200 }) };
    const marked = thinned({ ...coverage, watched: true, copies: [] }, 0, 200, 20, [47]);
    const interval = intervalAt(marked, 47);
    expect(interval).toMatchObject({ class: "late", resolutionMs: 20, kept: [47] });
    expect([47, 48, 59].map((at) => isKeptAt(interval!, at))).toEqual([true, false, true]);
    expect([47, 48, 59].map((at) => isExactAt(interval, at))).toEqual([false, false, false]);
  });

  test("thousands of spans are told apart", () => {
    const spans = Array.from({ length: 5000 }, (_, i) =>
      late(100 + 10 * i, 105 + 10 * i, 2001 + i),
    );
    const of = intervals(...spans, { reach: 100_000 });
    expect(of.filter((one) => one.class === "late")).toHaveLength(5000);
    expect(of.at(-1)).toEqual({ from: 50_096, to: 100_000, class: "exact" });
  });
});

test("an interval that is cut keeps the pinned instants that lie in it, and no others", () => {
  const coverage = { ...built(copying(10), live(30), { reach: 100 }), watched: true, copies: [] };
  const pinned = thinned(coverage, 0, 100, 1000, [20, 40, 60, 80]);
  expect(pinned.intervals).toEqual([
    { from: 30, to: 100, class: "exact", resolutionMs: 1000, kept: [40, 60, 80] },
  ]);
  const expiry = { at: 0, number: 1, logTo: -1, cuts: [], bases: {}, folded: {} };
  const horizons = { [table]: { from: 50, base: 30 } };
  expect(clipped(pinned, { ...expiry, horizons }).intervals).toEqual([
    { from: 50, to: 100, class: "exact", resolutionMs: 1000, kept: [60, 80] },
  ]);
  expect(relabel(pinned, 50, 70, "damaged", "lost").intervals).toEqual([
    { from: 30, to: 49, class: "exact", resolutionMs: 1000, kept: [40] },
    { from: 50, to: 70, class: "damaged", reason: "lost" },
    { from: 71, to: 100, class: "exact", resolutionMs: 1000, kept: [80] },
  ]);
});

describe("CoverageBuilder", () => {
  test("knows nothing of a table while it is first copied", () => {
    expect(built(copying(10), { reach: 50 })).toEqual({
      table,
      state: "copying",
      intervals: [],
      frontier: undefined,
    });
    expect(built(copying(10), { end: 50 })).toMatchObject({ intervals: [], frontier: undefined });
  });

  test("is exact from the end of the copy to the frontier, both included", () => {
    const coverage = built(copying(10), live(30), { reach: 50 });
    expect(coverage).toMatchObject({ state: "live", frontier: 50 });
    expect(coverage.intervals).toEqual([{ from: 30, to: 50, class: "exact" }]);
  });

  test("is exact at one instant when nothing was proven since", () => {
    expect(built(copying(10), live(30), { reach: 20 }).intervals).toEqual([
      { from: 30, to: 30, class: "exact" },
    ]);
    expect(built(copying(10), live(30)).intervals).toEqual([{ from: 30, to: 30, class: "exact" }]);
  });

  test("of a gap that is open yet, nothing is claimed", () => {
    const coverage = built(copying(10), live(30), gap(50), { reach: 90 });
    expect(coverage).toMatchObject({ state: "gap", frontier: 50 });
    expect(coverage.intervals).toEqual([{ from: 30, to: 50, class: "exact" }]);
    expect(built(copying(10), live(30), gap(50), resyncing(60), { reach: 90 })).toMatchObject({
      state: "resyncing",
      frontier: 50,
      intervals: [{ from: 30, to: 50, class: "exact" }],
    });
  });

  test("a gap is resynced when the table is live again: its end is exact, what lies between is not", () => {
    expect(built(copying(10), live(30), gap(50), resyncing(60), live(80), { reach: 95 })).toEqual({
      table,
      state: "live",
      frontier: 95,
      lastCopy: 30,
      intervals: [
        { from: 30, to: 50, class: "exact" },
        { from: 51, to: 79, class: "gap", reason: "lost" },
        { from: 80, to: 95, class: "exact" },
      ],
    });
  });

  test("a gap that was lost again while it was resynced is one gap, with its first instant and reason", () => {
    const coverage = built(
      copying(10),
      live(30),
      gap(50, "first"),
      resyncing(60),
      gap(65, "second"),
      copying(70),
      live(80),
      { reach: 80 },
    );
    expect(coverage.intervals).toEqual([
      { from: 30, to: 50, class: "exact" },
      { from: 51, to: 79, class: "gap", reason: "first" },
      { from: 80, to: 80, class: "exact" },
    ]);
  });

  test("a gap without an instant inside leaves no interval", () => {
    expect(built(copying(10), live(30), gap(50), live(51), { reach: 60 }).intervals).toEqual([
      { from: 30, to: 50, class: "exact" },
      { from: 51, to: 60, class: "exact" },
    ]);
  });

  test("a gap before the table was ever exact is none", () => {
    expect(built(copying(10), gap(20), copying(25), live(30), { reach: 40 }).intervals).toEqual([
      { from: 30, to: 40, class: "exact" },
    ]);
  });

  test("a gap that began before the exactness leaves nothing of it, nor of what lies after", () => {
    expect(built(copying(10), live(30), gap(25)).intervals).toEqual([]);
    const before = [copying(10), live(30), gap(50), live(51)];
    expect(built(...before, gap(40)).intervals).toEqual([{ from: 30, to: 40, class: "exact" }]);
  });

  test("the end of a writer is a gap from its last proof on", () => {
    const ended = built(copying(10), live(30), { end: 50 });
    expect(ended).toMatchObject({ state: "gap", frontier: 50 });
    expect(ended.intervals).toEqual([{ from: 30, to: 50, class: "exact" }]);
    const again = built(copying(10), live(30), { end: 50 }, resyncing(100), live(120), {
      reach: 130,
    });
    expect(again.intervals).toEqual([
      { from: 30, to: 50, class: "exact" },
      { from: 51, to: 119, class: "gap", reason: "capture was not running" },
      { from: 120, to: 130, class: "exact" },
    ]);
  });

  test("a writer that ended within a gap does not move its begin", () => {
    const coverage = built(copying(10), live(30), gap(50), { end: 70 }, resyncing(100), live(120));
    expect(coverage.intervals[1]).toEqual({ from: 51, to: 119, class: "gap", reason: "lost" });
  });

  test("two writers that ended one after the other leave one gap", () => {
    const coverage = built(
      copying(10),
      live(30),
      { end: 50 },
      { end: 90 },
      resyncing(100),
      live(120),
    );
    expect(coverage.intervals[1]).toMatchObject({ from: 51, to: 119, class: "gap" });
  });

  test("a later writer's frontier says nothing of a table that it does not watch", () => {
    expect(built(copying(10), live(30), { end: 50 }, { reach: 500 })).toMatchObject({
      frontier: 50,
      intervals: [{ from: 30, to: 50, class: "exact" }],
    });
  });

  test("a dropped table is exact up to its drop, and stays dropped", () => {
    const coverage = built(copying(10), live(30), dropped(60), { end: 70 }, { reach: 500 });
    expect(coverage).toEqual({
      table,
      state: "dropped",
      frontier: undefined,
      lastCopy: 30,
      intervals: [{ from: 30, to: 60, class: "exact" }],
    });
  });

  test("a gap that the drop ended is not resynced: nobody knows how it went", () => {
    expect(built(copying(10), live(30), gap(50), dropped(60)).intervals).toEqual([
      { from: 30, to: 50, class: "exact" },
      { from: 51, to: 59, class: "unwatched", reason: "lost" },
    ]);
  });

  describe("of a table that a defect has stopped", () => {
    const before = [copying(10), live(30), stopped(50, "odd")];

    test("nothing is claimed after its last proof, and why is known", () => {
      expect(built(...before, { reach: 90 })).toMatchObject({
        state: "stopped",
        stopped: { since: 50, reason: "odd" },
        frontier: 50,
        intervals: [{ from: 30, to: 50, class: "exact" }],
      });
    });

    test("the instant is that of the first stop, and the reason that of the last, until it is live", () => {
      const tried = [...before, resyncing(60), stopped(65, "odder")];
      expect(built(...tried)).toMatchObject({ stopped: { since: 50, reason: "odder" } });
      const again = built(...tried, resyncing(70), { reach: 75 });
      expect(again).toMatchObject({ state: "resyncing", stopped: { since: 50, reason: "odder" } });
      const healed = built(...tried, resyncing(70), live(80), { reach: 90 });
      expect(healed).toMatchObject({ state: "live", stopped: undefined });
      expect(healed.intervals[1]).toEqual({ from: 51, to: 79, class: "gap", reason: "odd" });
    });

    test("that was never exact, there is no gap, but why is known", () => {
      expect(built(copying(10), stopped(20, "odd"), { reach: 90 })).toMatchObject({
        state: "stopped",
        stopped: { since: 20, reason: "odd" },
        frontier: undefined,
        intervals: [],
      });
    });

    test("a gap that was open goes on, with its first instant and reason", () => {
      const coverage = built(copying(10), live(30), gap(50), stopped(60, "odd"), live(80));
      expect(coverage.intervals[1]).toEqual({ from: 51, to: 79, class: "gap", reason: "lost" });
    });

    test("a new writer, and a drop, know nothing of the stop", () => {
      expect(built(...before, { end: 90 })).toMatchObject({ state: "gap", stopped: undefined });
      expect(built(...before, dropped(90))).toMatchObject({ state: "dropped", stopped: undefined });
    });

    test("what a folded segment begins with says so too", () => {
      const builder = new CoverageBuilder(table);
      for (const step of before) builder.apply(step as CoverageRecord);
      const opening = JSON.parse(JSON.stringify(builder.current(70))) as CoverageState;
      const { stopped: is, state } = builder.build();
      expect(new CoverageBuilder(table, opening).build()).toMatchObject({ state, stopped: is });
      expect(is).toEqual({ since: 50, reason: "odd" });
    });
  });

  test("building again changes nothing", () => {
    const builder = new CoverageBuilder(table);
    builder.apply({ state: "live", since: 5 });
    builder.reach(9);
    expect(builder.build()).toEqual(builder.build());
    builder.reach(12);
    expect(builder.build().frontier).toBe(12);
  });
});

describe("intervalAt", () => {
  const coverage = built(copying(10), live(30), gap(50), resyncing(60), live(80), { reach: 95 });

  test.each([
    [29, undefined],
    [30, "exact"],
    [50, "exact"],
    [51, "gap"],
    [79, "gap"],
    [80, "exact"],
    [95, "exact"],
    [96, undefined],
  ])("at %i it is %s", (instant, of) => {
    expect(intervalAt(coverage, instant)?.class).toBe(of);
  });
});

describe("readCoverage", () => {
  async function copied(recording: Recording, id: string): Promise<number> {
    const since = recording.log.stamp().time;
    recording.coverage(id, { state: "copying", since });
    const base = await recording.copy(id, [["a", { id: "a" }]]);
    const instant = await recording.tick(100);
    await base.finish(instant, since - 1);
    recording.coverage(id, { state: "live", since: instant });
    return instant;
  }

  test("of an empty repository is empty", async () => {
    const { store } = await makeRepository();
    expect(await readCoverage(store)).toEqual(new Map());
  });

  test("takes the frontier from the last segment, and that of laggards from its list", async () => {
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, new StillClock(1000));
    const first = await copied(recording, table);
    const second = await copied(recording, other);
    await recording.tick(100, { frontier: 1150 });
    await recording.tick(100, { frontier: second + 50, lagging: { [other]: second + 20 } });
    const coverage = await readCoverage(repository.store);
    expect(coverage.get(table)?.intervals).toEqual([
      { from: first, to: second + 50, class: "exact" },
    ]);
    expect(coverage.get(other)?.intervals).toEqual([
      { from: second, to: second + 20, class: "exact" },
    ]);
  });

  test("ends at the last segment of a writer that died without a word, and goes on with the next", async () => {
    const repository = await makeRepository();
    const clock = new StillClock(1000);
    const recording = await Recording.begin(repository, clock);
    const from = await copied(recording, table);
    const proven = await recording.tick(100);
    await recording.tick(100, { frontier: proven });
    clock.instant += 10_000;
    const next = await Recording.begin(repository, clock);
    next.coverage(table, { state: "resyncing", since: clock.instant });
    const before = await next.tick(100);
    expect((await readCoverage(repository.store)).get(table)).toMatchObject({
      state: "resyncing",
      frontier: proven,
      intervals: [{ from, to: proven, class: "exact" }],
    });
    next.coverage(table, { state: "live", since: before });
    const to = await next.tick(100);
    expect((await readCoverage(repository.store)).get(table)?.intervals).toEqual([
      { from, to: proven, class: "exact" },
      { from: proven + 1, to: before - 1, class: "gap", reason: "capture was not running" },
      { from: before, to, class: "exact" },
    ]);
  });

  test("a table that a later writer no longer watches stays as it was left", async () => {
    const repository = await makeRepository();
    const clock = new StillClock(1000);
    const recording = await Recording.begin(repository, clock);
    const from = await copied(recording, table);
    const to = await recording.tick(100);
    const next = await Recording.begin(repository, clock);
    await copied(next, other);
    await next.tick(100);
    expect((await readCoverage(repository.store)).get(table)).toMatchObject({
      state: "gap",
      frontier: to,
      intervals: [{ from, to, class: "exact" }],
    });
  });

  test("from a copy on, only its base or a later one will do: without it the table is damaged, not exact", async () => {
    const repository = await makeRepository();
    const { store } = repository;
    const clock = new StillClock(1000);
    const recording = await Recording.begin(repository, clock);
    const first = await copied(recording, table);
    const stopped = await recording.tick(100);
    clock.instant += 5000;
    const next = await Recording.begin(repository, clock);
    const second = await copied(next, table);
    const to = await next.tick(100);
    const exact = [
      { from: first, to: stopped, class: "exact" },
      { from: stopped + 1, to: second - 1, class: "gap", reason: "capture was not running" },
      { from: second, to, class: "exact" },
    ];
    expect((await readCoverage(store)).get(table)?.intervals).toEqual(exact);
    const manifests = (await namesIn(store)).filter((name) => name.endsWith("manifest.json"));
    const intervals = async (changes: Record<string, Buffer | undefined>) =>
      (await readCoverage(await copyOf(store, changes))).get(table)?.intervals;
    const missing = (at: number) =>
      `object bases/${table}/${String(at).padStart(15, "0")}-…/manifest.json is missing`;
    expect(await intervals({ [manifests[1]!]: undefined })).toEqual([
      ...exact.slice(0, 2),
      { from: second, to, class: "damaged", reason: missing(second) },
    ]);
    expect(await intervals({ [manifests[0]!]: undefined })).toEqual([
      { from: first, to: second - 1, class: "damaged", reason: missing(first) },
      exact[2],
    ]);
    expect(await intervals({ [manifests[1]!]: Buffer.from("{}") })).toMatchObject([
      ...exact.slice(0, 2),
      { class: "damaged", reason: expect.stringContaining(manifests[1]!) as string },
    ]);
    await foldUp(repository, to);
    expect(await intervals({ [manifests[1]!]: undefined })).toMatchObject([
      ...exact.slice(0, 2),
      { from: second, to: to - 1, class: "damaged" },
      { from: to, to, class: "exact" },
    ]);
  });

  test("says of the catalog and of access what it says of tables, and does not call them tables", async () => {
    const repository = await makeRepository();
    const { store } = repository;
    const clock = new StillClock(1000);
    const first = await Recording.begin(repository, clock);
    first.coverage("catalog", { state: "live", since: 1000 });
    first.coverage("access", { state: "live", since: 1005 });
    const late = { from: 1010, to: 4009, class: "late", lateMs: 3000 };
    first.coverage("catalog", { state: "late", since: 1010, to: 4009, lateMs: 3000 });
    const stopped = await first.tick(5000, { lagging: { access: 2000 } });
    clock.instant += 5000;
    const second = await Recording.begin(repository, clock);
    const again = clock.instant;
    second.coverage("catalog", { state: "live", since: again });
    const to = await second.tick();
    const { tables, catalog, access } = await readAllCoverage(store);
    expect([tables.size, (await readCoverage(store)).size]).toEqual([0, 0]);
    expect(catalog).toMatchObject({ frontier: to, lastCopy: undefined, watched: true });
    expect(catalog!.intervals).toMatchObject([
      { from: 1000, to: 1009, class: "exact" },
      late,
      { from: 4010, to: stopped, class: "exact" },
      { from: stopped + 1, to: again - 1, class: "gap", reason: "capture was not running" },
      { from: again, to, class: "exact" },
    ]);
    // The second epoch has not read it.
    expect(access).toMatchObject({ state: "gap", frontier: 2000, watched: false });
    expect(access!.intervals).toEqual([{ from: 1005, to: 2000, class: "exact" }]);
  });

  test("of a catalog that was never read says nothing", async () => {
    const { store } = await makeRepository();
    expect(await readAllCoverage(store)).toMatchObject({ catalog: undefined, access: undefined });
  });

  test("the catalog is damaged where the log is lost, and after it only if records were lost", async () => {
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, new StillClock(1000));
    recording.coverage("catalog", { state: "live", since: 1000 });
    const ends = [await recording.tick(), await recording.tick()];
    recording.catalog(["db", "d"], { id: "d", name: "shop" });
    for (let i = 0; i < 3; i += 1) ends.push(await recording.tick());
    const names = await namesIn(repository.store, "log/");
    const classes = async (missing: number) => {
      const store = await copyOf(repository.store, { [names[missing]!]: undefined });
      const { catalog } = await readAllCoverage(store);
      return catalog!.intervals.map(({ from, to, class: of }) => [from, to, of]);
    };
    const [, second, third, fourth, last] = ends as [number, number, number, number, number];
    expect(await classes(3)).toEqual([
      [1000, third, "exact"],
      [third + 1, fourth, "damaged"],
      [fourth + 1, last, "exact"],
    ]);
    expect(await classes(2)).toEqual([
      [1000, second, "exact"],
      [second + 1, last, "damaged"],
    ]);
  });

  test.each([
    [20_000, "capture was not running"],
    [60_000, "nothing could be proven of it, and then capture was not running"],
  ])(
    "of what was not proven for %i ms before its writer ended, the gap says so",
    async (ms, reason) => {
      const repository = await makeRepository();
      const clock = new StillClock(1000);
      const first = await Recording.begin(repository, clock);
      first.coverage("catalog", { state: "live", since: 1000 });
      const known = await first.tick();
      await first.tick(ms, { lagging: { catalog: known } });
      const second = await Recording.begin(repository, clock);
      const since = second.log.time;
      second.coverage("catalog", { state: "live", since });
      await second.tick();
      const gap = { from: known + 1, to: since - 1, class: "gap", reason };
      expect((await readAllCoverage(repository.store)).catalog!.intervals[1]).toEqual(gap);
    },
  );

  test("a claim's clock decides nothing: one that was set back for a moment costs no instant before it", async () => {
    const repository = await makeRepository();
    const clock = new StillClock(1_000_000);
    const first = await Recording.begin(repository, clock);
    const from = await copied(first, table);
    const to = await first.tick();
    const kept = clock.instant;
    clock.instant = 1000;
    const second = await Recording.begin(repository, clock);
    clock.instant = kept + 5000;
    second.coverage(table, { state: "resyncing", since: clock.instant });
    await second.tick();
    expect((await readCoverage(repository.store)).get(table)?.intervals).toEqual([
      { from, to, class: "exact" },
    ]);
  });
});

test("a table that the next writer has not opened yet is one that should be watched, unless it is left out", async () => {
  const cases: [patterns: { exclude?: string[] }, isExpected: boolean][] = [
    [{}, true],
    [{ exclude: ["shop.*"] }, false],
  ];
  for (const [patterns, isExpected] of cases) {
    const repository = await makeRepository();
    const clock = new StillClock(1000);
    const first = await Recording.begin(repository, clock);
    first.catalogRead();
    first.coverage(table, { state: "live", since: 1000 });
    await first.tick(5000);
    clock.instant += 5000;
    const owner = { host: "test", process: 2, isAlive: () => false, ...patterns };
    await claimEpoch(repository, clock, owner, true);
    await (await Recording.begin(repository, clock)).tick(1000);
    const coverage = (await readCoverage(repository.store)).get(table);
    expect(coverage).toMatchObject({ state: "gap" });
    expect(coverage!.watched).toBe(false);
    const atEnd = clock.instant;
    expect(capturedAt(coverage, atEnd)).toBe(isExpected);
  }
});
