import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { durationMs, formatDuration, formatInstant, parseInstant } from "../../src/instant.js";

const now = Date.parse("2026-11-21T10:04:30.500Z");
const at = (iso: string) => Date.parse(iso);

describe("parseInstant understands", () => {
  test.each([
    ["now", "2026-11-21T10:04:30.500Z"],
    [" NOW ", "2026-11-21T10:04:30.500Z"],
    ["2026-11-21", "2026-11-21T00:00:00Z"],
    ["2026-11-21T10:04", "2026-11-21T10:04:00Z"],
    ["2026-11-21 10:04", "2026-11-21T10:04:00Z"],
    ["2026-11-21T10:04:05", "2026-11-21T10:04:05Z"],
    ["2026-11-21T10:04:05Z", "2026-11-21T10:04:05Z"],
    ["2026-11-21t10:04:05z", "2026-11-21T10:04:05Z"],
    ["2026-11-21T10:04:05.1Z", "2026-11-21T10:04:05.100Z"],
    ["2026-11-21T10:04:05.123456789Z", "2026-11-21T10:04:05.123Z"],
    ["2026-11-21T10:04:05+02:00", "2026-11-21T08:04:05Z"],
    ["2026-11-21T10:04:05-0330", "2026-11-21T13:34:05Z"],
    ["2026-11-21 10:04:05 +02:00", "2026-11-21T08:04:05Z"],
    ["2026-11-21T23:30-02:00", "2026-11-22T01:30:00Z"],
    ["2024-02-29", "2024-02-29T00:00:00Z"],
    ["2024-02-29T00:30+14:00", "2024-02-28T10:30:00Z"],
    ["10:04", "2026-11-21T10:04:00Z"],
    ["10:04:30.5", "2026-11-21T10:04:30.500Z"],
    ["10:04:30.501", "2026-11-20T10:04:30.501Z"],
    ["10:05", "2026-11-20T10:05:00Z"],
    ["9:00", "2026-11-21T09:00:00Z"],
    ["00:00", "2026-11-21T00:00:00Z"],
    ["today 23:00", "2026-11-21T23:00:00Z"],
    ["Yesterday 10:04", "2026-11-20T10:04:00Z"],
    ["yesterday 10:04:59", "2026-11-20T10:04:59Z"],
    ["5 minutes ago", "2026-11-21T09:59:30.500Z"],
    ["1h30m ago", "2026-11-21T08:34:30.500Z"],
    ["1.5 hours ago", "2026-11-21T08:34:30.500Z"],
    ["2 days 3 hours AGO", "2026-11-19T07:04:30.500Z"],
    ["1 week ago", "2026-11-14T10:04:30.500Z"],
    ["0s ago", "2026-11-21T10:04:30.500Z"],
  ])("%j", (text, iso) => {
    expect(formatInstant(parseInstant(text, now))).toBe(formatInstant(at(iso)));
  });
});

describe("parseInstant refuses", () => {
  test.each([
    "",
    "soon",
    "tomorrow",
    "yesterday",
    "tomorrow 10:04",
    "21.11.2026",
    "11/21/2026",
    "1763719440",
    "2026",
    "2026-11",
    "2026-02-30",
    "2026-02-29",
    "2026-04-31T10:00Z",
    "2026-02-30T10:00:00+02:00",
    "2026-13-01",
    "2026-00-10",
    "2026-11-00",
    "2026-11-21T25:00",
    "2026-11-21T10:60",
    "2026-11-21T10:04:60",
    "2026-11-21T10",
    "2026-11-21T1:04",
    "2026-11-21T10:04.5",
    "2026-11-21T10:04:05,5",
    "2026-11-21T10:04:05 UTC",
    "2026-11-21T10:04:05+25:00",
    "2026-11-21T10:04:05+02",
    "24:00",
    "10:60",
    "10:04:60",
    "10.04",
    "10",
    "5 minutes",
    "minutes ago",
    "5 ago",
    "-5 minutes ago",
    "5 fortnights ago",
    "5 constructor ago",
    "5 ss ago",
    "99999999999999 days ago",
    "5 minutes ago ago",
    "now ago",
  ])("%j", (text) => {
    let thrown: unknown;
    try {
      parseInstant(text, now);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ThinkbackError);
    expect(thrown).toMatchObject({ code: "usage", message: `cannot read "${text}" as a time` });
    expect((thrown as ThinkbackError).hint).toContain("ISO 8601");
  });
});

describe("formatInstant", () => {
  test("is read back as the same instant, to the millisecond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: at("9999-12-31T23:59:59.999Z") }), (instant) => {
        expect(parseInstant(formatInstant(instant), now)).toBe(instant);
      }),
    );
  });

  test("always shows milliseconds and the offset", () => {
    expect(formatInstant(at("2026-11-21T10:04:00Z"))).toBe("2026-11-21T10:04:00.000+00:00");
  });
});

describe("durationMs", () => {
  test.each([
    ["500ms", 500],
    ["1s", 1000],
    ["90s", 90_000],
    ["1.5s", 1500],
    ["2 min", 120_000],
    ["2 mins", 120_000],
    ["1h30m", 5_400_000],
    ["1 hour 30 minutes", 5_400_000],
    ["1 day", 86_400_000],
    ["3 Weeks", 1_814_400_000],
    [" 10 secs ", 10_000],
    ["0.0004s", 0],
    ["1 millisecond", 1],
  ])("%j is %i", (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test.each([
    "",
    "5",
    "s",
    "1 parsec",
    "-1s",
    "1s,2s",
    "1e3s",
    "5 constructor",
    "1ss",
    "1mss",
    "1 S X",
  ])("%j is not one", (text) => {
    expect(durationMs(text)).toBeUndefined();
  });
});

test.each([
  [0, "less than 1 s"],
  [999, "less than 1 s"],
  [1000, "1 s"],
  [61_999, "1 min 1 s"],
  [3_600_000, "1 h"],
  [90_061_000, "1 d 1 h"],
])("%i ms are %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
