import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import {
  estimateRestore,
  type FoldSituation,
  foldDue,
  parseCron,
  parseFoldSchedule,
  restoreWork,
} from "../../src/upkeep/schedule.js";

const at = (iso: string) => Date.parse(iso);
const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
const now = at("2026-11-21T10:04:30.500Z");

describe("the options of a schedule", () => {
  test("are read", () => {
    const read = parseFoldSchedule({
      restoreWithin: "5m",
      foldEvery: "1h30m",
      foldAt: "0 3 * * *",
    });
    expect(read).toMatchObject({
      objectiveMs: 5 * minute,
      everyMs: 90 * minute,
      cron: { text: "0 3 * * *" },
    });
    expect(parseFoldSchedule({})).toEqual({
      objectiveMs: undefined,
      everyMs: undefined,
      cron: undefined,
    });
  });

  test.each([
    [{ restoreWithin: "soon" }, "--restore-within soon cannot be read", "at least 1 s"],
    [{ restoreWithin: "999ms" }, "--restore-within 999ms cannot be read", "at least 1 s"],
    [{ restoreWithin: "" }, "--restore-within  cannot be read", "at least 1 s"],
    [{ foldEvery: "59s" }, "--fold-every 59s cannot be read", "at least 1 min"],
    [{ foldEvery: "0" }, "--fold-every 0 cannot be read", "at least 1 min"],
    [{ foldAt: "3 o'clock" }, `--fold-at "3 o'clock" cannot be read`, "five fields, in UTC"],
  ])("%j are refused", (options, message, hint) => {
    expect(() => parseFoldSchedule(options)).toThrow(
      expect.objectContaining({
        code: "usage",
        message: expect.stringContaining(message),
        hint: expect.stringContaining(hint),
      }),
    );
  });
});

describe("a cron expression", () => {
  const { TZ } = process.env;
  afterEach(() => {
    if (TZ === undefined) delete process.env.TZ;
    else process.env.TZ = TZ;
  });

  test.each([
    ["0 3 * * *", "2026-11-22T03:00:00Z"],
    ["*/15 * * * *", "2026-11-21T10:15:00Z"],
    ["5 10 * * *", "2026-11-21T10:05:00Z"],
    ["4 10 * * *", "2026-11-22T10:04:00Z"],
    ["30 4 1 * *", "2026-12-01T04:30:00Z"],
    ["0 0 29 2 *", "2028-02-29T00:00:00Z"],
    ["0 3 * * 1-5", "2026-11-23T03:00:00Z"],
    ["0 3 * * SUN", "2026-11-22T03:00:00Z"],
    ["0 3 * * 7", "2026-11-22T03:00:00Z"],
    ["  0  3,15 * * *", "2026-11-21T15:00:00Z"],
  ])("%j comes next at %s, in UTC wherever the machine is", (text, next) => {
    for (const zone of ["UTC", "America/New_York", "Asia/Kolkata"]) {
      process.env.TZ = zone;
      expect(new Date(parseCron(text).next(now)).toISOString()).toBe(new Date(next).toISOString());
    }
  });

  test.each([
    ["", "five fields"],
    ["0 3 * *", "five fields"],
    ["0 0 3 * * *", "five fields"],
    ["@daily", "five fields"],
    ["2026-11-21T10:00:00", "five fields"],
    ["60 3 * * *", "Invalid value for minute"],
    ["0 24 * * *", "Invalid value for hour"],
    ["x 3 * * *", "cannot be read: "],
    ["0 0 30 2 *", "it matches no day"],
  ])("%j is refused", (text, why) => {
    expect(() => parseCron(text)).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringContaining(why) }),
    );
  });

  test("comes strictly later, on a whole minute, and none is skipped", () => {
    const instant = fc.integer({
      min: at("2020-01-01T00:00:00Z"),
      max: at("2040-01-01T00:00:00Z"),
    });
    const every = parseCron("* * * * *");
    fc.assert(
      fc.property(instant, (of) => {
        expect(every.next(of)).toBe((Math.floor(of / minute) + 1) * minute);
        const nightly = parseCron("0 3 * * *").next(of);
        expect(nightly).toBe(Math.floor((of - 3 * hour) / day) * day + day + 3 * hour);
      }),
    );
  });
});

