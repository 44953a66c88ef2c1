import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../../src/errors.js";
import {
  formatKeep,
  gridAfter,
  gridAtOrBefore,
  isOnGrid,
  type KeepTier,
  parseKeep,
  resolutionAt,
} from "../../../src/repository/registers/keep-policy.js";

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
const at = (iso: string) => Date.parse(iso);

/** Resolutions that divide a day or are whole days. */
const resolution = fc.constantFrom(
  ...[1, 2, 15, 30].map((n) => n * second),
  ...[1, 5, 90].map((n) => n * minute),
  ...[1, 6, 12].map((n) => n * hour),
  ...[1, 2, 7, 30].map((n) => n * day),
);
/** Valid tiers: ages rise, each resolution is a multiple of the one before. */
const tiers = fc
  .record({
    steps: fc.array(fc.record({ resolution, days: fc.integer({ min: 1, max: 400 }) }), {
      maxLength: 5,
    }),
    first: fc.integer({ min: 1, max: 400 }),
    forever: fc.boolean(),
  })
  .map(({ steps, first, forever }) => {
    const made: KeepTier[] = [{ resolutionMs: 1, ageMs: first * day }];
    for (const { resolution: resolutionMs, days } of steps) {
      const before = made.at(-1)!;
      const isMultiple = resolutionMs % before.resolutionMs === 0;
      if (resolutionMs === before.resolutionMs || !isMultiple) continue;
      made.push({ resolutionMs, ageMs: before.ageMs + days * day });
    }
    if (forever) made.at(-1)!.ageMs = Number.POSITIVE_INFINITY;
    return made;
  });
const instant = fc.integer({ min: 0, max: at("2100-01-01T00:00:00Z") });
/** Tiers, and an age: any, or one near that at which a tier ends. */
const aged = tiers.chain((declared) => {
  const ends = declared.map(({ ageMs }) => ageMs).filter((ms) => Number.isFinite(ms));
  const near = fc
    .constantFrom(0, ...ends)
    .chain((end) => fc.integer({ min: end - 2 * day, max: end + 2 * day }));
  const any = fc.integer({ min: -2 * day, max: 3000 * day });
  return fc.record({ declared: fc.constant(declared), old: fc.oneof(any, near), more: near });
});

describe("parseKeep reads", () => {
  test.each([
    [
      "all:7d, 1m:30d, 1d:365d",
      [
        [1, 7],
        [minute, 30],
        [day, 365],
      ],
    ],
    [
      "all:7d,1m:30d,1d:365d",
      [
        [1, 7],
        [minute, 30],
        [day, 365],
      ],
    ],
    [" all : 1d ", [[1, 1]]],
    ["all:forever", [[1, Number.POSITIVE_INFINITY]]],
    [
      "all:24h, 90s:1w, 90m:1y",
      [
        [1, 1],
        [90 * second, 7],
        [90 * minute, 365],
      ],
    ],
    [
      "all:2w, 1d:1y, 2d:forever",
      [
        [1, 14],
        [day, 365],
        [2 * day, Number.POSITIVE_INFINITY],
      ],
    ],
    [
      "all:1d, 1s:2d, 86400s:3d, 1w:4d",
      [
        [1, 1],
        [second, 2],
        [day, 3],
        [7 * day, 4],
      ],
    ],
  ])("%j", (text, expected) => {
    const made = expected.map(([resolutionMs, days]) => ({ resolutionMs, ageMs: days! * day }));
    expect(parseKeep(text)).toEqual(made);
  });
});

