/** What pages are told of, and what that costs. */
import { expect, test } from "vitest";
import { steady } from "../../src/api/change-events.js";
import { type Look, Looks } from "../../src/api/looks.js";
import type { Clock } from "../../src/clock.js";
import { systemClock } from "../../src/clock.js";
import { generatedStatus } from "../console/generated-status.js";

type Status = Parameters<typeof steady>[0];

const status = () =>
  generatedStatus({ tables: 3, days: 10, now: 1_795_000_000_000 }) as unknown as Status;

/** The same a tick later. */
function later(of: Status): Status {
  const tables = of.tables.map((table) => ({
    ...table,
    changes: table.changes + 5,
    logBytes: table.logBytes + 500,
    lastRestorable: "2027-01-01T00:00:00.000+00:00",
    provenTo: "2027-01-01T00:00:00.000+00:00",
    intervals: table.intervals.map((one, i) =>
      i === table.intervals.length - 1 ? { ...one, to: "2027-01-01T00:00:00.000+00:00" } : one,
    ),
  }));
  return { ...of, restorableUntil: "2027-01-01T00:00:00.000+00:00", tables };
}

test("a tick changes nothing that pages would ask for again; a gap does", () => {
  const before = status();
  const after = later(before);
  expect(steady(after)).toEqual(steady(before));
  const [first, ...rest] = after.tables;
  const gap = { since: "2027-01-01T00:00:00.000+00:00", reason: "the feed ended" };
  const withGap = { ...after, tables: [{ ...first!, openGap: gap }, ...rest] };
  expect(steady(withGap)).not.toEqual(steady(before));
});

test("pages share a look, which rests in proportion to what it took", async () => {
  let nowMs = 0;
  let looked = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
  const looks = new Looks(clock, 3000, () => {
    looked += 1;
    nowMs += 2000;
    return Promise.resolve({ status: null, openAlarms: looked, digests: null } as Look);
  });
  const all = await Promise.all([looks.recent(), looks.recent(), looks.recent()]);
  expect(new Set(all).size).toBe(1);
  nowMs += 7900;
  await looks.recent();
  expect(looked).toBe(1);
  nowMs += 200;
  expect((await looks.recent()).openAlarms).toBe(2);
  looks.forget();
  expect((await looks.recent()).openAlarms).toBe(3);
});
