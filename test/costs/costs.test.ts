import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import type { Output } from "../../src/cli/output.js";
import { laneCosts, printCosts, requestsOfTicks } from "../../src/cli/plan-costs.js";
import { costOfMonth, costOfRestore, requestCost } from "../../src/costs/estimate.js";
import {
  chargesRequests,
  type PriceProfile,
  parseProfile,
  priceProfiles,
  profileNamed,
} from "../../src/costs/prices.js";
import { parseKeep } from "../../src/repository/registers/keep-policy.js";
import type { SourceRates } from "../../src/upkeep/proposal.js";

const s3 = profileNamed("aws-s3-standard");
const noRequests = { put: 0, get: 0, head: 0, list: 0, delete: 0 };

test("each profile is dated, named once, and fits the form of one's own", () => {
  expect(new Set(priceProfiles.map(({ name }) => name)).size).toBe(priceProfiles.length);
  for (const profile of priceProfiles) {
    expect(parseProfile(JSON.stringify(profile), "itself")).toEqual(profile);
  }
  expect(priceProfiles.filter((one) => !chargesRequests(one)).map(({ name }) => name)).toEqual([
    "none",
  ]);
});

test("the file in the documentation is one that is taken", () => {
  const docs = join(resolve(import.meta.dirname, "../.."), "docs/operations.md");
  const yaml = /```yaml\n(name: [\s\S]*?)```/.exec(readFileSync(docs, "utf8"))?.[1];
  expect(parseProfile(yaml!, "docs").minimumDays).toBe(30);
});

test.each([
  ["- a", /name is missing/],
  ["3", /it is not/],
  ["{", /--prices own.yaml/],
  [JSON.stringify({ ...s3, minimumDays: -1 }), /minimumDays is not a number of 0 or more/],
  [JSON.stringify({ ...s3, asOf: "July" }), /asOf is not a month/],
  [JSON.stringify({ ...s3, per1000: { ...s3.per1000, put: undefined } }), /per1000.put is missing/],
  [JSON.stringify({ ...s3, egress: 1 }), /egress is not known/],
])("%s is refused", (text, why) => {
  expect(() => parseProfile(text, "own.yaml")).toThrow(why);
});

describe("arithmetic", () => {
  test("a put a second is some 13 dollars a month at S3's price", () => {
    const requests = { ...noRequests, put: 2_592_000 };
    expect(requestCost(requests, s3)).toBeCloseTo(12.96);
  });

  test("a month has storage, requests, retrieval, and the minimum of what is deleted early", () => {
    const cold: PriceProfile = { ...s3, minimumDays: 30, retrievalPerGb: 0.01 };
    const need = {
      requestsPerDay: { ...noRequests, put: 1000 },
      storedBytes: 100e9,
      deleted: [
        { bytesPerDay: 1e9, livesDays: 0 },
        { bytesPerDay: 1e9, livesDays: 20 },
        { bytesPerDay: 1e9, livesDays: Number.POSITIVE_INFINITY },
      ],
      readBytesPerDay: 1e9,
    };
    const month = costOfMonth(need, cold);
    expect(month.requests.put).toBe(30_000);
    expect(month.requestCost).toBeCloseTo(0.15);
    expect(month.storageCost).toBeCloseTo(2.3);
    expect(month.minimumCost).toBeCloseTo(0.92);
    expect(month.retrievalCost).toBeCloseTo(0.3);
    expect(month.total).toBeCloseTo(0.15 + 2.3 + 0.92 + 0.3);
    expect(costOfMonth(need, s3).minimumCost).toBe(0);
  });

  test("a restore is read with a request for each MiB, and leaves the provider", () => {
    const restore = costOfRestore({ objects: 10, bytes: 100 * 2 ** 20 }, s3);
    expect(restore.requests.get).toBe(120);
    expect(restore.bytesCost).toBeCloseTo(0.1048576 * 0.09);
    expect(restore.total).toBeCloseTo(restore.bytesCost + 120 * 4e-7 + 2 * 5e-6);
  });
});

/** A source of one table with so many changes a day. */
function ratesOf(changesPerDay: number): SourceRates {
  const table = {
    table: "a",
    documents: 1000,
    baseBytes: 1e6,
    manifestBytes: 1000,
    baseShare: 1,
    changesPerDay,
    bytesPerChange: 100,
    lineBytesPerChange: 200,
    keptPerDay: () => changesPerDay,
  };
  return {
    tables: [table],
    spanMs: 1,
    segmentsPerDay: 1,
    segmentBytes: 900,
    foldedBytes: 100,
    objects: 20_000,
  };
}

