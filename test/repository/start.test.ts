/** What a look at a repository asks of its store grows with its tables, not with its age. */
import { beforeAll, describe, expect, test } from "vitest";
import { listBundles } from "../../src/repository/bundle.js";
import { openRepository } from "../../src/repository/repository.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { kindOf } from "../../src/verify/object-kinds.js";
import { agedRepository, agedTables } from "./aged.js";
import { LatentStore } from "./latent-store.js";
import { readStatus } from "./looks.js";
import { copyOf } from "./recording.js";

const latencyMs = 20;

async function look(store: MemoryStore) {
  const latent = new LatentStore(store, latencyMs);
  const status = await readStatus(await openRepository(latent));
  const { read, listings, ms } = latent;
  return { status, read, listings, ms };
}

type Look = Awaited<ReturnType<typeof look>>;

let year: MemoryStore;
let ofWeek: Look;
let ofYear: Look;

beforeAll(async () => {
  const week = new MemoryStore();
  await agedRepository(7, week);
  year = new MemoryStore();
  await agedRepository(365, year);
  [ofWeek, ofYear] = [await look(week), await look(year)];
}, 300_000);

describe("status of a year, beside that of a week", () => {
  test("is of a history that is so much longer", () => {
    expect(ofWeek.status.foldedSegments).toBeLessThan(50);
    expect(ofYear.status.foldedSegments).toBeGreaterThan(350);
    expect(ofYear.read.filter((name) => kindOf(name) === "bundle")).toHaveLength(1);
  });

  test("reads a few objects more for each table", () => {
    expect(ofYear.read.length - ofWeek.read.length).toBeLessThan(5 * agedTables.length);
    expect(ofYear.listings).toBe(ofWeek.listings);
  });

  test("waits as long, and not for one object after another", () => {
    expect(ofYear.ms - ofWeek.ms).toBeLessThanOrEqual(3 * latencyMs);
    expect(ofYear.ms).toBeLessThanOrEqual(20 * latencyMs);
  });

  test("says the same without a bundle, of many more reads that wait for each other no longer", async () => {
    const bundles = (await listBundles(year)).map(({ name }) => [name, undefined]);
    const without = await look(await copyOf(year, Object.fromEntries(bundles)));
    expect(without.status).toEqual(ofYear.status);
    expect(without.read.length).toBeGreaterThan(ofYear.read.length + 400);
    expect(without.ms).toBeLessThan((without.read.length / 5) * latencyMs);
  });
});
