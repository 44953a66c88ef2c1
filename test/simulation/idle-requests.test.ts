/** What a process costs while nothing happens, in a store that charges for requests; and that nobody takes it for gone. */
import { expect, test } from "vitest";
import { openRepository } from "../../src/repository/repository.js";
import { lookAt } from "../../src/repository/repository-view.js";
import { readStatus } from "../../src/repository/status.js";
import { CountingStore } from "../../src/storage/counting-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { noUse, type StoreUse, useSince } from "../../src/storage/store-use.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { charging } from "../storage/charging-store.js";
import { LaneWorld } from "./lane-world.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";

const minuteMs = 60_000;

function counted(world: LaneWorld, charges = true): { use: StoreUse; store: ObjectStore } {
  const use = { ...noUse };
  return { use, store: new CountingStore(charges ? charging(world.store) : world.store, use) };
}

async function pass(world: LaneWorld, ms: number): Promise<void> {
  await world.time.runUntil(world.time.nowMs + ms);
}

/** What is sent in some minutes. */
async function spentIn(minutes: number, world: LaneWorld, use: StoreUse): Promise<StoreUse> {
  const before = { ...use };
  await pass(world, minutes * minuteMs);
  return useSince(use, before);
}

async function captureState(world: LaneWorld): Promise<string> {
  const repository = await openRepository(world.store);
  return lookAt(repository, async (view) => (await readStatus(view, world.now)).capture.state);
}

/** One round of maintenance by another process, as `run` makes them. */
async function maintained(world: LaneWorld, store: ObjectStore): Promise<void> {
  const clock = new SimulatedClock(new ProcessLife(world.time), new WallClock(world.time));
  const owner = { host: "alpha", process: 100, isAlive: () => true };
  const options = {
    clock,
    owner,
    unique: "round",
    partial: false,
    settleMs: minuteMs,
    expires: true,
    graceMs: 15 * minuteMs,
  };
  const ignored = { onRows: () => undefined, phase: () => undefined };
  let isOver = false;
  const done = maintain(await openRepository(store), options, ignored).finally(() => {
    isOver = true;
  });
  while (!isOver) await pass(world, 100);
  await done;
}

test("an idle process puts less than one object a minute, and is not taken for gone", async () => {
  const world = new LaneWorld(1, 1);
  const { use, store } = counted(world);
  const process = world.start({ store: () => store });
  await pass(world, 2 * minuteMs);
  const spent = await spentIn(12, world, use);
  expect(spent.puts).toBeLessThanOrEqual(11);
  expect(spent.puts).toBeGreaterThanOrEqual(10);
  // For wishes, evidence and settings; and for what of its log is there.
  expect(spent.lists).toBeLessThanOrEqual(3 * 13);
  expect(spent.heads).toBeLessThanOrEqual(6 * 13);
  expect(spent.gets + spent.deletes).toBeLessThanOrEqual(2);
  await pass(world, 65_000);
  expect(await captureState(world)).toBe("running");
  process.life.kill();
  await pass(world, 100_000);
  expect(await captureState(world)).toBe("silent");
  // The whole hour becomes one folded segment: three objects, and two of the lease.
  await pass(world, 60 * minuteMs);
  const before = { ...use };
  await maintained(world, store);
  expect(useSince(use, before).puts).toBeLessThanOrEqual(6);
});

test("an idle hour, with its maintenance, is at most a put a minute", async () => {
  const world = new LaneWorld(1, 1);
  const { use, store } = counted(world);
  world.start({ store: () => store });
  // By then the first hour, in which the table was copied, is folded.
  await pass(world, 62 * minuteMs);
  await maintained(world, store);
  const before = { ...use };
  for (let round = 0; round < 2; round += 1) {
    await pass(world, 30 * minuteMs);
    await maintained(world, store);
  }
  expect(useSince(use, before).puts).toBeLessThanOrEqual(60);
  expect(useSince(use, before).puts).toBeGreaterThan(50);
});

test("where requests are free it stores and asks as often as ever", async () => {
  const world = new LaneWorld(1, 1);
  const { use, store } = counted(world, false);
  world.start({ store: () => store });
  await pass(world, 2 * minuteMs);
  expect((await spentIn(3, world, use)).puts).toBeGreaterThanOrEqual(17);
});

test("a process alone in three lanes puts at most one object a minute in each, and one more", async () => {
  const world = new LaneWorld(1, 3);
  await world.setLanes(3);
  const { use, store } = counted(world);
  world.start({ store: () => store });
  await pass(world, 2 * minuteMs);
  const spent = await spentIn(4, world, use);
  expect(spent.puts).toBeLessThanOrEqual(4 * (4 + 1));
  expect(spent.lists).toBeLessThanOrEqual(8 * 5);
});

test("a process that was idle is asked to hand over, and does, without a gap", async () => {
  const world = new LaneWorld(1, 1);
  const store = () => counted(world).store;
  const first = world.start({ store });
  await pass(world, minuteMs);
  const second = world.start({ store, takeOver: true });
  await pass(world, 90_000);
  expect(first.outcome, world.trace.join("\n")).toBe(null);
  expect(second.running).toBe(true);
  await pass(world, 75_000);
  expect([...(await world.classes()).values()]).toEqual([["exact"]]);
});

test("processes that share lanes hear of each other, and of one that dies", async () => {
  const world = new LaneWorld(1, 2);
  await world.setLanes(2);
  const store = () => counted(world).store;
  const first = world.start({ store });
  await pass(world, minuteMs);
  const second = world.start({ store });
  await pass(world, 2 * minuteMs);
  const lanesOf = (process: typeof first) => [0, 1].filter((lane) => process.has(lane)).length;
  expect([lanesOf(first), lanesOf(second)], world.trace.join("\n")).toEqual([1, 1]);
  second.life.kill();
  await pass(world, 2 * minuteMs);
  expect(lanesOf(first), world.trace.join("\n")).toBe(2);
});
