/**
 * Kills a maintenance before every write and delete that it makes: whatever it had done, the next ones leave what they
 * would have left if it had never been killed.
 */
import { expect, test } from "vitest";
import type { Instant } from "../../src/instant.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { addPin } from "../../src/repository/registers/pins.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { dayMs } from "../repository/declared.js";
import { readCoverage } from "../repository/looks.js";
import { patient } from "../repository/month.js";
import {
  copyOf,
  History,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { KillingStore } from "./killing-store.js";
import { Killed, untilDeath } from "./mortal-store.js";
import { ProcessLife } from "./process-life.js";
import { verifyRepository } from "./stored-objects.js";
import { VirtualTime } from "./virtual-time.js";

const hourMs = 3_600_000;
const description = { id: "00000000-0000-4000-8000-0000000000ff", created: 0 };
const tables = ["0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"];

function round(store: ObjectStore, unique: string, now: Instant, until: Instant) {
  return maintain(
    { store, description },
    {
      clock: patient(new StillClock(now)),
      owner: { host: "test", process: 2, isAlive: () => false },
      unique,
      bases: () => ({ until, partBytesTarget: 100 }),
      partial: true,
      settleMs: 60_000,
      expires: true,
      graceMs: 900_000,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
}

/** Days after which a maintenance has something to fold, to thin, to expire and to delete. */
async function someDays() {
  const clock = new StillClock(Date.UTC(2026, 10, 21, 18));
  const repository = await makeRepository();
  const { store } = repository;
  const history = new History();
  await declareKeep(store, "all:1d, 1h:2d", clock.instant);
  const recording = await Recording.begin(repository, clock, history);
  for (const table of tables) {
    recording.coverage(table, { state: "copying", since: clock.instant });
    const copy = await recording.copy(table, [[0, { id: 0 }]]);
    const live = await recording.tick(10);
    await copy.finish(live, live - 10);
    recording.coverage(table, { state: "live", since: live });
  }
  const probes: Instant[] = [];
  for (let day = 0; day < 5; day += 1) {
    for (let tick = 0; tick < 3; tick += 1) {
      for (const table of tables) {
        for (const key of [tick, day % 3, 7]) recording.put(table, key, { id: key, day, tick });
      }
      probes.push(await recording.tick(dayMs / 6));
    }
    if (day === 1) await addPin(store, { name: "p", at: probes.at(-2)!, made: clock.instant });
    clock.instant += dayMs / 2;
    await recording.tick(10);
    if (day < 4) await round(store, `day${day}`, clock.instant, clock.instant);
  }
  const hours = probes.map((at) => at - ((at + 1) % hourMs));
  return { store, history, now: clock.instant, probes: [...probes, ...hours] };
}

type Days = Awaited<ReturnType<typeof someDays>>;

/** A round that is killed, and two that are not. What they leave, and the writes of the first. */
async function outcome({ store: before, history, now, probes }: Days, killAt: number) {
  const store = await copyOf(before);
  const life = new ProcessLife(new VirtualTime());
  const killing = new KillingStore(store, life, killAt, "before");
  // One that dies while it gives back its lease has done all that it had to do.
  await round(untilDeath(killing, life), "first", now, now).catch((error: unknown) => {
    if (!(error instanceof Killed)) throw error;
  });
  expect(life.dead).toBe(killAt > 0);
  await verifyRepository(store);
  await round(store, "second", now + hourMs, now);
  await round(store, "third", now + 2 * hourMs, now);
  const coverage = await readCoverage(store);
  let exact = 0;
  for (const table of tables) {
    for (const at of probes) {
      if (!isExactAt(intervalAt(coverage.get(table)!, at), at)) continue;
      exact += 1;
      expect(await restoredAt(store, table, at)).toEqual(history.at(table, at));
    }
  }
  const names = (await namesIn(store))
    .filter((name) => !/^(leases|expiries)\//.test(name))
    .map((name) => name.replace(/-(first|second|third)x?\//, "/"));
  return { left: { coverage, exact, names }, writes: killing.writes };
}

test("a maintenance that is killed at any write is made good by the next", async () => {
  const days = await someDays();
  const { left, writes } = await outcome(days, 0);
  const isThere = (name: string) => left.names.includes(name);
  const gone = (await namesIn(days.store)).filter((name) => !isThere(name));
  expect(gone.some((name) => name.startsWith("log/"))).toBe(true);
  expect(gone.some((name) => name.startsWith("folded/"))).toBe(true);
  expect(gone.some((name) => name.startsWith("bases/"))).toBe(true);
  expect(left.exact).toBeGreaterThan(10);
  expect(writes).toBeGreaterThan(30);
  for (let killAt = 1; killAt <= writes; killAt += 1) {
    expect((await outcome(days, killAt)).left, `killed before write ${killAt}`).toEqual(left);
  }
}, 120_000);
