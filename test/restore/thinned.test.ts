import { expect, test } from "vitest";
import { isExactAt, type TableCoverage } from "../../src/repository/coverage/coverage.js";
import { pinsOnlyMs } from "../../src/repository/registers/keep-policy.js";
import { firstCommon, lastCommon } from "../../src/repository/restorable.js";
import { inexact } from "../../src/restore/inexact.js";

const orders = { db: "shop", name: "orders" };

const coverage = (resolutionMs: number, kept: number[]): TableCoverage => ({
  table: "0a000000-0000-4000-8000-000000000001",
  state: "live",
  intervals: [{ from: 0, to: 3_000_000_000_000, class: "exact", resolutionMs, kept }],
  frontier: 3_000_000_000_000,
  watched: true,
  lastCopy: 0,
  copies: [0],
});

test("where only pins are kept, no other instant is exact, however far ahead", () => {
  const of = coverage(pinsOnlyMs, [5000, 9000]);
  const [interval] = of.intervals;
  for (const at of [pinsOnlyMs - 1, 2 * pinsOnlyMs - 1, 4999, 5001]) {
    expect(isExactAt(interval, at)).toBe(false);
  }
  expect(isExactAt(interval, 5000)).toBe(true);
  expect(lastCommon([of], 7000)).toEqual({ at: 5000, isCommon: true });
  expect(firstCommon([of], 7000)).toEqual({ at: 9000, isCommon: true });
  expect(lastCommon([of], 4000).isCommon).toBe(false);
  expect(lastCommon([of], 2 * pinsOnlyMs).at).toBe(9000);
  expect(firstCommon([of], 2 * pinsOnlyMs).isCommon).toBe(false);
});

test("an instant that was thinned away is refused in words", () => {
  expect(inexact(orders, coverage(pinsOnlyMs, [5000]), 7000, [5000])).toMatchObject({
    code: "instant",
    message: expect.stringContaining("its history is thinned there, to pinned instants") as string,
    hint: expect.stringContaining("kept: 1970-01-01T00:00:05.000") as string,
  });
  expect(inexact(orders, coverage(60_000, []), 7000, [])).toMatchObject({
    code: "instant",
    message: expect.stringContaining("to one instant per 1m") as string,
  });
});