describe("the estimate of a restore", () => {
  const rates = { restoreBytesPerSecond: 10e6, mergeBytesPerSecond: 20e6 };

  test("is the time to collect the log and then to write the documents", () => {
    const load = { documents: 0, documentBytes: 0, logBytes: 0, rates };
    expect(estimateRestore(load)).toBe(0);
    expect(estimateRestore({ ...load, logBytes: 40e6 })).toBe(2000);
    expect(estimateRestore({ ...load, documents: 10_000, documentBytes: 90e6 })).toBe(10_000);
    expect(estimateRestore({ documents: 10_000, documentBytes: 90e6, logBytes: 40e6, rates })).toBe(
      12_000,
    );
  });

  test("counts documents too: many small ones take longer than few large ones of the same size", () => {
    expect(restoreWork(1_000_000, 30e6)).toBeGreaterThan(10 * restoreWork(7500, 30e6));
  });
});

describe("a fold", () => {
  const quiet: FoldSituation = {
    now,
    lastFold: now - 30 * minute,
    estimateMs: 4 * minute,
    foldedEstimateMs: minute,
    objectiveMs: undefined,
    everyMs: undefined,
    cron: undefined,
  };
  const of = (changes: Partial<FoldSituation>) => foldDue({ ...quiet, ...changes });
  const nightly = parseCron("0 3 * * *");

  test.each<[string, Partial<FoldSituation>, boolean, string]>([
    ["nothing is set", {}, false, "no schedule of folds is set"],
    [
      "a restore takes less than the objective",
      { objectiveMs: 5 * minute },
      false,
      "a restore would take about 4 min, which is within 5 min",
    ],
    [
      "a restore takes exactly the objective",
      { objectiveMs: 4 * minute },
      false,
      "a restore would take about 4 min, which is within 4 min",
    ],
    [
      "a restore takes longer than the objective",
      { objectiveMs: 3 * minute },
      true,
      "a restore would take about 4 min, longer than 3 min",
    ],
    [
      "a fold cannot meet the objective, and gains little",
      { objectiveMs: 3 * minute, foldedEstimateMs: 4 * minute - 5 * second },
      false,
      "a restore would take about 4 min, and about 3 min 55 s after a fold; 3 min is asked for",
    ],
    [
      "a fold cannot meet the objective, and gains a tenth of it",
      { objectiveMs: 3 * minute, foldedEstimateMs: 4 * minute - 18 * second },
      true,
      "a restore would take about 4 min, and about 3 min 42 s after a fold; 3 min is asked for",
    ],
    [
      "a fold can only just meet the objective, and gains little",
      { objectiveMs: 4 * minute - second, foldedEstimateMs: 4 * minute - 5 * second },
      false,
      "a restore would take about 4 min, and about 3 min 55 s after a fold; 3 min 59 s is asked for",
    ],
    [
      "the last one is younger than the interval",
      { everyMs: hour },
      false,
      "the next fold is due at 2026-11-21T10:34:30.500+00:00",
    ],
    [
      "the last one is as old as the interval",
      { everyMs: 30 * minute },
      true,
      "the last fold began 30 min ago, and one is wanted every 30 min",
    ],
    [
      "the last one is older than the interval",
      { everyMs: hour, lastFold: now - 26.5 * hour },
      true,
      "the last fold began 1 d 2 h ago, and one is wanted every 1 h",
    ],
    [
      "the clock was set back since the last one",
      { everyMs: hour, lastFold: now + 5 * day },
      false,
      "the next fold is due at 2026-11-26T11:04:30.500+00:00",
    ],
    [
      "no time of the calendar has passed since the last one",
      { cron: nightly },
      false,
      "the next fold is due at 2026-11-22T03:00:00.000+00:00",
    ],
    [
      "a time of the calendar has passed since the last one",
      { cron: nightly, lastFold: now - 8 * hour },
      true,
      "a fold was due at 2026-11-21T03:00:00.000+00:00 (0 3 * * *)",
    ],
    [
      "a time of the calendar has come",
      { cron: nightly, lastFold: now - 8 * hour, now: at("2026-11-21T03:00:00Z") },
      true,
      "a fold was due at 2026-11-21T03:00:00.000+00:00 (0 3 * * *)",
    ],
    [
      "the last one began when its time had come",
      { cron: nightly, lastFold: at("2026-11-21T03:00:00Z") },
      false,
      "the next fold is due at 2026-11-22T03:00:00.000+00:00",
    ],
    [
      "both are set: the earlier counts",
      { cron: nightly, everyMs: 2 * hour },
      false,
      "the next fold is due at 2026-11-21T11:34:30.500+00:00",
    ],
    [
      "the objective is met and the interval is over",
      { objectiveMs: 5 * minute, everyMs: 10 * minute },
      true,
      "the last fold began 30 min ago, and one is wanted every 10 min",
    ],
    [
      "the objective cannot be met and the calendar's time has come",
      {
        objectiveMs: minute,
        foldedEstimateMs: 4 * minute,
        cron: nightly,
        lastFold: now - 8 * hour,
      },
      true,
      "a fold was due at 2026-11-21T03:00:00.000+00:00 (0 3 * * *)",
    ],
  ])("where %s", (_, changes, due, reason) => {
    expect(of(changes)).toEqual({ due, reason });
  });

  test("is due at the latest when the schedule says so, whatever the estimate", () => {
    const some = fc.record({
      sinceMs: fc.integer({ min: 0, max: 3 * day }),
      estimateMs: fc.integer({ min: 0, max: hour }),
      foldedEstimateMs: fc.integer({ min: 0, max: hour }),
      objectiveMs: fc.option(fc.integer({ min: second, max: hour }), { nil: undefined }),
      everyMs: fc.option(fc.integer({ min: minute, max: 2 * day }), { nil: undefined }),
      cron: fc.constantFrom(undefined, nightly),
    });
    fc.assert(
      fc.property(some, ({ sinceMs, ...rest }) => {
        const lastFold = now - sinceMs;
        const { due } = of({ ...rest, lastFold });
        const { everyMs, cron, objectiveMs, estimateMs, foldedEstimateMs } = rest;
        const scheduled =
          (everyMs ?? Infinity) <= sinceMs || (cron?.next(lastFold) ?? Infinity) <= now;
        const slow = estimateMs > (objectiveMs ?? Infinity);
        if (scheduled) expect(due).toBe(true);
        if (!scheduled && !slow) expect(due).toBe(false);
        // A tenth of the objective is the most by which it is missed for want of gain.
        const gain = estimateMs - foldedEstimateMs;
        if (slow && gain >= objectiveMs! / 10) expect(due).toBe(true);
      }),
    );
  });

  test("that has just been made is not due again: folding comes to rest", () => {
    const some = fc.record({
      foldedEstimateMs: fc.integer({ min: 0, max: hour }),
      objectiveMs: fc.integer({ min: second, max: hour }),
    });
    fc.assert(
      fc.property(some, (rest) => {
        const folded = { ...rest, estimateMs: rest.foldedEstimateMs, lastFold: now };
        expect(of({ ...folded, everyMs: hour, cron: nightly }).due).toBe(false);
      }),
    );
  });

  test.each([
    [999_400, "about 16 min 39 s"],
    [400, "less than 1 s"],
    [12_000, "about 12 s"],
    [hour, "about 1 h"],
    [hour + 5 * second, "about 1 h"],
    [hour + 5 * minute + 59 * second, "about 1 h 5 min"],
    [2 * day + 3 * hour, "about 2 d 3 h"],
  ])("names %i ms as %s", (estimateMs, spoken) => {
    expect(of({ objectiveMs: 2 * hour * 30, estimateMs }).reason).toContain(
      `would take ${spoken}, which`,
    );
  });
});
