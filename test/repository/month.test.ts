/** Weeks of history under tiers, pins and daily maintenance: what is restorable is what was declared, and no byte else. */
import { describe, expect, test } from "vitest";
import type { Instant } from "../../src/instant.js";
import {
  intervalAt,
  isExactAt,
  type TableCoverage,
} from "../../src/repository/coverage/coverage.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { Random } from "../simulated/random.js";
import { type Declared, dayMs, declaredOf } from "./declared.js";
import { readCoverage, readStatus } from "./looks.js";
import { Month, tables } from "./month.js";
import { restoredAt } from "./recording.js";

const keep = "all:3d, 1m:10d, 1h:30d";
const tiers = [
  { resolutionMs: 1, days: 3 },
  { resolutionMs: 60_000, days: 10 },
  { resolutionMs: 3_600_000, days: 30 },
];

/** More with MONTH_SEEDS. */
const seeds = Number(process.env["MONTH_SEEDS"] ?? 1);

/** Where coverage and declaration differ, in words. */
function differences(of: TableCoverage, month: Month): string[] {
  const pinned = [...month.pins.values()];
  const declared = declaredOf(tiers, month.ticks, month.maintained, pinned);
  const held = pinned.filter((pin) => month.everPinned.has(pin));
  const wrong: string[] = [];
  for (const stretch of month.watched.get(of.table)!) {
    for (const part of declared) {
      const from = Math.max(stretch.from, part.from);
      const to = Math.min(stretch.to, part.to);
      if (from > to) continue;
      wrong.push(...differencesIn(of, { ...part, from, to }, held));
    }
  }
  for (const interval of of.intervals.filter((one) => one.class === "exact")) {
    const inside = month.watched
      .get(of.table)!
      .some(({ from, to }) => from <= interval.from && interval.to <= to);
    if (!inside) wrong.push(`${JSON.stringify(interval)} was not watched`);
    const never = interval.kept?.find((at) => !month.everPinned.has(at));
    if (never !== undefined) wrong.push(`${never} is kept, and was never pinned`);
    const first = declared[0]!.from;
    if (interval.from < first)
      wrong.push(`${JSON.stringify(interval)} is not kept before ${first}`);
  }
  return wrong;
}

function differencesIn(
  { intervals }: TableCoverage,
  { from, to, resolutionMs }: Declared,
  pinned: Instant[],
): string[] {
  const what = `${from} to ${to} by ${resolutionMs}`;
  const wrong: string[] = [];
  let at = from;
  for (const interval of intervals) {
    if (interval.class !== "exact" || interval.to < from || interval.from > to) continue;
    if (interval.from > at) wrong.push(`${what}: nothing from ${at} to ${interval.from}`);
    at = interval.to + 1;
    const fine = interval.resolutionMs ?? 1;
    const begin = Math.max(from, interval.from);
    const end = Math.min(to, interval.to);
    if (resolutionMs === "pins") {
      for (let probe = begin; probe <= end; probe += 1 + Math.floor((end - begin) / 100)) {
        if (isExactAt(interval, probe) && !pinned.includes(probe)) {
          wrong.push(`${what}: ${probe} is called exact, by ${fine}`);
        }
      }
    } else if (fine !== resolutionMs) wrong.push(`${what}: kept by ${fine}`);
    for (const pin of pinned.filter((one) => begin <= one && one <= end)) {
      if (!isExactAt(interval, pin)) wrong.push(`${what}: the pin ${pin} is lost`);
    }
  }
  if (at <= to && resolutionMs !== "pins") wrong.push(`${what}: nothing from ${at}`);
  return wrong;
}

