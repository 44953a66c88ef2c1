/** The rule of bursts: the same as counting everything by hand gives, in memory that does not grow with the log. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BurstSeconds,
  BurstSpans,
  type Span,
  SpanCounts,
} from "../../src/recovery/burst-counts.js";

const spanMs = 10_000;
const yearMs = 365 * 86_400_000;
const forever = Number.MAX_SAFE_INTEGER;

/** The rule as the docs state it, over all counts at once. */
function burstsByHand(counts: readonly number[]): Span[][] {
  const all = [...counts, ...Array<number>(Math.max(0, 360 - counts.length)).fill(0)];
  const usual = all.toSorted((a, b) => b - a)[Math.floor(all.length * (1 - 0.9))] ?? 0;
  const bursts: Span[][] = [];
  for (const [span, count] of counts.entries()) {
    if (count < Math.max(100, 5 * usual)) continue;
    const last = bursts.at(-1);
    if (last && span - last.at(-1)! <= 2) last.push(span);
    else bursts.push([span]);
  }
  return bursts;
}

describe("the spans of bursts", () => {
  test("are those of the rule, in whichever order the spans are added", () => {
    const count = fc.oneof(fc.constant(0), fc.nat(30), fc.integer({ min: 90, max: 700 }));
    fc.assert(
      fc.property(fc.array(count, { maxLength: 600 }), fc.boolean(), (counts, backwards) => {
        const found = new BurstSpans(counts.length * spanMs);
        const spans = [...counts.entries()].filter(([, of]) => of > 0);
        for (const [span, of] of backwards ? spans.reverse() : spans) found.add(span, of);
        expect(found.bursts()).toEqual(burstsByHand(counts));
      }),
      { seed: 20261128, numRuns: 300 },
    );
  });

  test("of a year in which much happens all the time: few are kept, and the one burst is found", () => {
    const found = new BurstSpans(yearMs);
    const spans = yearMs / spanMs;
    let most = 0;
    for (let span = 0; span < spans; span += 1) {
      found.add(span, span === 2_000_000 ? 4000 : 300 + (span % 400));
      most = Math.max(most, found.kept);
    }
    expect(found.bursts()).toEqual([[2_000_000]]);
    // Before a tenth of the spans is there, nothing says yet what is usual.
    expect(most).toBeLessThan(spans / 10 + 10_000);
    expect(found.kept).toBe(1);
  });
});

describe("counts by spans", () => {
  test("are taken out by the hour, once nothing is added to it any more", () => {
    const counts = new SpanCounts();
    const hour = 3_600_000;
    for (const time of [hour - 1, 5, 7, hour, 2 * hour + spanMs]) counts.add(time);
    expect([...counts.takeBefore(hour - 1)]).toEqual([]);
    expect([...counts.takeBefore(hour)].sort(([a], [b]) => a - b)).toEqual([
      [0, 2],
      [359, 1],
    ]);
    const others = new SpanCounts();
    for (const time of [hour, hour + spanMs]) others.add(time);
    counts.addAll(others);
    expect([...counts.takeBefore(forever)].sort(([a], [b]) => a - b)).toEqual([
      [360, 2],
      [361, 1],
      [721, 1],
    ]);
    expect([...counts.takeBefore(forever)]).toEqual([]);
  });
});

test("a burst begins in the first second with a tenth of the busiest one's changes, and ends with its last change", () => {
  const seconds = new BurstSeconds([5, 7]);
  const add = (time: number, count: number) => {
    for (let i = 0; i < count; i += 1) seconds.add(time + i);
  };
  add(51_000, 9);
  add(53_500, 10);
  add(58_000, 100);
  add(61_000, 500);
  add(79_100, 30);
  expect(seconds.burst()).toEqual({ from: 53_500, to: 79_129, count: 140, own: new Map() });
  expect(new BurstSeconds([1]).burst()).toBeUndefined();
});

test("of the changes from a burst's begin on it is counted who has written them", () => {
  const seconds = new BurstSeconds([5]);
  seconds.add(51_000, "undo-7f3a1b2c");
  for (let i = 0; i < 100; i += 1) seconds.add(53_000 + i, i < 60 ? "undo-7f3a1b2c" : undefined);
  seconds.add(54_000, "rewind-00000001");
  const own = new Map(Object.entries({ "undo-7f3a1b2c": 60, "rewind-00000001": 1 }));
  expect(seconds.burst()).toEqual({ from: 53_000, to: 54_000, count: 101, own });
});
