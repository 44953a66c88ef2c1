/** What a restore reads stays locked, however long ago it was put; and a lock is renewed seldom. */
import { expect, test } from "vitest";
import type { Instant } from "../../src/instant.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { LogCollection } from "../../src/repository/log/runs.js";
import { ObjectMissing } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { readBases } from "../repository/looks.js";
import { Month, patient, tables } from "../repository/month.js";
import { namesIn } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { overriding } from "../simulation/overriding.js";

const lockMs = 8 * dayMs;

test("locks of what is kept are renewed before they end, each part of them once in a quarter of their time", async () => {
  const month = await Month.begin(new Random(3), "all:20d");
  const locks = new Map<string, Instant>();
  const store = overriding(month.store, {
    lockMs,
    put: async (name, bytes, signal) => {
      await month.store.put(name, bytes, signal);
      locks.set(name, month.clock.instant + lockMs);
    },
    extendLock: async (name, until) => {
      if ((await month.store.size(name)) === undefined) throw new ObjectMissing(name);
      locks.set(name, Math.max(until, locks.get(name) ?? 0));
    },
  });
  const round = (number: number, begun: Instant) =>
    maintain(
      { ...month.repository, store },
      {
        clock: patient(month.clock),
        owner: { host: "test", process: 2, isAlive: () => false },
        unique: `m${number}`,
        partial: true,
        settleMs: 60_000,
        expires: true,
        graceMs: 900_000,
        // The base of the first day is needed for all days.
        bases: () => (number === 1 ? { until: begun } : undefined),
      },
      { onRows: () => undefined, phase: () => undefined },
    );
  const begin = dayOf(month.clock.instant);
  const renewed: number[] = [];
  for (let day = 1; day <= 16; day += 1) {
    await month.workUntil(begin + day * dayMs);
    // What the writer has put was locked then.
    for (const name of await namesIn(month.store)) {
      if (!locks.has(name)) locks.set(name, month.clock.instant + lockMs);
    }
    month.stopWriter(600_000);
    const { locksRenewed } = await round(day, month.clock.instant);
    if (locksRenewed > 0) renewed.push(day);
    await month.startWriter();
    const reading = await namesRead(month);
    const now = month.clock.instant;
    for (const name of reading) {
      // What was written since is locked by its put.
      const isOpen = (locks.get(name) ?? now + lockMs) < now + dayMs;
      expect(isOpen, `${name} on day ${day}`).toBe(false);
    }
    expect(reading.size).toBeGreaterThan(5);
  }
  expect(renewed.length).toBeGreaterThan(5);
  expect(renewed.length).toBeLessThan(10);
});

/** The names of all objects that a restore to now reads. */
async function namesRead({ store }: Month): Promise<Set<string>> {
  const names = new Set<string>();
  const noting = overriding(store, {
    get: (name, range, signal) => {
      names.add(name);
      return store.get(name, range, signal);
    },
    tail: (name, bytes, signal) => {
      names.add(name);
      return store.tail(name, bytes, signal);
    },
  });
  const view = await LogView.read(noting);
  const base = (await readBases(noting)).usable.get(tables[0]!)!.at(-1)!;
  const wanted = [{ table: base.table, after: base.logFrom }];
  await (await LogCollection.read(view, wanted, view.pieces.at(-1)!.to)).dispose();
  for (const { name, keys } of base.parts) names.add(name).add(keys.name);
  return new Set(
    [...names].filter((name) => !/^(alarms|leases|members|holds|bundles)\//.test(name)),
  );
}
