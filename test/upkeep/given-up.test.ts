/** A table that could not be opened for over a day, all of whose history is past the tiers, is opened in the end. */
import { expect, test } from "vitest";
import { declareKeep } from "../../src/repository/registers/settings.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { readBases } from "../repository/looks.js";
import { patient } from "../repository/month.js";
import {
  History,
  makeRepository,
  namesIn,
  Recording,
  StillClock,
} from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";

const lost = "0a000000-0000-4000-8000-000000000001";
const kept = "0b000000-0000-4000-8000-000000000002";
const hourMs = 3_600_000;

/** Nobody has watched one of two tables for four days; the capture that runs since has not been able to open it. */
async function begin() {
  const clock = new StillClock();
  const repository = await makeRepository();
  await declareKeep(repository.store, "all:1d", clock.instant);
  const history = new History();
  const first = await Recording.begin(repository, clock, history);
  for (const table of [lost, kept]) {
    first.coverage(table, { state: "copying", since: clock.instant });
    const copied = await first.copy(table, [[1, { id: 1 }]]);
    const live = await first.tick(10);
    await copied.finish(live, live - 10);
    first.coverage(table, { state: "live", since: live });
  }
  await first.tick();
  clock.instant += hourMs;
  const recording = await Recording.begin(repository, clock, history);
  recording.coverage(kept, { state: "resyncing", since: clock.instant });
  recording.coverage(kept, { state: "live", since: await recording.tick() });
  for (let hour = 0; hour < 96; hour += 1) {
    recording.put(kept, 1, { id: 1, hour });
    await recording.tick(hourMs);
  }
  const round = (store: ObjectStore) =>
    maintain(
      { ...repository, store },
      {
        clock: patient(clock),
        owner: { host: "test", process: 2, isAlive: () => false },
        unique: "m1",
        bases: () => ({ until: clock.instant }),
        partial: true,
        settleMs: 0,
        expires: true,
        graceMs: 0,
      },
      { onRows: () => undefined, phase: () => undefined },
    );
  const basesOf = async (table: string) =>
    (await readBases(repository.store)).usable.get(table)?.length ?? 0;
  return { clock, store: repository.store, recording, round, basesOf };
}

test("as long as it is not opened, all of it goes", async () => {
  const { store, round, basesOf } = await begin();
  const { expiry } = await round(store);
  expect(expiry!.givenUp).toEqual([lost]);
  expect(await basesOf(lost)).toBe(0);
  expect(await namesIn(store, `bases/${lost}/`)).toEqual([]);
});

test("if it is opened after the plan was made, nothing is expired, and its base is there", async () => {
  const { clock, store, recording, round, basesOf } = await begin();
  let isOpened = false;
  const put: ObjectStore["put"] = async (name, bytes) => {
    if (name.startsWith("expiries/") && !isOpened) {
      isOpened = true;
      recording.coverage(lost, { state: "resyncing", since: clock.instant });
      await recording.tick();
    }
    await store.put(name, bytes);
  };
  const { expiry } = await round(overriding(store, { put }));
  expect(isOpened).toBe(true);
  expect(expiry).toMatchObject({ expiry: undefined, givenUp: [lost] });
  expect(await basesOf(lost)).toBeGreaterThan(0);
  const later = await round(store);
  expect(later.expiry!.givenUp).toEqual([]);
  expect(await basesOf(lost)).toBeGreaterThan(0);
});
