import { expect, test } from "vitest";
import { claimEpoch } from "../../../src/repository/log/claim-epoch.js";
import { listClaims } from "../../../src/repository/log/claims.js";
import { Random } from "../../simulated/random.js";
import { overriding } from "../../simulation/overriding.js";
import { dayMs, dayOf } from "../declared.js";
import { readCoverage } from "../looks.js";
import { Month, patient, tables } from "../month.js";
import { namesIn } from "../recording.js";

test("a writer that stood still after its look at the log looks again before it claims", async () => {
  const month = await Month.begin(new Random(1), "all:20d");
  const lookedAt = dayOf(month.clock.instant) + 3 * dayMs + 84_600_000;
  await month.workUntil(lookedAt);
  await month.maintain({ partial: true });
  let reads = 0;
  const tail = async (...args: Parameters<typeof month.store.tail>) => {
    const bytes = await month.store.tail(...args);
    if (!args[0].startsWith("log/") || (reads += 1) > 1) return bytes;
    // Stands still, with what it has read. The writer before goes on, and what it wrote is folded and swept.
    for (let i = 0; i < 14; i += 1) {
      await month.workUntil(month.clock.instant + 300_000);
      await month.maintain({ partial: true });
    }
    return bytes;
  };
  const repository = { ...month.repository, store: overriding(month.store, { tail }) };
  const owner = { host: "beta", process: 7, isAlive: () => false };
  const exactTo = async () =>
    (await readCoverage(month.store)).get(tables[0]!)!.intervals.at(-1)!.to;
  await claimEpoch(repository, patient(month.clock), owner, true);
  expect(reads).toBeGreaterThan(0);
  expect(await exactTo()).toBeGreaterThan(lookedAt + 14 * 300_000 - 60_000);
});

/** The store, in which a put of a claim takes more than an hour, while the writer before goes on. */
function slowClaims(month: Month, slowPuts: number) {
  let puts = 0;
  const put = async (name: string, bytes: Uint8Array) => {
    if (name.startsWith("writers/") && (puts += 1) <= slowPuts) {
      for (let i = 0; i < 14; i += 1) {
        await month.workUntil(month.clock.instant + 300_000);
        await month.maintain({ partial: true });
      }
    }
    await month.store.put(name, bytes);
  };
  return { ...month.repository, store: overriding(month.store, { put }) };
}

async function monthOfDays() {
  const month = await Month.begin(new Random(1), "all:20d");
  const lookedAt = dayOf(month.clock.instant) + 3 * dayMs + 84_600_000;
  await month.workUntil(lookedAt);
  await month.maintain({ partial: true });
  const coverage = async () => (await readCoverage(month.store)).get(tables[0]!)!.intervals;
  return { month, lookedAt, coverage };
}

const beta = { host: "beta", process: 7, isAlive: () => false };

test("a claim whose own put took long is withdrawn by the next one, and disowns nothing", async () => {
  const { month, lookedAt, coverage } = await monthOfDays();
  const own = await claimEpoch(slowClaims(month, 1), patient(month.clock), beta, true);
  expect(own.epoch).toBe(3);
  expect((await coverage()).at(-1)!.to).toBeGreaterThan(lookedAt + 14 * 300_000 - 60_000);
  expect((await listClaims(month.store)).at(-1)).toMatchObject({ epoch: 3, withdraws: [2] });
});

test("one whose process ended before it could withdraw it is withdrawn by the next writer", async () => {
  const { month, lookedAt, coverage } = await monthOfDays();
  const slow = slowClaims(month, 1);
  const put = async (name: string, bytes: Uint8Array) => {
    await slow.store.put(name, bytes);
    throw new Error("the process was killed");
  };
  const killed = { ...slow, store: overriding(slow.store, { put }) };
  await expect(claimEpoch(killed, patient(month.clock), beta, true)).rejects.toThrow("killed");
  expect((await coverage()).at(-1)!.to).toBeLessThan(lookedAt);
  await claimEpoch(month.repository, patient(month.clock), beta, true);
  expect((await coverage()).at(-1)!.to).toBeGreaterThan(lookedAt + 14 * 300_000 - 60_000);
  expect((await listClaims(month.store)).at(-1)).toMatchObject({ withdraws: [2] });
});

test("a claim that came in time is not withdrawn, though nothing was written after it", async () => {
  const { month } = await monthOfDays();
  await claimEpoch(month.repository, patient(month.clock), beta, true);
  await claimEpoch(month.repository, patient(month.clock), beta, true);
  expect((await listClaims(month.store)).map(({ withdraws }) => withdraws)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
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
    message: expect.stringMatching(/more than 30 s to show where the log ends/) as string,
  });
  expect(await namesIn(month.store, "writers/")).toEqual(claims);
});

test("a claim is refused where bases are, and the log that they were made of is not", async () => {
  const month = await Month.begin(new Random(1), "all:20d");
  await month.workUntil(month.clock.instant + 3_600_000);
  await month.maintain({ partial: true });
  async function* listedWithoutLog(...args: Parameters<typeof month.store.list>) {
    for await (const object of month.store.list(...args)) {
      if (!/^(log|folded|bundles)\//.test(object.name)) yield object;
    }
  }
  const store = overriding(month.store, { list: listedWithoutLog });
  const claim = (of: typeof month.store) =>
    claimEpoch({ ...month.repository, store: of }, patient(month.clock), beta, true);
  const claims = (await listClaims(month.store)).length;
  await expect(claim(store)).rejects.toMatchObject({
    code: "repository",
    message: expect.stringContaining("no segment of the log") as string,
  });
  expect(await listClaims(month.store)).toHaveLength(claims);
  expect((await claim(month.store)).last).toBeDefined();
});
