/** When heartbeats are sent, and when not. */
import { expect, test } from "vitest";
import { keepBeating } from "../../src/health/heartbeat.js";
import { began, ToldFacts } from "./told.js";

interface World {
  told: ToldFacts;
  isFirst: boolean;
  /** A monitor that takes no heartbeat. */
  refuses: boolean;
  /** Seconds from the beginning at which one was sent. */
  sent: number[];
  /** What happens each second, before it is looked whether a heartbeat is due. */
  each: (second: number) => void;
}

function world(): World {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "live");
  const each = () => told.tick(["orders"]);
  return { told, isFirst: true, refuses: false, sent: [], each };
}

/** Runs the heartbeats for so many seconds. */
async function beat(of: World, seconds: number): Promise<number[]> {
  const { told } = of;
  const stop = new AbortController();
  const { sleep } = told.clock;
  const end = told.ms + seconds * 1000;
  told.clock.sleep = async (ms) => {
    await sleep(ms);
    if (told.ms >= end) stop.abort(new Error("enough"));
    else of.each(told.ms / 1000);
  };
  const options = {
    clock: told.clock,
    isFirst: () => of.isFirst,
    send: async () => {
      of.sent.push((told.now - began) / 1000);
      if (of.refuses) throw new Error("the monitor answered with status 500");
    },
  };
  await keepBeating(told.facts, options, stop.signal);
  told.clock.sleep = sleep;
  return of.sent;
}

test("they begin with the first proof, and are a minute apart", async () => {
  const of = world();
  of.each = (second) => {
    if (second >= 5) of.told.tick(["orders"]);
  };
  expect(await beat(of, 200)).toEqual([5, 65, 125, 185]);
  expect(of.told.facts.work("heartbeat")).toMatchObject({ successes: 4, failures: 0 });
});

test("they stop while the store takes no ticks, and go on with it", async () => {
  const of = world();
  of.each = (second) => {
    if (second < 70 || second >= 400) of.told.tick(["orders"]);
  };
  // The last proof is of second 69, and may be a minute old.
  expect(await beat(of, 470)).toEqual([1, 61, 121, 400, 460]);
});

test("they stop while one table is not proven, however well the others are", async () => {
  const of = world();
  of.told.state("users", "live");
  of.each = (second) =>
    of.told.tick({ orders: of.told.now, users: began + Math.min(second, 30) * 1000 });
  expect(await beat(of, 300)).toEqual([1, 61]);
});

test("they stop while a drill has failed", async () => {
  const of = world();
  of.each = (second) => {
    of.told.tick(["orders"]);
    if (second === 30) of.told.facts.failed("drill", new Error("shop.orders differs"));
    if (second === 150) of.told.facts.succeeded("drill");
  };
  expect(await beat(of, 200)).toEqual([1, 150]);
});

test("only the first process sends them, and none that captures nothing", async () => {
  const second = world();
  second.isFirst = false;
  expect(await beat(second, 100)).toEqual([]);
  const idle = world();
  idle.told.lane(0).ends();
  idle.each = () => undefined;
  expect(await beat(idle, 100)).toEqual([]);
});

test("one that the monitor does not take is not repeated within the minute", async () => {
  const of = world();
  of.refuses = true;
  expect(await beat(of, 130)).toEqual([1, 61, 121]);
  expect(of.told.facts.work("heartbeat")).toMatchObject({
    successes: 0,
    failures: 3,
    reason: "the monitor answered with status 500",
  });
});
