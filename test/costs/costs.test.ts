import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { laneCosts, requestsOfTicks } from "../../src/cli/plan-costs.js";
import { costOfMonth, costOfRestore, requestCost } from "../../src/costs/estimate.js";
import {
  chargesRequests,
  type PriceProfile,
  parseProfile,
  priceProfiles,
  profileNamed,
} from "../../src/costs/prices.js";
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

  test("a month has storage, requests, retrieval, and the minimum of what lives shortly", () => {
    const cold: PriceProfile = { ...s3, minimumDays: 30, retrievalPerGb: 0.01 };
    const need = {
      requestsPerDay: { ...noRequests, put: 1000 },
      storedBytes: 100e9,
      shortLivedBytesPerDay: 1e9,
      readBytesPerDay: 1e9,
    };
    const month = costOfMonth(need, cold);
    expect(month.requests.put).toBe(30_000);
    expect(month.requestCost).toBeCloseTo(0.15);
    expect(month.storageCost).toBeCloseTo(2.3);
    expect(month.minimumCost).toBeCloseTo(0.69);
    expect(month.retrievalCost).toBeCloseTo(0.3);
    expect(month.total).toBeCloseTo(0.15 + 2.3 + 0.69 + 0.3);
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

function monthOf(changesPerDay: number, tickMs: number, profile: PriceProfile) {
  const given = { tickMs, foldEveryMs: 3_600_000, storedBytes: 1e9, restoreMs: 1000 };
  return laneCosts({ rates: ratesOf(changesPerDay), ...given }, profile).month;
}

test("an idle source is estimated at the pace of a store that charges, and at the other elsewhere", () => {
  const [charged, free] = [s3, profileNamed("none")].map((one) => monthOf(0, 1000, one));
  // 1,440 and 8,640 segments a day; the rest is folding and maintenance.
  expect(free!.requests.put - charged!.requests.put).toBeGreaterThan(30 * 7000);
  expect(charged!.requests.list).toBeLessThan(30 * 5000);
});

test("a copy costs its puts, and a look at all objects of both places every half an hour", () => {
  const given = { tickMs: 1000, foldEveryMs: 3_600_000, storedBytes: 1e9, restoreMs: 1000 };
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
