/** What is stored, at every age, beside what was estimated from the first days. */
import { expect, test } from "vitest";
import { parseKeep } from "../../src/repository/registers/keep-policy.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { storedAtMost } from "../../src/upkeep/proposal.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { readSourceRates } from "../repository/looks.js";
import { Month } from "../repository/month.js";
import { Random } from "../simulated/random.js";

const measuredDays = 5;
const upkeep = { foldEveryMs: dayMs, maintainEveryMs: dayMs, graceMs: 900_000 };
const keep = "all:2d, 1m:5d, 1h:8d";

test("what tiers keep stays within its estimate", async () => {
  const month = await Month.begin(new Random(1), "all:forever");
  const { store, repository } = month;
  const begin = dayOf(month.clock.instant);
  const workTo = async (day: number) => {
    await month.workUntil(begin + day * dayMs + 3_600_000);
    const until = month.clock.instant;
    return () => ({ until });
  };
  for (let day = 1; day <= measuredDays; day += 1) {
    await month.maintain({ bases: await workTo(day) });
  }
  const estimate = storedAtMost(await readSourceRates(repository), parseKeep(keep), upkeep);
  await declareKeep(store, keep, month.clock.instant);
  const stored: number[] = [];
  for (let day = measuredDays + 1; day <= 15; day += 1) {
    // The most there is at any time: what was replaced is not deleted yet.
    await month.maintain({ bases: await workTo(day), graceMs: undefined });
    stored.push(await bytesOf(month));
    expect(stored.at(-1), `day ${day}`).toBeLessThan(estimate);
    await month.maintain({ graceMs: upkeep.graceMs });
  }
  // It is no estimate if it could be anything.
  expect(Math.max(...stored)).toBeGreaterThan(estimate / 3);
});

async function bytesOf({ store }: Month): Promise<number> {
  let bytes = 0;
  for await (const { size } of store.list("")) bytes += size;
  return bytes;
}
