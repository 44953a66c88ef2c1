/** The coverage of a table that was in several lanes: each instant is what the best lane says. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CoverageClass } from "../../../src/format/coverage-record.js";
import {
  type CoverageInterval,
  intervalAt,
  type TableCoverage,
} from "../../../src/repository/coverage/coverage.js";
import type { Coverage } from "../../../src/repository/coverage/coverage-reader.js";
import { joinedCoverage } from "../../../src/repository/coverage/joined.js";

const table = "0a000000-0000-4000-8000-000000000001";

function covering(of: Partial<TableCoverage>): Coverage {
  const coverage: TableCoverage = {
    table,
    state: "live",
    intervals: [],
    frontier: undefined,
    watched: true,
    lastCopy: undefined,
    copies: [],
    ...of,
  };
  return { tables: new Map([[table, coverage]]), catalog: undefined, access: undefined };
}

const interval = (from: number, to: number, is: CoverageClass, more: object = {}) => {
  return { from, to, class: is, ...more };
};
const laneToRead = (lanes: Coverage[], of: string, at: number) =>
  joinedCoverage(lanes).laneOf(of, at);
const joined = (...lanes: Coverage[]) => joinedCoverage(lanes).tables.get(table)!;

describe("a table that has moved", () => {
  const left = covering({
    state: "moved",
    frontier: 100,
    intervals: [interval(10, 100, "exact")],
  });
  const now = covering({ frontier: 200, intervals: [interval(90, 200, "exact")] });

  test("is one stretch, and what its new lane says it is", () => {
    expect(joined(left, now)).toMatchObject({ state: "live", frontier: 200, watched: true });
    expect(joined(left, now).intervals).toEqual([interval(10, 200, "exact")]);
  });

  test("is read from the lane that has the instant", () => {
    const lanes = [left, now];
    expect([50, 95, 150].map((at) => laneToRead(lanes, table, at))).toEqual([0, 0, 1]);
    expect(laneToRead(lanes, "another", 50)).toBeUndefined();
  });

  test("has a gap only where no lane has it", () => {
    const gone = covering({
      state: "gap",
      openGap: { since: 60, reason: "lost" },
      frontier: 60,
      intervals: [interval(10, 60, "exact")],
    });
    expect(joined(gone, now).openGap).toBeUndefined();
    const late = covering({
      frontier: 200,
      intervals: [interval(40, 59, "gap", { reason: "x" }), interval(60, 200, "exact")],
    });
    expect(joined(left, late).intervals).toEqual([interval(10, 200, "exact")]);
  });

  test("names the lane in which an object is damaged", () => {
    const damaged = covering({
      intervals: [interval(10, 20, "damaged", { reason: "object x is missing" })],
    });
    const other = covering({ intervals: [] });
    expect(joined(other, damaged).intervals[0]!.reason).toBe("lane 1: object x is missing");
  });

  test("is taken from where more of its history is left, if it is thinned", () => {
    const thin = covering({
      state: "moved",
      intervals: [interval(10, 100, "exact", { resolutionMs: 50, kept: [33] })],
    });
    const whole = covering({ intervals: [interval(60, 200, "exact")] });
    expect(joined(thin, whole).intervals).toEqual([
      interval(10, 59, "exact", { resolutionMs: 50, kept: [33] }),
      interval(60, 200, "exact"),
    ]);
    expect(laneToRead([thin, whole], table, 80)).toBe(1);
  });
});

test("the catalog is taken from the lane that knows it at an instant, and so is access", () => {
  const of = (table: "catalog" | "access", from: number, to: number) => {
    const { tables } = covering({ table, frontier: to, intervals: [interval(from, to, "exact")] });
    return [...tables.values()][0]!;
  };
  const lanes: Coverage[] = [
    { tables: new Map(), catalog: of("catalog", 10, 50), access: undefined },
    { tables: new Map(), catalog: of("catalog", 40, 90), access: of("access", 60, 90) },
  ];
  const all = joinedCoverage(lanes);
  expect(all.catalog!.intervals).toEqual([interval(10, 90, "exact")]);
  expect(all.access!.intervals).toEqual([interval(60, 90, "exact")]);
  expect([20, 45, 80, 99].map((at) => all.laneOf("catalog", at))).toEqual([0, 0, 1, 1]);
  expect(all.laneOf("access", 20)).toBe(1);
  expect(all.tables.size).toBe(0);
});

test("of any lanes, each instant has the best class, and the lane that is read has that class", () => {
  const classes: CoverageClass[] = ["unwatched", "damaged", "gap", "late", "exact"];
  const lane = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat({ max: 5 })), { maxLength: 6 })
    .map((parts) => {
      const intervals: CoverageInterval[] = [];
      let from = 1;
      for (const [length, of] of parts) {
        const is = classes[of];
        if (is) intervals.push(interval(from, from + length - 1, is));
        from += length;
      }
      return covering({ intervals });
    });
  fc.assert(
    fc.property(fc.array(lane, { minLength: 2, maxLength: 4 }), (lanes) => {
      const all = joined(...lanes);
      for (let at = 0; at <= 40; at += 1) {
        const found = lanes.map((of) => intervalAt(of.tables.get(table)!, at)?.class);
        const best = classes.findLast((one) => found.includes(one));
        expect(intervalAt(all, at)?.class).toBe(best);
        if (best !== undefined) expect(found[laneToRead(lanes, table, at)!]).toBe(best);
      }
      for (const [i, one] of all.intervals.entries()) {
        if (i > 0) expect(one.from).toBeGreaterThan(all.intervals[i - 1]!.to);
      }
    }),
  );
});