function monthOf(changesPerDay: number, tickMs: number, profile: PriceProfile, keep = "all:7d") {
  const tiers = parseKeep(keep);
  const given = { tickMs, foldEveryMs: 3_600_000, tiers, storedBytes: 1e9, restoreMs: 1000 };
  return laneCosts({ rates: ratesOf(changesPerDay), ...given }, profile).month;
}

test("an idle source is estimated at the pace of a store that charges, and at the other elsewhere", () => {
  const [charged, free] = [s3, profileNamed("none")].map((one) => monthOf(0, 1000, one));
  // 1,440 and 8,640 segments a day; the rest is folding and maintenance.
  expect(free!.requests.put - charged!.requests.put).toBeGreaterThan(30 * 7000);
  expect(charged!.requests.list).toBeLessThan(30 * 5000);
});

test("a copy costs its puts, and a look at all objects of both places every half an hour", () => {
  const tiers = parseKeep("all:7d");
  const given = { tickMs: 1000, foldEveryMs: 3_600_000, tiers, storedBytes: 1e9, restoreMs: 1000 };
  const { copy, month } = laneCosts({ rates: ratesOf(1000), ...given }, s3);
  expect(copy.requests.put).toBe(month.requests.put);
  expect(copy.requests.list).toBe(30 * 48 * 4 * 20);
});

test("the table of ticks and the month of a lane tell the same puts", () => {
  const of = { tables: 1, foldEveryMs: 3_600_000 };
  for (const [profile, charges] of [
    [s3, { chargesRequests: true }],
    [profileNamed("none"), {}],
  ] as const) {
    const { puts } = requestsOfTicks(1000, 5000, of, charges);
    expect(monthOf(1000, 5000, profile).requests.put).toBe(Math.round(30 * puts));
  }
});

test("longer ticks cost less where much changes", () => {
  const [second, ten] = [1000, 10_000].map((tickMs) => monthOf(1e6, tickMs, s3));
  expect(second!.requests.put).toBeGreaterThan(86_400 * 30);
  expect(ten!.requestCost).toBeLessThan(second!.requestCost / 4);
});

describe("a store that charges objects for 30 days", () => {
  const cold: PriceProfile = { ...s3, minimumDays: 30, storagePerGbMonth: 1 };
  const minimumOf = (changesPerDay: number, keep?: string) =>
    monthOf(changesPerDay, 1000, cold, keep).minimumCost;

  test("charges the bases that a changing table is given each hour, and none of a table at rest", () => {
    // 24 bases of 1 MB a day; at rest, 1,234 segments of 900 bytes a day.
    expect(minimumOf(1e4)).toBeGreaterThan(30 * 0.024);
    expect(minimumOf(0)).toBeCloseTo((30 * 1234 * 900) / 1e9, 4);
  });

  test("charges what a tier keeps for less, for the days that are left", () => {
    // 1 MB of lines a day.
    const lines = (days: number) => (1e4 * 100 * days) / 1e9;
    const forever = minimumOf(1e4, "all:forever");
    expect(minimumOf(1e4, "all:30d")).toBeCloseTo(forever, 9);
    expect(minimumOf(1e4, "all:7d")).toBeCloseTo(forever + lines(23), 9);
    // Each change is kept in each resolution here: those of the second tier live for 13 days.
    expect(minimumOf(1e4, "all:7d, 1m:20d")).toBeCloseTo(forever + lines(23 + 17), 9);
  });
});

test("what is printed says of when the prices are, and where they are from", () => {
  const given = { rates: ratesOf(1), tickMs: 1000, foldEveryMs: 3_600_000, restoreMs: 1000 };
  const printed = (profile: PriceProfile) => {
    const lines: string[] = [];
    const output = { line: (text: string) => lines.push(text) } as unknown as Output;
    const costs = laneCosts({ ...given, tiers: parseKeep("all:7d"), storedBytes: 1e9 }, profile);
    printCosts(costs, "all:7d", profile, output);
    return lines.join("\n");
  };
  expect(printed(s3)).toContain("list prices, written down from memory, of 2026-07: check them");
  expect(printed(s3)).toContain("nothing more for objects that are deleted early");
  const own = parseProfile(JSON.stringify({ ...s3, source: "a contract", minimumDays: 90 }), "own");
  expect(printed(own)).toContain("a contract, of 2026-07: check them");
  expect(printed(own)).toContain("objects that are deleted before 90 days");
});
