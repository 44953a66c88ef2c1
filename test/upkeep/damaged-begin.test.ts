import { expect, test } from "vitest";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { repair } from "../../src/verify/repair.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { readBases, readCoverage } from "../repository/looks.js";
import { Month, patient, tables } from "../repository/month.js";
import { Random } from "../simulated/random.js";

test("an expiry leaves what is damaged and wanted: it can be repaired afterwards", async () => {
  const month = await Month.begin(new Random(1), "all:5d");
  const begin = dayOf(month.clock.instant);
  const table = tables[0]!;
  const coverage = async () => (await readCoverage(month.store)).get(table)!;
  let pinned = 0;
  for (let day = 1; day <= 15; day += 1) {
    await month.workUntil(begin + day * dayMs + 3_600_000);
    if (day === 3) {
      pinned = (await coverage()).frontier!;
      await month.pin(pinned, true);
    }
    await month.maintain({ bases: () => ({ until: month.clock.instant }) });
  }
  const isExact = async () => isExactAt(intervalAt(await coverage(), pinned), pinned);
  expect(await isExact()).toBe(true);
  const first = (await readBases(month.store)).usable.get(table)![0]!;
  await month.store.delete(first.parts[0]!.keys.name);
  expect(await isExact()).toBe(false);
  await month.maintain();
  const report = await repair(month.store, {
    clock: patient(month.clock),
    owner: { host: "test", process: 3, isAlive: () => false },
    unique: "repair1",
    data: true,
    settleMs: 60_000,
  });
  expect(report.repaired.map(({ outcome }) => outcome)).toEqual(["rebuilt"]);
  expect(await isExact()).toBe(true);
});
