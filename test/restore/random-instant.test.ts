import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CoverageInterval, TableCoverage } from "../../src/repository/coverage/coverage.js";
import { intervalAt } from "../../src/repository/coverage/coverage.js";
import { commonSpans, drawInstant, exactSpans } from "../../src/restore/random-instant.js";

function coverage(table: string, ...intervals: [number, number, CoverageInterval["class"]][]) {
  const all = intervals.map(([from, to, of]) => ({ from, to, class: of }));
  const frontier = all.findLast((one) => one.class === "exact")?.to;
  const rest = {
    state: "live" as const,
    watched: true,
    lastCopy: undefined,
    copies: [],
  };
  return { table, intervals: all, frontier, ...rest } satisfies TableCoverage;
}

describe("exactSpans", () => {
  test("of one table are its exact intervals", () => {
    const table = coverage("a", [10, 20, "exact"], [21, 30, "gap"], [31, 40, "exact"]);
    expect(exactSpans([table], false)).toEqual([
      { from: 10, to: 20 },
      { from: 31, to: 40 },
    ]);
  });

  test("leave out gaps of any table, and what lies behind the last proof of one that is watched", () => {
    const first = coverage("a", [10, 100, "exact"]);
    const second = coverage("b", [20, 39, "exact"], [40, 49, "unwatched"], [50, 60, "exact"]);
    expect(exactSpans([first, second], false)).toEqual([
      { from: 10, to: 39 },
      { from: 50, to: 60 },
    ]);
    const gone = { ...second, state: "dropped" as const };
    expect(exactSpans([first, gone], false)).toEqual([
      { from: 10, to: 39 },
      { from: 50, to: 100 },
    ]);
  });

  test("of all tables begin when the last one does", () => {
    const first = coverage("a", [10, 100, "exact"]);
    const second = coverage("b", [50, 90, "exact"]);
    expect(exactSpans([first, second], true)).toEqual([{ from: 50, to: 90 }]);
    expect(exactSpans([first, coverage("c")], true)).toEqual([]);
    expect(exactSpans([], false)).toEqual([]);
  });

  test("are what looking at each instant gives", () => {
    const lengths = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom("exact", "gap", "damaged")),
      { maxLength: 5 },
    );
    const table = fc.record({
      begin: fc.integer({ min: 0, max: 10 }),
      lengths,
      watched: fc.boolean(),
      state: fc.constantFrom("live", "gap", "dropped"),
    });
    fc.assert(
      fc.property(fc.array(table, { maxLength: 4 }), fc.boolean(), (specs, all) => {
        const tables = specs.map(({ begin, lengths: parts, watched, state }, i) => {
          let at = begin;
          const intervals = parts.map(([length, of]): [number, number, typeof of] => {
            at += length;
            return [at - length, at - 1, of];
          });
          return { ...coverage(String(i), ...intervals), watched, state } as TableCoverage;
        });
        const spans = exactSpans(tables, all);
        for (let at = 0; at < 40; at += 1) {
          const classes = tables.map((one) => {
            const last = one.intervals.at(-1)?.to ?? Infinity;
            const behind = at > last && one.watched && one.state !== "dropped";
            return intervalAt(one, at)?.class ?? (behind ? "behind" : "absent");
          });
          const exact = classes.filter((of) => of === "exact").length;
          const absent = classes.filter((of) => of === "absent").length;
          const wanted = exact > 0 && exact + (all ? 0 : absent) === tables.length;
          const found = spans.some(({ from, to }) => from <= at && at <= to);
          expect(found, `instant ${at}`).toBe(wanted);
        }
      }),
    );
  });
});

test("what is late is drawn by nobody", () => {
  const table = coverage("a", [10, 20, "exact"], [21, 25, "late"], [26, 30, "exact"]);
  expect(exactSpans([table], true)).toEqual([
    { from: 10, to: 20 },
    { from: 26, to: 30 },
  ]);
});

test("common spans are those of both, whichever ends first", () => {
  const a = [
    { from: 10, to: 20 },
    { from: 30, to: 40 },
  ];
  const b = [
    { from: 5, to: 10 },
    { from: 15, to: 33 },
    { from: 35, to: 50 },
  ];
  const common = [
    { from: 10, to: 10 },
    { from: 15, to: 20 },
    { from: 30, to: 33 },
    { from: 35, to: 40 },
  ];
  expect(commonSpans(a, b)).toEqual(common);
  expect(commonSpans(b, a)).toEqual(common);
});

describe("drawInstant", () => {
  const spans = [
    { from: 10, to: 12 },
    { from: 20, to: 20 },
  ];

  test("gives each instant its share", () => {
    const drawn = Array.from({ length: 8 }, (_, i) => drawInstant(spans, () => i / 8));
    expect(drawn).toEqual([10, 10, 11, 11, 12, 12, 20, 20]);
    expect(drawInstant(spans, () => 1 - Number.EPSILON)).toBe(20);
  });

  test("gives none of nothing", () => {
    expect(drawInstant([], () => 0)).toBeUndefined();
  });
});
