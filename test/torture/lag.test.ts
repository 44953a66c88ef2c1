import { expect, test } from "vitest";
import type { Event } from "./events.js";
import { longestWait, percentiles, type Sample, stretchesOf } from "./lag.js";

/** A table that is proven up to what each of these says, read every second. */
function samplesOf(provenTo: number[]): Sample[] {
  return provenTo.map((to, second) => {
    return { at: second * 1000, proven: { a: to }, exact: { a: to }, whole: to };
  });
}

const forEver = () => Number.POSITIVE_INFINITY;

test("a stretch lasts from the instant at which proofs stood still until the table has caught up", () => {
  const stands = [0, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 8000];
  const stretches = stretchesOf(samplesOf(stands), forEver);
  expect(stretches).toEqual([{ table: "a", from: 1000, to: 9000, hasEnded: true }]);
  expect(stretchesOf(samplesOf(stands), () => 6000)).toEqual([]);
  const [open] = stretchesOf(samplesOf(stands.slice(0, -1)), forEver);
  expect(open).toMatchObject({ to: 8000, hasEnded: false });
});

test("the longest wait is counted from what was done last, and not while the capture is out of order", () => {
  const stretch = { table: "a", from: 10_000, to: 60_000, hasEnded: true };
  const events: Event[] = [
    { at: 10_500, what: "killed", excused: false },
    { at: 20_000, what: "capture stopped", excused: true },
    { at: 50_000, what: "capture runs", excused: false },
  ];
  expect(longestWait(stretch, events)).toEqual({ after: "capture runs", from: 50_000, to: 60_000 });
  expect(longestWait(stretch, [])).toEqual({ after: "nothing", from: 10_000, to: 60_000 });
  const stopped = [{ at: 0, what: "capture stopped", excused: true }];
  expect(longestWait(stretch, stopped)).toBeUndefined();
});

test("percentiles are values that were there", () => {
  expect(percentiles([3, 1, 2, 4], [0, 50, 99])).toEqual([1, 3, 4]);
  expect(percentiles([], [50])).toEqual([0]);
});