describe("a month of history", () => {
  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`keeps exactly what is declared, seed ${seed}`, { timeout: 120_000 }, async () => {
      const random = new Random(seed);
      const month = await Month.begin(random, keep);
      const begin = month.clock.instant;
      const sizes: { objects: number; bytes: number }[] = [];
      let [restores, again, counted] = [0, 0, 0];
      /** Some of what was restored before. */
      const restored: { table: string; at: Instant; documents: string }[] = [];
      for (let day = 0; day < 45; day += 1) {
        const end = begin + (day + 1) * dayMs;
        const runs = 1 + random.below(3);
        for (let run = 1; run <= runs; run += 1) {
          await month.workUntil(end - ((runs - run) * dayMs) / runs);
          const until = month.clock.instant;
          await month.maintain(random.below(2) === 0 ? { bases: () => ({ until }) } : {});
        }
        if (random.below(4) === 0) {
          month.stopWriter(random.below(7_200_000));
          await month.startWriter();
        }
        const view = await LogView.read(month.store);
        const coverage = await readCoverage(view);
        for (const table of tables) {
          const of = coverage.get(table)!;
          expect(differences(of, month).slice(0, 5), `day ${day}, ${table}`).toEqual([]);
          for (const at of someExact(of, month, random)) {
            const documents = await restoredAt(view, table, at);
            expect(documents, `day ${day}, ${table} at ${at}`).toEqual(month.history.at(table, at));
            restored[random.below(60)] = { table, at, documents: documents.join("\n") };
            restores += 1;
          }
        }
        for (const { id, documents, documentsExact } of (await readStatus(month.repository))
          .tables) {
          if (!documentsExact) continue;
          const now = month.history.at(id, Number.MAX_SAFE_INTEGER);
          expect(documents, `day ${day}, documents of ${id}`).toBe(now.length);
          counted += 1;
        }
        for (const { table, at, documents } of restored.filter(() => random.below(3) === 0)) {
          if (!isExactAt(intervalAt(coverage.get(table)!, at), at)) continue;
          expect((await restoredAt(view, table, at)).join("\n")).toBe(documents);
          again += 1;
        }
        await changePins(month, coverage, random);
        sizes.push(await sizeOf(month));
      }
      expect(restores).toBeGreaterThan(700);
      expect(again).toBeGreaterThan(400);
      expect(counted).toBeGreaterThan(20);
      // Where nothing is written any more, what is stored is what is kept: a piece per day, its bases, and small facts.
      const settled = await settle(month);
      expect(settled.objects).toBeLessThan(400);
      expect(settled.bytes).toBeLessThan(Math.max(...sizes.map(({ bytes }) => bytes)));
      const late = sizes.slice(-10).map(({ objects }) => objects);
      const early = sizes.slice(10, 20).map(({ objects }) => objects);
      expect(Math.max(...late)).toBeLessThan(2 * Math.max(...early));
    });
  }
});

/** What is left when everything has been folded, replaced and swept. */
async function settle(month: Month) {
  for (let run = 0; run < 2; run += 1) {
    month.stopWriter(3_600_000);
    await month.maintain({ partial: true });
  }
  return sizeOf(month);
}

/** All pins, and some instants of random intervals: their ends, and what the grid has between. */
function someExact(of: TableCoverage, month: Month, random: Random): Instant[] {
  const exact = of.intervals.filter((one) => one.class === "exact");
  const found: Instant[] = [...month.pins.values()];
  for (let i = 0; i < 3; i += 1) {
    const { from, to, resolutionMs = 1 } = exact[random.below(exact.length)]!;
    const at = from + random.below(to - from + 1);
    found.push(at - ((at + 1) % resolutionMs), i === 0 ? from : to);
  }
  return found.filter((at) => isExactAt(intervalAt(of, at), at));
}

async function changePins(
  month: Month,
  coverage: Map<string, TableCoverage>,
  random: Random,
): Promise<void> {
  if (random.below(3) === 0) {
    const exact = coverage.get(tables[0]!)!.intervals.filter((one) => one.class === "exact");
    const { from, to, resolutionMs = 1 } = exact[random.below(exact.length)]!;
    const at = from + random.below(to - from + 1);
    const instant = random.below(4) === 0 ? at : at - ((at + 1) % resolutionMs);
    const isExact = (instant + 1) % resolutionMs === 0;
    if (instant >= from) await month.pin(instant, isExact);
  }
  if (month.pins.size > 3 && random.below(3) === 0) {
    const names = [...month.pins.keys()];
    await month.unpin(names[random.below(names.length)]!);
  }
}

async function sizeOf({ store }: Month) {
  let [objects, bytes] = [0, 0];
  for await (const { size } of store.list("")) {
    objects += 1;
    bytes += size;
  }
  return { objects, bytes };
}
