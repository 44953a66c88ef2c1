/** Maintenance of several lanes: what is common to all of them counts in each. */
import { expect, test } from "vitest";
import { lanesIn, setLanes } from "../../src/repository/lanes.js";
import { placeHold } from "../../src/repository/registers/holds.js";
import { addPin } from "../../src/repository/registers/pins.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { patient } from "../repository/month.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const hourMs = 3_600_000;

/** A table is live in a lane, and written to each hour. */
async function live(recording: Recording, hours: number): Promise<void> {
  const { clock } = recording;
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copied = await recording.copy(table, [[1, { id: 1 }]]);
  const at = await recording.tick(10);
  await copied.finish(at, at - 10);
  recording.coverage(table, { state: "live", since: at });
  for (let hour = 0; hour < hours; hour += 1) {
    recording.put(table, 1, { id: 1, at: clock.instant });
    await recording.tick(hourMs);
  }
}

/**
 * A table was captured in lane 1 for some hours, and in lane 0 for ten days after that; one lane is left.
 * @param hasMoved false if lane 1 was left before it could say that the table is in lane 0
 */
async function moved(hasMoved = true) {
  const clock = new StillClock();
  const repository = await makeRepository();
  await declareKeep(repository.store, "all:1d", clock.instant);
  await setLanes(repository, 2, clock.instant);
  const [zero, one] = await lanesIn(repository);
  const first = await Recording.begin(one!, clock);
  await live(first, 5);
  const instant = clock.instant - hourMs;
  if (hasMoved) {
    first.coverage(table, { state: "moved", since: clock.instant, lane: 0 });
    await first.tick(1000, { closed: true });
  }
  await setLanes(repository, 1, clock.instant);
  await live(await Recording.begin(zero!, clock), 240);
  const round = async () => {
    for (const [number, lane] of (await lanesIn(repository)).entries()) {
      await maintain(
        lane,
        {
          clock: patient(clock),
          owner: { host: "test", process: 2, isAlive: () => false },
          unique: `m${number}${clock.instant}`,
          bases: () => ({ until: clock.instant }),
          partial: true,
          settleMs: 0,
          expires: true,
          graceMs: 0,
        },
        { onRows: () => undefined, phase: () => undefined },
      );
      clock.instant += 1;
    }
  };
  const classAt = async (at: number) => {
    const { tables } = await (await RepositoryView.read(repository)).coverage();
    return tables.get(table)!.intervals.find(({ from, to }) => from <= at && at <= to)?.class;
  };
  return { clock, repository, instant, round, classAt };
}

test("the history of a lane that all tables have left expires as that of the others does", async () => {
  const { repository, instant, round, classAt } = await moved();
  expect(await classAt(instant)).toBe("exact");
  for (let rounds = 0; rounds < 3; rounds += 1) await round();
  expect(await classAt(instant)).toBeUndefined();
  expect(await namesIn(repository.store, "lanes/1/bases/")).toEqual([]);
});

test("it stays while a table has not said that it is in another lane", async () => {
  const { instant, round, classAt } = await moved(false);
  for (let rounds = 0; rounds < 3; rounds += 1) await round();
  expect(await classAt(instant)).toBe("exact");
});

test("a pin keeps what is in the lane where the table was then", async () => {
  const { clock, repository, instant, round, classAt } = await moved();
  await addPin(repository.store, { name: "then", at: instant, made: clock.instant });
  for (let rounds = 0; rounds < 3; rounds += 1) await round();
  expect(await classAt(instant)).toBe("exact");
});

test("while somebody holds the repository, nothing is deleted in any lane", async () => {
  const { clock, repository, round } = await moved();
  const before = await namesIn(repository.store, "lanes/1/");
  const waits = { ...patient(clock), sleep: () => new Promise<void>(() => undefined) };
  await placeHold(repository.store, waits, "reader", clock.instant, () => undefined);
  for (let rounds = 0; rounds < 2; rounds += 1) await round();
  const after = new Set(await namesIn(repository.store, "lanes/1/"));
  const lost = before.filter((name) => !after.has(name));
  expect(lost).toEqual([]);
});
