import { expect, test } from "vitest";
import { beforeLate } from "../../src/repository/as-of.js";
import type { CoverageClass, TableCoverage } from "../../src/repository/coverage.js";

/** Of a table whose intervals follow each other from 0 on. */
function coverage(...intervals: [of: CoverageClass, to: number][]): TableCoverage {
  let from = 0;
  const all = intervals.map(([of, to]) => {
    const interval = { from, to, class: of };
    from = to + 1;
    return interval;
  });
  return { intervals: all } as unknown as TableCoverage;
}

test("the newest instant that is late for none lies before what is late of any", () => {
  const one = coverage(["exact", 10], ["late", 20], ["exact", 30]);
  const other = coverage(["exact", 8], ["late", 12], ["exact", 30]);
  expect(beforeLate([one, other], 30)).toBe(30);
  expect(beforeLate([one, other], 15)).toBe(8);
});

test("a gap right before what is late is passed over with it", () => {
  const one = coverage(["exact", 10], ["gap", 14], ["late", 20]);
  const other = coverage(["exact", 30]);
  expect(beforeLate([one, other], 18)).toBe(10);
});

test("where nothing whole lies before it stays the instant itself", () => {
  expect(beforeLate([coverage(["gap", 14], ["late", 20])], 18)).toBe(18);
  expect(beforeLate([coverage(["damaged", 14], ["late", 20])], 18)).toBe(18);
  expect(beforeLate([coverage(["late", 20])], 18)).toBe(18);
});

test("a table that is in a gap at the instant asked for is not looked past", () => {
  expect(beforeLate([coverage(["exact", 10], ["gap", 20])], 15)).toBe(15);
});
