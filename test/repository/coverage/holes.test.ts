/** What is lost of a log is never claimed, what is not lost stays usable, and folding changes neither. */
import { expect, test } from "vitest";
import type { FoldLogOptions } from "../../../src/fold/fold-log.js";
import { parseFoldedName, parseSegmentName } from "../../../src/format/names.js";
import type { Instant } from "../../../src/instant.js";
import type { TableCoverage } from "../../../src/repository/coverage/coverage.js";
import { openSegment } from "../../../src/repository/log/log.js";
import { LogView } from "../../../src/repository/log/log-view.js";
import { parseKeep } from "../../../src/repository/registers/keep-policy.js";
import type { ObjectStore } from "../../../src/storage/object-store.js";
import { firstWanted, publishExpiry } from "../../../src/upkeep/expire.js";
import { sweep } from "../../../src/upkeep/sweep.js";
import { Random } from "../../simulated/random.js";
import { dayMs } from "../declared.js";
import { catalogAt, foldLog, planExpiry, planSweep, readCoverage } from "../looks.js";
import { Month } from "../month.js";
import { copyOf, foldUp, namesIn, restoredAt } from "../recording.js";

const folding = (now: Instant): FoldLogOptions => ({
  now,
  settleMs: 60_000,
  partial: true,
  unique: `u${now}`,
  resolutionOf: () => 1,
  spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  pinned: [],
});

/** More with HOLE_SEEDS. */
const seeds = Number(process.env["HOLE_SEEDS"] ?? 4);

async function someDays(random: Random): Promise<Month> {
  const month = await Month.begin(random, "all:30d");
  const begin = month.clock.instant;
  for (let part = 1; part <= 6; part += 1) {
    await month.workUntil(begin + (part * dayMs) / 4);
    if (part % 2 === 0)
      await foldUp(month.repository, month.clock.instant, undefined, { unique: `b${part}` });
    if (part === 3) {
      month.stopWriter(random.below(3_600_000));
      await month.startWriter();
    }
  }
  return month;
}

/** Loses one to three stretches of up to four objects. */
async function losing(
  store: ObjectStore,
  names: string[],
  telling: number[],
  random: Random,
): Promise<ObjectStore> {
  const lost: Record<string, undefined> = {};
  for (let i = random.below(3); i >= 0; i -= 1) {
    const isTelling = telling.length > 0 && random.below(2) === 0;
    const at = isTelling ? telling[random.below(telling.length)]! : random.below(names.length);
    for (const name of names.slice(at, at + 1 + random.below(4))) lost[name] = undefined;
  }
  return copyOf(store, lost);
}

/** The places of the segments that hold records of catalog or coverage. */
async function tellingOf(store: ObjectStore, names: string[]): Promise<number[]> {
  const telling: number[] = [];
  for (const [i, name] of names.entries()) {
    const { frames } = (await openSegment(store, name)).index;
    if (frames.some(({ table }) => table === "catalog" || table === "coverage")) telling.push(i);
  }
  return telling;
}

/** Claims of exactness are true: the table was watched then, and is restored as it was. */
async function holdTrue(store: ObjectStore, month: Month, random: Random, what: string) {
  let checked = 0;
  for (const of of (await readCoverage(store)).values()) {
    const watched = month.watched.get(of.table)!;
    for (const { from, to, class: claim } of of.intervals) {
      if (claim !== "exact") continue;
      const inside = watched.some((one) => one.from <= from && to <= one.to);
      expect(inside, `${what}: ${of.table} is called exact from ${from} to ${to}`).toBe(true);
      for (const at of [from, to, from + random.below(to - from + 1)]) {
        const restored = await restoredAt(store, of.table, at);
        expect(restored, `${what}: ${of.table} at ${at}`).toEqual(month.history.at(of.table, at));
        checked += 1;
      }
    }
  }
  return checked;
}

const sorted = (coverage: Map<string, TableCoverage>) =>
  [...coverage.values()].sort((a, b) => (a.table < b.table ? -1 : 1));

/**
 * The catalog at some instants; where it is lost, "damaged"; and after the log's end too: what is missing there cannot
 * be seen.
 */
async function catalogs(store: ObjectStore, month: Month): Promise<unknown[]> {
  const read: unknown[] = [];
  const end = (await LogView.read(store)).to!;
  for (let i = 0; i < 20; i += 1) {
    const { to } = month.ticks[Math.floor(((month.ticks.length - 1) * i) / 19)]!;
    if (to > end) {
      read.push("damaged");
      continue;
    }
    try {
      read.push([...(await catalogAt(store, to)).records].sort(([a], [b]) => (a < b ? -1 : 1)));
    } catch (error) {
      expect(error).toMatchObject({ code: "damaged" });
      read.push("damaged");
    }
  }
  return read;
}

