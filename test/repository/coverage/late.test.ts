/** What was late stays late, or is lost: no fold, expiry, thinning or loss makes it exact. */
import { describe, expect, test } from "vitest";
import type { FoldLogOptions } from "../../../src/fold/fold-log.js";
import type { Repository } from "../../../src/format/description.js";
import type { Instant } from "../../../src/instant.js";
import { intervalAt, isExactAt, isWhole } from "../../../src/repository/coverage/coverage.js";
import { LogView } from "../../../src/repository/log/log-view.js";
import { nextExpiry, putExpiry } from "../../../src/repository/registers/expiry.js";
import type { ObjectStore } from "../../../src/storage/object-store.js";
import { Random } from "../../simulated/random.js";
import { foldLog, readAllCoverage, readCoverage } from "../looks.js";
import { copyOf, foldUp, makeRepository, namesIn, Recording, StillClock } from "../recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const minuteMs = 60_000;

interface World {
  repository: Repository;
  clock: StillClock;
  from: Instant;
  to: Instant;
}

/** One table, proven about every second, now and then late; each record comes some ticks after what it is about. */
async function makeWorld(random: Random, minutes = 60): Promise<World> {
  const clock = new StillClock(Date.UTC(2026, 10, 21, 10));
  const repository = await makeRepository();
  const recording = await Recording.begin(repository, clock);
  const since = clock.instant;
  recording.coverage("catalog", { state: "live", since });
  recording.coverage(table, { state: "copying", since });
  const base = await recording.copy(table, [["a", { id: "a" }]]);
  const from = await recording.tick(100);
  await base.finish(from, since - 1);
  recording.coverage(table, { state: "live", since: from });
  let proven = await recording.tick(100);
  const until = clock.instant + minutes * minuteMs;
  while (clock.instant < until) {
    const isLate = random.below(4) === 0;
    for (let ticks = isLate ? 1 + random.below(4) : 0; ticks > 0; ticks -= 1) {
      recording.put(table, random.below(9), { id: random.below(1000) });
      await recording.tick(5000 + random.below(20_000), { frontier: proven });
    }
    if (isLate) {
      const [since, to] = [proven + 1, clock.instant];
      for (const id of random.below(2) === 0 ? [table] : [table, "catalog"]) {
        recording.coverage(id, { state: "late", since, to, lateMs: to - since });
      }
    }
    recording.put(table, random.below(9), { id: random.below(1000) });
    proven = clock.instant;
    await recording.tick(1000 + random.below(30_000), { frontier: proven });
    if (random.below(12) === 0) await foldUp(repository, proven, [table], { unique: `b${proven}` });
  }
  return { repository, clock, from, to: (await LogView.read(repository.store)).to! };
}

const folding = (now: Instant, extra: Partial<FoldLogOptions> = {}): FoldLogOptions => ({
  now,
  settleMs: 0,
  partial: true,
  unique: "u1",
  resolutionOf: () => 1,
  spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  pinned: [],
  ...extra,
});

/** Instants at which the table or the catalog is exact in `store`, but was not in the whole repository. */
async function wronglyExact(
  whole: ObjectStore,
  store: ObjectStore,
  { from, to }: World,
): Promise<Instant[]> {
  const [before, after] = [await readAllCoverage(whole), await readAllCoverage(store)];
  const pairs = [
    [before.tables.get(table), after.tables.get(table)],
    [before.catalog, after.catalog],
  ];
  const wrong: Instant[] = [];
  for (const [was, is] of pairs) {
    if (!was || !is) continue;
    const bounds = [...was.intervals, ...is.intervals].flatMap((of) => [of.from, of.to]);
    for (const at of new Set(bounds)) {
      const isMore = isExactAt(intervalAt(is, at), at) && !isExactAt(intervalAt(was, at), at);
      if (isMore && at >= from && at <= to) wrong.push(at);
    }
  }
  return wrong;
}

const lateOf = async (store: ObjectStore) =>
  (await readCoverage(store)).get(table)!.intervals.filter((one) => one.class === "late");

