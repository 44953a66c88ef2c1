import { expect, test } from "vitest";
import { Backoff } from "../../src/capture/backoff.js";

test("pauses double up to a bound, and begin anew when a try was of use", () => {
  const backoff = new Backoff(60, 200);
  expect([1, 2, 3, 4].map(() => backoff.next())).toEqual([60, 120, 200, 200]);
  backoff.reset();
  expect(backoff.next()).toBe(60);
});
