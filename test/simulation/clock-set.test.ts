/**
 * The machine's clock is set, and perhaps set right again. The true time is the source's. What is called exact at an
 * instant holds all that was written two seconds before it, and nothing that was written two seconds after it.
 */
import { beforeEach, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { readCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

const minuteMs = 60_000;
const dayMs = 86_400_000;
const toleranceMs = 2000;
/** How far a clock is ahead that a start is not refused for. */
const aheadMs = 30_000;

let world: SmallWorld;
let table: string;
/** How far the source's clock is ahead of that of the simulation. */
let offsetMs: number;
/** When each document was written, by its id; and the instants to ask for. */
let written: Map<string, number>;
let instants: number[];

const truth = () => world.time.trueMs + offsetMs;

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  table = world.cluster.createTable("test", "orders");
  offsetMs = 0;
  written = new Map();
  instants = [];
});

/** Time passes; four documents are written in a second, and some instants are remembered. */
async function work(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    const id = String(written.size);
    written.set(`"${id}"`, truth());
    world.cluster.write("test", "orders", { put: { id } });
    await world.pass(250);
    if (passed % 500 === 0) instants.push(truth());
  }
}

/** Both clocks go on, and this process does not: the machine sleeps. */
function sleep(ms: number): void {
  offsetMs += ms;
  world.cluster.setClockOffset(offsetMs);
  world.wall.jump(ms);
}

async function coverage() {
  return (await readCoverage(world.store)).get(table)!;
}

/** How many of the instants are exact; all of those, and where coverage changes, hold what they must, and no more. */
async function exactInstants(): Promise<number> {
  const known = await coverage();
  const bounds = known.intervals.flatMap(({ from, to }) => [from, to]);
  let exact = 0;
  for (const [i, instant] of [...instants, ...bounds].entries()) {
    if (!isExactAt(intervalAt(known, instant), instant)) continue;
    if (i < instants.length) exact += 1;
    const state = (await restoredState(world.store, table, instant))!;
    const wrong = [...written].filter(
      ([id, at]) =>
        (at < instant - toleranceMs && !state.has(id)) ||
        (at > instant + toleranceMs && state.has(id)),
    );
    const some = wrong.slice(0, 3).map(([id, at]) => `${id}, written ${at - instant} ms after`);
    expect(some).toEqual([]);
  }
  return exact;
}

/** It goes on, and is exact again: the last instants are. */
async function expectExactAgain(): Promise<void> {
  instants = [];
  await work(30_000);
  await world.pass(30_000);
  expect(await exactInstants()).toBe(instants.length);
}

const wrongBy = [dayMs, -dayMs, -10 * 365 * dayMs, 1500, -1500, 5000, -5000, 40_000, -40_000];

test.each(wrongBy)("off by %i ms for 1.5 s between two ticks of 5 s", async (ms) => {
  world.startWriter({ recorder: { tickMs: 5000, tickMaxMs: 5000 } });
  await world.pass(2000);
  await work(17_000);
  world.wall.jump(ms);
  await work(1500);
  world.wall.jump(-ms);
  await work(20_000);
  await world.pass(60_000);
  // Nothing but what is asked of the first second, before there was a base, is lost.
  expect(await exactInstants()).toBeGreaterThan(instants.length - 5);
});

test.each(wrongBy)("off by %i ms, and never set right", async (ms) => {
  world.startWriter();
  await world.pass(2000);
  await work(10_000);
  world.wall.jump(ms);
  await work(100_000);
  await world.pass(20_000);
  expect(await exactInstants()).toBe(instants.length);
});

test.each([5000, 8000, 12_000, 20_000])(
  "set back by %i ms for good, while nothing changes, and the source's with it",
  async (ms) => {
    world.startWriter();
    await world.pass(40_000);
    sleep(-ms);
    await world.pass(1200);
    await work(minuteMs);
    await world.pass(minuteMs);
    await exactInstants();
    await expectExactAgain();
  },
);

test("a day ahead, an hour more, and set right", async () => {
  world.startWriter();
  await world.pass(2000);
  await work(5000);
  for (const ms of [dayMs, 3_600_000, -dayMs - 3_600_000]) {
    world.wall.jump(ms);
    await work(5000);
  }
  await world.pass(20_000);
  expect(await exactInstants()).toBe(instants.length);
});

test.each([dayMs, -10 * 365 * dayMs])(
  "off by %i ms at a start: it is refused, and costs nothing but the pause",
  async (ms) => {
    const first = world.startWriter();
    await world.pass(2000);
    await work(10_000);
    first.stopInOrder();
    await world.pass(3000);
    const before = await exactInstants();
    world.wall.jump(ms);
    const refused = world.startWriter();
    await world.pass(5000);
    expect(refused.outcome).toBeInstanceOf(ThinkbackError);
    expect((refused.outcome as ThinkbackError).code).toBe("clock");
    world.wall.jump(-ms);
    world.startWriter();
    await work(30_000);
    await world.pass(20_000);
    expect(await exactInstants()).toBeGreaterThan(before);
    await expectExactAgain();
  },
);

test.each([
  ["at once", 0, 0],
  ["after a restart", 1, 0],
  ["after two", 2, 0],
  ["in a pause of the capture", 1, 1000],
  ["in a long pause", 1, 10 * minuteMs],
])("half a minute ahead from the start on, and set right %s", async (_, restarts, pauseMs) => {
  world.wall.jump(aheadMs);
  let writer = world.startWriter();
  await work(minuteMs);
  const restart = async (whenStopped: () => void) => {
    writer.stopInOrder();
    await world.pass(3000 + pauseMs);
    whenStopped();
    writer = world.startWriter();
    await work(40_000);
  };
  const setRight = () => world.wall.jump(-aheadMs);
  for (let i = 1; i < restarts; i += 1) await restart(() => undefined);
  if (restarts > 0) await restart(pauseMs > 0 ? setRight : () => undefined);
  if (pauseMs === 0) setRight();
  await work(minuteMs);
  await exactInstants();
  await world.pass(minuteMs);
  await exactInstants();
  await expectExactAgain();
});

const cutOff = () => {
  world.cluster.refuseConnections(true);
  world.cluster.dropConnections();
};

test.each([
  ["has lost its feed", () => world.cluster.abortFeeds(table)],
  ["cannot be opened", cutOff],
])("set right by half a minute while a table %s", async (_, lose) => {
  world.wall.jump(aheadMs);
  world.startWriter();
  await work(minuteMs);
  lose();
  await work(100);
  world.wall.jump(-aheadMs);
  await work(5000);
  world.cluster.refuseConnections(false);
  await work(minuteMs);
  await world.pass(minuteMs);
  await exactInstants();
  await expectExactAgain();
});

test("set right by half a minute while a table is copied", async () => {
  world.wall.jump(aheadMs);
  const wrapSource = (source: Source) =>
    overriding(source, {
      async *scan(of, options) {
        await new Promise<void>((resolve) => world.time.after(10_000, resolve));
        yield* source.scan(of, options);
      },
    });
  world.startWriter({ wrapSource });
  await work(5000);
  expect(world.states).toEqual(["orders is copying"]);
  world.wall.jump(-aheadMs);
  await work(minuteMs);
  await world.pass(minuteMs);
  await exactInstants();
  await expectExactAgain();
});

test("the machine sleeps for an hour", async () => {
  world.startWriter();
  await world.pass(2000);
  await work(10_000);
  const before = instants.length;
  sleep(3_600_000);
  await work(20_000);
  await world.pass(20_000);
  expect(await exactInstants()).toBeGreaterThan(before + 30);
});
