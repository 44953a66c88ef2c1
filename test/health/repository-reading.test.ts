/** How often a process reads what the repository says of itself, and what becomes of that. */
import { expect, test } from "vitest";
import type { Commands } from "../../src/commands.js";
import { RepositoryReading } from "../../src/health/repository-reading.js";
import { idOf, ToldFacts } from "./told.js";

const printed = {
  restorableUntil: null,
  lastProven: null,
  lastDrillFailed: null,
  overdueKeys: [],
  lanes: [],
  segments: 7,
  foldedSegments: 0,
  tables: [
    {
      id: idOf("orders"),
      name: "shop.orders",
      state: "gap",
      lastRestorable: "2026-03-01T11:00:00.000+00:00",
      lastProven: null,
      failedDrill: null,
      damagedSince: null,
      intervals: [],
    },
  ],
};

/** At which seconds it is read, within so many hours. */
async function readings(
  hours: number,
  {
    chargesRequests = false,
    tookMs = 0,
    isOurs = (second: number): boolean => second >= 0,
    answer = (): object => printed,
  } = {},
): Promise<{ told: ToldFacts; at: number[]; reading: RepositoryReading }> {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "opening");
  const stop = new AbortController();
  const { sleep } = told.clock;
  told.clock.sleep = async (ms) => {
    await sleep(ms);
    if (told.ms === 10_000) told.tick([]);
    if (told.ms >= hours * 3_600_000) stop.abort(new Error("enough"));
  };
  const at: number[] = [];
  const commands: Commands = {
    run: async (args) => {
      expect(args).toEqual(["status"]);
      at.push(told.ms / 1000);
      told.ms += tookMs;
      return answer();
    },
  };
  const { facts, clock } = told;
  const { signal } = stop;
  const ours = () => isOurs(told.ms / 1000);
  const options = { commands, clock, chargesRequests, isOurs: ours, signal };
  const reading = new RepositoryReading(facts, options);
  await Promise.all([reading.keep(), reading.keep()]);
  return { told, at, reading };
}

test("it is read when the first tick is stored, then every five minutes; each half hour where requests cost", async () => {
  expect((await readings(0.25)).at).toEqual([10, 310, 610]);
  expect((await readings(1.25, { chargesRequests: true })).at).toEqual([10, 1810, 3610]);
});

test("reading takes at most a twentieth of the time", async () => {
  expect((await readings(1, { tookMs: 60_000 })).at).toEqual([10, 1210, 2410]);
});

test("a table of which this process has proven nothing yet is restorable as far as the repository says", async () => {
  const { told } = await readings(0.1);
  const until = Date.parse("2026-03-01T11:00:00Z");
  expect(told.facts.tables.get(idOf("orders"))!.restorableTo).toBe(until);
  expect(told.facts.repository).toMatchObject({ segments: 7 });
});

test("what a process has read is forgotten when another one reads", async () => {
  const { told, at, reading } = await readings(1, { isOurs: (second) => second < 400 });
  expect(at).toEqual([10, 310]);
  expect(told.facts.repository).toBeUndefined();
  expect(reading.last).toBeUndefined();
});

test("it is read at once when it is this process's turn again", async () => {
  const isOurs = (second: number) => second < 400 || second >= 500;
  const { told, at } = await readings(0.2, { isOurs });
  expect(at).toEqual([10, 310, 500]);
  expect(told.facts.repository).toMatchObject({ at: told.now - (720 - 500) * 1000 });
});

test("what several want lately is read once, also by a process that only asks now and then", async () => {
  const { reading, told, at } = await readings(0.05, { isOurs: () => false });
  expect(at).toEqual([]);
  const both = await Promise.all([reading.recent(), reading.recent()]);
  expect(both).toEqual([printed, printed]);
  await reading.recent();
  expect(at).toEqual([180]);
  told.ms += 300_000;
  await reading.recent();
  expect(at).toEqual([180, 480]);
  // The process that captures lane 0 speaks for the repository.
  expect(told.facts.repository).toBeUndefined();
  expect(reading.last).toBeUndefined();
});

test("what cannot be read now is as it was read before", async () => {
  let tries = 0;
  const answer = () => {
    tries += 1;
    if (tries > 1) throw new Error("the store is away");
    return printed;
  };
  const { told, reading } = await readings(0.1, { answer });
  expect(tries).toBe(2);
  expect(reading.last).toEqual(printed);
  expect(told.facts.repository).toMatchObject({ segments: 7 });
});

test("what cannot be read is counted, and tried again when it is due", async () => {
  let tries = 0;
  const answer = () => {
    tries += 1;
    if (tries === 1) throw new Error("the store is away");
    return printed;
  };
  const { told } = await readings(0.15, { answer });
  expect(told.facts.work("status")).toMatchObject({
    failures: 1,
    successes: 1,
    reason: "the store is away",
  });
});