describe("parseKeep refuses, and says why:", () => {
  test.each([
    ["", '"" is not a resolution and an age'],
    ["all", '"all" is not a resolution and an age'],
    ["all:", '"all:" is not a resolution and an age'],
    [":7d", '":7d" is not a resolution and an age'],
    ["all:7d:1m", '"all:7d:1m" is not a resolution and an age'],
    ["all:7d,", '"" is not a resolution and an age'],
    ["1m:30d", 'the first tier is "1m:30d", but has to be all:<age>'],
    ["all:7d, all:8d", 'the resolution of "all:8d" is not a multiple'],
    ["all:7", '"7" is not an age'],
    ["all:7D", '"7D" is not an age'],
    ["all:-7d", '"-7d" is not an age'],
    ["all:1.5d", '"1.5d" is not an age'],
    ["all:1d12h", '"1d12h" is not an age'],
    ["all:99999y", '"99999y" is not an age'],
    ["all:9999999d", '"9999999d" is not an age'],
    ["all:7 d", '"7 d" is not an age'],
    ["all:never", '"never" is not an age'],
    ["all:0d", "the age 0d is not whole days, 1d or more"],
    ["all:23h", "the age 23h is not whole days, 1d or more"],
    ["all:36h", "the age 36h is not whole days, 1d or more"],
    ["all:7d, 1x:30d", '"1x" is not a resolution'],
    ["all:7d, 500ms:30d", '"500ms" is not a resolution'],
    ["all:7d, 0s:30d", "the resolution 0s neither divides a day"],
    ["all:7d, 7m:30d", "the resolution 7m neither divides a day"],
    ["all:7d, 36h:30d", "the resolution 36h neither divides a day"],
    ["all:7d, 1m:7d", 'the age of "1m:7d" is not above'],
    ["all:7d, 1m:6d", 'the age of "1m:6d" is not above'],
    ["all:7d, 1h:30d, 1m:60d", 'the resolution of "1m:60d" is not a multiple'],
    ["all:7d, 1h:30d, 1h:60d", 'the resolution of "1h:60d" is not a multiple'],
    ["all:7d, 2h:30d, 3h:60d", 'the resolution of "3h:60d" is not a multiple'],
    ["all:7d, 2d:30d, 7d:60d", 'the resolution of "7d:60d" is not a multiple'],
    ["all:forever, 1d:365d", "nothing can come after forever"],
    ["all:7d, 1d:forever, 2d:forever", "nothing can come after forever"],
  ])("%j", (text, why) => {
    let thrown: unknown;
    try {
      parseKeep(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ThinkbackError);
    expect(thrown).toMatchObject({ code: "usage", message: `cannot keep "${text}"` });
    expect((thrown as ThinkbackError).hint).toContain(why);
    expect((thrown as ThinkbackError).hint).toContain("all:7d, 1m:30d, 1d:365d");
  });
});

describe("formatKeep", () => {
  test.each([
    ["all:7d, 1m:30d, 1d:365d", "all:7d, 1m:30d, 1d:365d"],
    ["all:1w,60s:4w,24h:1y", "all:7d, 1m:28d, 1d:365d"],
    ["all:24h, 90m:forever", "all:1d, 90m:forever"],
    ["all:999999d", "all:999999d"],
  ])("%j is %j", (text, formatted) => {
    expect(formatKeep(parseKeep(text))).toBe(formatted);
  });

  test("is read back as the same tiers", () => {
    fc.assert(
      fc.property(tiers, (made) => {
        expect(parseKeep(formatKeep(made))).toEqual(made);
      }),
    );
  });
});

describe("resolutionAt", () => {
  const made = parseKeep("all:7d, 1m:30d, 1d:365d");
  const now = at("2026-11-21T10:04:00Z");
  const of = (iso: string, tier = made) => resolutionAt(tier, { from: at(iso), to: at(iso) }, now);

  test("changes where the end of the day is older than the tier's age", () => {
    expect(of("2026-11-21T10:00:00Z")).toBe(1);
    expect(of("2026-11-22T10:00:00Z")).toBe(1);
    // Its end is 2026-11-15, 6 days and 10 hours ago.
    expect(of("2026-11-14T00:00:00.000Z")).toBe(1);
    expect(of("2026-11-13T23:59:59.999Z")).toBe(minute);
    expect(of("2026-10-22T00:00:00.000Z")).toBe(minute);
    expect(of("2026-10-21T23:59:59.999Z")).toBe(day);
    expect(of("2025-11-21T00:00:00.000Z")).toBe(day);
    expect(of("2025-11-20T23:59:59.999Z")).toBeUndefined();
    expect(of("2000-01-01T00:00:00.000Z", parseKeep("all:1d, 1h:forever"))).toBe(hour);
  });

  test("changes exactly after the end has the tier's age", () => {
    const span = { from: at("2026-11-13T00:00:00Z"), to: at("2026-11-13T00:00:00Z") };
    const end = at("2026-11-14T00:00:00Z");
    expect(resolutionAt(made, span, end + 7 * day)).toBe(1);
    expect(resolutionAt(made, span, end + 7 * day + 1)).toBe(minute);
    expect(resolutionAt(made, span, end + 365 * day)).toBe(day);
    expect(resolutionAt(made, span, end + 365 * day + 1)).toBeUndefined();
  });

  test("keeps every instant at least as long as declared, and at most a day longer", () => {
    fc.assert(
      fc.property(aged, instant, ({ declared, old }, of) => {
        const found = resolutionAt(declared, { from: of, to: of }, of + old) ?? Infinity;
        const wanted = (ms: number) =>
          declared.find(({ ageMs }) => ms <= ageMs)?.resolutionMs ?? Infinity;
        expect(found).toBeLessThanOrEqual(wanted(old));
        expect(found).toBeGreaterThanOrEqual(wanted(old - day));
      }),
    );
  });

  test("is one for all instants of a day; the last day of a span decides", () => {
    fc.assert(
      fc.property(
        aged,
        instant,
        fc.integer({ min: 0, max: day - 1 }),
        ({ declared, old }, of, ms) => {
          const midnight = Math.floor(of / day) * day;
          const found = resolutionAt(declared, { from: of, to: of }, of + old);
          const other = { from: midnight, to: midnight + ms };
          expect(resolutionAt(declared, other, of + old)).toBe(found);
          expect(resolutionAt(declared, { from: of - 9 * day, to: of }, of + old)).toBe(found);
        },
      ),
    );
  });

  test("never gets finer with age", () => {
    fc.assert(
      fc.property(aged, instant, ({ declared, old: a, more: b }, of) => {
        const [young, old] = [Math.min(a, b), Math.max(a, b)].map(
          (ms) => resolutionAt(declared, { from: of, to: of }, of + ms) ?? Infinity,
        );
        expect(young).toBeLessThanOrEqual(old!);
      }),
    );
  });
});

describe("the grid", () => {
  test("is the last milliseconds of buckets", () => {
    expect(isOnGrid(at("2026-11-21T10:04:59.999Z"), minute)).toBe(true);
    expect(isOnGrid(at("2026-11-21T10:05:00.000Z"), minute)).toBe(false);
    expect(isOnGrid(at("2026-11-21T23:59:59.999Z"), day)).toBe(true);
    const noon = at("2026-11-21T12:00:00Z");
    expect(gridAtOrBefore(noon, day)).toBe(at("2026-11-20T23:59:59.999Z"));
    expect(gridAfter(noon, day)).toBe(at("2026-11-21T23:59:59.999Z"));
    const end = at("2026-11-21T23:59:59.999Z");
    expect(gridAtOrBefore(end, hour)).toBe(end);
    expect(gridAfter(end, hour)).toBe(end + hour);
    expect(gridAfter(noon, 1)).toBe(noon + 1);
  });

  const grid = fc.oneof(fc.constant(1), resolution);

  test("holds an instant if and only if its successor begins a bucket", () => {
    fc.assert(
      fc.property(instant, grid, (of, ms) => {
        expect(isOnGrid(of, ms)).toBe((of + 1) % ms === 0);
        const begin = Math.floor(of / ms) * ms;
        expect(isOnGrid(begin + ms - 1, ms)).toBe(true);
      }),
    );
  });

  test("has neighbours of every instant, one bucket apart, and none between", () => {
    fc.assert(
      fc.property(instant, grid, (of, ms) => {
        const [before, after] = [gridAtOrBefore(of, ms), gridAfter(of, ms)];
        expect(before).toBeLessThanOrEqual(of);
        expect(after).toBeGreaterThan(of);
        expect(after - before).toBe(ms);
        expect(isOnGrid(before, ms) && isOnGrid(after, ms)).toBe(true);
        expect(gridAtOrBefore(after, ms)).toBe(after);
        expect(gridAtOrBefore(after - 1, ms)).toBe(before);
      }),
    );
  });

  test("of a tier holds that of the next one; every day ends on a grid that divides days", () => {
    fc.assert(
      fc.property(tiers, instant, (declared, of) => {
        for (const [i, { resolutionMs }] of declared.entries()) {
          const next = declared[i + 1]?.resolutionMs;
          if (next) expect(isOnGrid(gridAtOrBefore(of, next), resolutionMs)).toBe(true);
          const midnight = Math.floor(of / day) * day;
          if (resolutionMs <= day) expect(isOnGrid(midnight + day - 1, resolutionMs)).toBe(true);
        }
      }),
    );
  });
});