async function withoutInputs(store: ObjectStore, month: Month): Promise<ObjectStore> {
  const now = month.clock.instant + 10 * dayMs;
  const swept = await planSweep(
    { ...month.repository, store },
    { now, aged: now, graceMs: 0, holdsBegan: [] },
  );
  return copyOf(store, Object.fromEntries(swept.map(({ name }) => [name, undefined])));
}

/** Expires what tiers do not keep, of a copy; what they keep is claimed as before, and true. */
async function expireSome(store: ObjectStore, month: Month, random: Random): Promise<void> {
  const left = await copyOf(store);
  const repository = { ...month.repository, store: left };
  const before = await readCoverage(left);
  const days = random.below(3);
  // Of what is old, few bases stay.
  const now = month.clock.instant + (days === 0 ? 20 * dayMs : 3_600_000);
  const tiers = days === 0 ? undefined : parseKeep(`all:${days}d`);
  const plan = await planExpiry(repository, { now, aged: now, tiers, pins: [] });
  await publishExpiry(repository, plan);
  const from = firstWanted({ aged: now, tiers, pins: [] }) ?? 0;
  const kept = (of: TableCoverage) => of.intervals.filter(({ to }) => to >= from);
  for (const [table, of] of await readCoverage(left)) {
    for (const [i, interval] of kept(before.get(table)!).entries()) {
      const begin = Math.max(interval.from, from);
      expect(of.intervals[i], `${table} from ${from}`).toEqual({ ...interval, from: begin });
    }
  }
  const swept = await planSweep(repository, {
    now: now + dayMs,
    aged: now,
    graceMs: 0,
    holdsBegan: [],
  });
  await sweep(repository, swept);
  await holdTrue(left, month, random, "expired");
}

for (let seed = 1; seed <= seeds; seed += 1) {
  test(`a log with holes, seed ${seed}`, { timeout: 120_000 }, async () => {
    const random = new Random(seed);
    const month = await someDays(random);
    const whole = await catalogs(month.store, month);
    const segments = (await namesIn(month.store, "log/")).filter((name) => parseSegmentName(name));
    const telling = await tellingOf(month.store, segments);
    expect(await holdTrue(month.store, month, random, "whole")).toBeGreaterThan(10);
    for (let round = 0; round < 3; round += 1) {
      const lossy = await losing(month.store, segments, telling, random);
      await holdTrue(lossy, month, random, "single segments");
      const coverage = sorted(await readCoverage(lossy));
      const known = await catalogs(lossy, month);
      for (const [i, one] of known.entries()) if (one !== "damaged") expect(one).toEqual(whole[i]);

      const now = month.clock.instant + 3_600_000;
      await foldLog({ ...month.repository, store: lossy }, folding(now));
      expect(sorted(await readCoverage(lossy))).toEqual(coverage);
      const alone = await withoutInputs(lossy, month);
      expect((await namesIn(alone, "log/")).length).toBeLessThan(2);
      expect(sorted(await readCoverage(alone))).toEqual(coverage);
      await holdTrue(alone, month, random, "folded");
      await expireSome(alone, month, random);
      for (const [i, one] of (await catalogs(alone, month)).entries()) {
        // Where a hole was, what was said in it is known again from the next folded segment on.
        if (one !== "damaged") expect(one).toEqual(whole[i]);
        else expect(known[i]).toBe("damaged");
      }
    }
    const now = month.clock.instant + 3_600_000;
    const store = await copyOf(month.store);
    await foldLog({ ...month.repository, store }, folding(now));
    const alone = await withoutInputs(store, month);
    for (let round = 0; round < 3; round += 1) {
      const manifests = (await namesIn(alone, "folded/")).filter((name) => parseFoldedName(name));
      expect(manifests.length).toBeGreaterThan(3);
      const lossy = await losing(alone, manifests, [], random);
      expect((await LogView.read(lossy)).holes().length).toBeGreaterThan(0);
      await holdTrue(lossy, month, random, "lost folded segments");
      for (const [i, one] of (await catalogs(lossy, month)).entries()) {
        if (one !== "damaged") expect(one).toEqual(whole[i]);
      }
    }
  });
}