describe.each([1, 2, 3])("seed %i", (seed) => {
  test("folding and merging change nothing", async () => {
    const world = await makeWorld(new Random(seed));
    const { store } = world.repository;
    const before = await readAllCoverage(store);
    expect((await lateOf(store)).length).toBeGreaterThan(10);
    const partly = world.from + 25 * minuteMs;
    await foldLog(world.repository, folding(partly, { partial: false }));
    expect(await readAllCoverage(store)).toEqual(before);
    await foldLog(world.repository, folding(world.clock.instant + 100 * minuteMs));
    expect(await readAllCoverage(store)).toEqual(before);
    const segments = await namesIn(store, "log/");
    const alone = await copyOf(
      store,
      Object.fromEntries(segments.map((name) => [name, undefined])),
    );
    expect(await readAllCoverage(alone)).toEqual(before);
  });

  test("whatever is lost, nothing late becomes exact", async () => {
    const world = await makeWorld(new Random(seed));
    const { store } = world.repository;
    const whole = await copyOf(store);
    await foldLog(world.repository, folding(world.from + 40 * minuteMs, { partial: false }));
    const folded = (await namesIn(store, "folded/")).filter((name) =>
      name.endsWith("manifest.json"),
    );
    const segments = await namesIn(store, "log/");
    expect(folded.length).toBeGreaterThan(2);
    const random = new Random(seed);
    const isStoodFor = new Set(
      segments.filter((name) => Number(name.slice(13, 28)) < world.from + 30 * minuteMs),
    );
    for (let round = 0; round < 40; round += 1) {
      const lost = new Set(isStoodFor);
      lost.add(folded[random.below(folded.length)]!);
      for (let i = random.below(3); i > 0; i -= 1)
        lost.add(segments[random.below(segments.length)]!);
      const names = Object.fromEntries([...lost].map((name) => [name, undefined]));
      expect(await wronglyExact(whole, await copyOf(store, names), world)).toEqual([]);
    }
    for (const name of segments) {
      const without = await copyOf(whole, { [name]: undefined });
      expect(await wronglyExact(whole, without, world)).toEqual([]);
    }
  });

  test("whatever is expired, what is left is as it was", async () => {
    const world = await makeWorld(new Random(seed));
    const { store } = world.repository;
    const whole = await copyOf(store);
    const now = world.clock.instant + 100 * minuteMs;
    await foldLog(world.repository, folding(now, { spanMaxMs: () => 0 }));
    const all = (await readCoverage(store)).get(table)!.intervals;
    const { pieces } = await LogView.read(store);
    for (const piece of pieces.slice(1)) {
      const left = await copyOf(store);
      const logTo = piece.from - 1;
      await putExpiry(left, {
        ...nextExpiry(undefined, now),
        logTo,
        cuts: [{ to: logTo, at: now }],
      });
      for (const name of await namesIn(left)) {
        const isBefore = pieces.some(
          (one) => one.to <= logTo && name.startsWith(one.name.replace("manifest.json", "")),
        );
        if (isBefore || name.startsWith("log/")) await left.delete(name);
      }
      expect(await wronglyExact(whole, left, world)).toEqual([]);
      const kept = (await readCoverage(left)).get(table)!.intervals;
      const was = all
        .filter(({ to }) => to >= piece.from)
        .map((one) => ({ ...one, from: Math.max(one.from, piece.from) }));
      const isSame = kept
        .filter(isWhole)
        .every(
          (one) =>
            was.some(
              (of) => of.from === one.from && of.class === one.class && of.lateMs === one.lateMs,
            ) || one.from > piece.from,
        );
      expect(isSame).toBe(true);
    }
  });

  test("thinning leaves what is late late, and to be had only where it is kept", async () => {
    const world = await makeWorld(new Random(seed));
    const { store } = world.repository;
    const whole = await copyOf(store);
    const now = world.clock.instant + 100 * minuteMs;
    await foldLog(world.repository, folding(now, { resolutionOf: () => 10_000 }));
    expect(await wronglyExact(whole, store, world)).toEqual([]);
    const late = await lateOf(store);
    expect(late.length).toBeGreaterThan(10);
    expect(late.every(({ resolutionMs }) => resolutionMs === 10_000)).toBe(true);
  });
});
