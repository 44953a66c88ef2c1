/** Which instants are good for all that a restore uses. */
import { describe, expect, test } from "vitest";
import type { CoverageClass } from "../../src/format/coverage-record.js";
import type { CoverageInterval } from "../../src/repository/coverage/coverage.js";
import { firstCommon, lastCommon } from "../../src/repository/restorable.js";

/** Intervals that follow each other from 0 on. */
function coverage(...intervals: [of: CoverageClass, to: number][]) {
  let from = 0;
  const all = intervals.map(([of, to]): CoverageInterval => {
    const interval = { from, to, class: of };
    from = to + 1;
    return interval;
  });
  return { intervals: all };
}

const common = (at: number) => ({ at, isCommon: true });

describe("the instants that several coverages have in common", () => {
  const one = coverage(["exact", 10], ["late", 20], ["exact", 30]);
  const other = coverage(["exact", 8], ["gap", 12], ["exact", 27]);

  test("are those at which all of them are exact", () => {
    expect(lastCommon([one, other], 30)).toEqual(common(27));
    expect(lastCommon([one, other], 20)).toEqual(common(8));
    expect(firstCommon([one, other], 9)).toEqual(common(21));
    expect(firstCommon([one, other], 28).isCommon).toBe(false);
  });

  test("are late ones, too, where these will do", () => {
    expect(lastCommon([one, other], 20, ["exact", "late"])).toEqual(common(20));
    expect(firstCommon([one, other], 9, ["exact", "late"])).toEqual(common(13));
  });

  test("are only those that are kept of each", () => {
    const thinned = (resolutionMs: number) => ({
      intervals: [{ from: 0, to: 100, class: "exact" as const, resolutionMs }],
    });
    expect(lastCommon([thinned(4), thinned(6)], 100)).toEqual(common(95));
    expect(firstCommon([thinned(4), thinned(6)], 3)).toEqual(common(11));
  });

  test("are none where one of them has nothing", () => {
    const never = coverage(["damaged", 30]);
    expect(lastCommon([one, never], 30).isCommon).toBe(false);
    expect(firstCommon([one, never], 0).isCommon).toBe(false);
    expect(
      lastCommon(
        [coverage(["exact", 9], ["damaged", 30]), coverage(["gap", 9], ["exact", 30])],
        30,
      ),
    ).toEqual({ at: 9, isCommon: false });
  });
});
