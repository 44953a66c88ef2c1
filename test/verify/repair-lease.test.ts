import { expect, test } from "vitest";
import { repair } from "../../src/verify/repair.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { readBases } from "../repository/looks.js";
import { Month, patient, tables } from "../repository/month.js";
import { namesIn } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { overriding } from "../simulation/overriding.js";

const hourMs = 3_600_000;

test("a repair that stood still past its lease publishes no base", async () => {
  const month = await Month.begin(new Random(1), "all:5d");
  const begin = dayOf(month.clock.instant);
  for (let day = 1; day <= 3; day += 1) {
    await month.workUntil(begin + day * dayMs + hourMs);
    await month.maintain({ bases: () => ({ until: month.clock.instant }) });
  }
  const base = (await readBases(month.store)).usable.get(tables[0]!)!.at(-1)!;
  await month.store.delete(base.parts[0]!.keys.name);
  const manifests = async () =>
    (await namesIn(month.store, "bases/")).filter((name) => name.endsWith("manifest.json"));
  const before = await manifests();
  const put = (name: string, bytes: Uint8Array) => {
    if (/^bases\/.*part/.test(name)) month.clock.instant += hourMs;
    return month.store.put(name, bytes);
  };
  const repairing = repair(overriding(month.store, { put }), {
    clock: patient(month.clock),
    owner: { host: "test", process: 3, isAlive: () => false },
    unique: "repair1",
    data: true,
    settleMs: 60_000,
  });
  await expect(repairing).rejects.toThrow("lapsed");
  expect(await manifests()).toEqual(before);
});
