import { expect, test } from "vitest";
import { claimEpoch } from "../../src/repository/claim.js";
import { readCoverage } from "../../src/repository/coverage-reader.js";
import { Random } from "../simulated/random.js";
import { overriding } from "../simulation/overriding.js";
import { dayMs, dayOf } from "./declared.js";
import { Month, patient, tables } from "./month.js";
import { namesIn } from "./recording.js";

test("a writer that stood still after its look at the log looks again before it claims", async () => {
  const month = await Month.begin(new Random(1), "all:20d");
  const lookedAt = dayOf(month.clock.instant) + 3 * dayMs + 84_600_000;
  await month.workUntil(lookedAt);
  await month.maintain({ partial: true });
  let reads = 0;
  const get = async (...args: Parameters<typeof month.store.get>) => {
    const bytes = await month.store.get(...args);
    if (!args[0].startsWith("log/") || (reads += 1) > 1) return bytes;
    // Stands still, with what it has read. The writer before goes on, and what it wrote is folded and swept.
    for (let i = 0; i < 14; i += 1) {
      await month.workUntil(month.clock.instant + 300_000);
      await month.maintain({ partial: true });
    }
    return bytes;
  };
  const repository = { ...month.repository, store: overriding(month.store, { get }) };
  const owner = { host: "beta", process: 7, isAlive: () => false };
  const exactTo = async () =>
    (await readCoverage(month.store)).get(tables[0]!)!.intervals.at(-1)!.to;
  await claimEpoch(repository, patient(month.clock), owner, true);
  expect(reads).toBeGreaterThan(0);
  expect(await exactTo()).toBeGreaterThan(lookedAt + 14 * 300_000 - 60_000);
});

test("a store that is too slow for a fresh look is named, and nothing is claimed", async () => {
  const month = await Month.begin(new Random(1), "all:20d");
  await month.workUntil(dayOf(month.clock.instant) + dayMs);
  const claims = await namesIn(month.store, "writers/");
  const get = (...args: Parameters<typeof month.store.get>) => {
    month.clock.instant += 40_000;
    return month.store.get(...args);
  };
  const repository = { ...month.repository, store: overriding(month.store, { get }) };
  const owner = { host: "beta", process: 7, isAlive: () => false };
  await expect(claimEpoch(repository, patient(month.clock), owner, true)).rejects.toMatchObject({
    code: "repository",
    message: expect.stringMatching(/more than 30 s to say where the log ends/) as string,
  });
  expect(await namesIn(month.store, "writers/")).toEqual(claims);
});
