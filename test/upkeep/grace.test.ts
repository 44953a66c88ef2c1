/** What was replaced or expired stays for its grace time, and for whoever had begun to read before. */
import { expect, test } from "vitest";
import { holdPrefix } from "../../src/format/names.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { LogCollection } from "../../src/repository/log/runs.js";
import { holdKind, placeHold } from "../../src/repository/registers/holds.js";
import { Lease } from "../../src/repository/registers/lease.js";
import { newestNumbered, putNumbered } from "../../src/repository/registers/numbered.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { readBases } from "../repository/looks.js";
import { Month, patient, tables } from "../repository/month.js";
import { namesIn } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { overriding } from "../simulation/overriding.js";

const minuteMs = 60_000;
const table = tables[0]!;

/** What a restore that begins now would read. */
async function reading(month: Month) {
  await placeHold(month.store, patient(month.clock), "reader1", 0, () => undefined);
  const view = await LogView.read(month.store);
  const base = (await readBases(month.store)).usable.get(table)![0]!;
  return { view, base };
}

/** Goes on with it; throws if something is gone. */
async function readOn({ view, base }: Awaited<ReturnType<typeof reading>>): Promise<void> {
  const wanted = [{ table, after: base.logFrom }];
  await (await LogCollection.read(view, wanted, view.pieces.at(-1)!.to)).dispose();
}

test("the grace time of a fold that takes long begins when it is published", async () => {
  const month = await Month.begin(new Random(1), "all:20d");
  await month.workUntil(dayOf(month.clock.instant) + dayMs);
  month.stopWriter(10 * minuteMs);
  const segments = (await namesIn(month.store, "log/")).length;
  let lease: Lease | undefined;
  let restore: Awaited<ReturnType<typeof reading>> | undefined;
  const acquire = Lease.acquire.bind(Lease);
  Lease.acquire = async (...args) => (lease = await acquire(...args));
  const put = async (name: string, bytes: Uint8Array) => {
    if (name.startsWith("folded/") && !restore) {
      for (let minute = 0; minute < 20; minute += 1) {
        month.clock.instant += minuteMs;
        await lease!.renew();
      }
      restore = await reading(month);
    }
    return month.store.put(name, bytes);
  };
  const repository = { ...month.repository, store: overriding(month.store, { put }) };
  const options = {
    clock: patient(month.clock),
    owner: { host: "test", process: 2, isAlive: () => false },
    unique: "m1",
    partial: true,
    settleMs: minuteMs,
    expires: true,
    graceMs: 15 * minuteMs,
  };
  await maintain(repository, options, { onRows: () => undefined, phase: () => undefined });
  Lease.acquire = acquire;
  expect(await namesIn(month.store, "log/")).toHaveLength(segments);
  await readOn(restore!);
});

test.each([0, -10 * minuteMs])(
  "a reader is not robbed by an expiry that came after it, with a source %i ms from our clock",
  async (offsetMs) => {
    const month = await Month.begin(new Random(1), "all:1d");
    month.sourceOffsetMs = offsetMs;
    const begin = dayOf(month.clock.instant);
    for (let day = 1; day <= 4; day += 1) {
      await month.workUntil(begin + day * dayMs + 60 * minuteMs);
      const isLast = day === 4;
      await month.maintain({
        bases: () => ({ until: month.clock.instant }),
        graceMs: isLast ? undefined : 15 * minuteMs,
        expires: !isLast,
      });
    }
    const restore = await reading(month);
    month.clock.instant += 1000;
    await month.maintain({ expires: true });
    for (let i = 0; i < 6; i += 1) {
      month.clock.instant += 5 * minuteMs;
      await renewHold(month);
    }
    await month.workUntil(month.clock.instant + 1000);
    await month.maintain({ expires: true });
    await readOn(restore);
    expect(await namesIn(month.store, restore.base.parts[0]!.name)).toHaveLength(1);
  },
);

/** What the reader's own timer does. */
async function renewHold({ store, clock }: Month): Promise<void> {
  const prefix = holdPrefix("reader1");
  const last = (await newestNumbered(store, prefix, holdKind))!;
  const until = clock.instant + 15 * minuteMs;
  const renewed = { ...last, number: last.number + 1, until };
  await putNumbered(store, prefix, holdKind, renewed);
}

test("a hold that is placed after a round has looked is heeded when that round deletes", async () => {
  const month = await Month.begin(new Random(1), "all:20d");
  const { store, clock } = month;
  await month.workUntil(dayOf(clock.instant) + dayMs);
  month.stopWriter(10 * minuteMs);
  const restore = await reading(month);
  for (const name of await namesIn(store, "holds/")) await store.delete(name);
  clock.instant += minuteMs;
  // Segments that the reader reads are replaced.
  expect((await month.maintain({ partial: true })).log.written).toBeGreaterThan(0);
  clock.instant += 2 * minuteMs;
  let isPlaced = false;
  let lease: Lease | undefined;
  const acquire = Lease.acquire.bind(Lease);
  Lease.acquire = async (...args) => (lease = await acquire(...args));
  const repository = {
    ...month.repository,
    store: overriding(store, {
      async *list(prefix, options) {
        yield* store.list(prefix, options);
        if (prefix !== "" || isPlaced) return;
        isPlaced = true;
        await placeHold(store, patient(clock), "reader1", 0, () => undefined);
        for (let minute = 0; minute < 20; minute += 1) {
          clock.instant += minuteMs;
          await lease!.renew();
        }
        await renewHold(month);
      },
    }),
  };
  const options = {
    clock: patient(clock),
    owner: { host: "test", process: 2, isAlive: () => false },
    unique: "m2",
    partial: false,
    settleMs: minuteMs,
    expires: false,
    graceMs: 15 * minuteMs,
  };
  await maintain(repository, options, { onRows: () => undefined, phase: () => undefined });
  Lease.acquire = acquire;
  expect(isPlaced).toBe(true);
  await readOn(restore);
});
