/** What becomes of the lanes when processes start together, end in order, or cannot do what they should. */
import { expect, test } from "vitest";
import { latestEpoch } from "../../src/repository/log/claims.js";
import { WithoutStore } from "../../src/storage/without-store.js";
import type { LaneProcess } from "./lane-process.js";
import { LaneWorld } from "./lane-world.js";

const lanesHad = (process: LaneProcess, lanes = 4) =>
  Array.from({ length: lanes }, (_, lane) => lane).filter((lane) => process.has(lane));

/** A world with so many lanes, whose processes begin. */
async function worldOf(lanes: number, tables = 6): Promise<LaneWorld> {
  const world = new LaneWorld(7, tables);
  if (lanes > 1) await world.setLanes(lanes);
  return world;
}

async function classesOf(world: LaneWorld): Promise<Set<string>> {
  return new Set([...(await world.classes()).values()].map((of) => of.join()));
}

const traceOf = (world: LaneWorld) => world.trace.slice(-40).join("\n");

test("processes that are started together in the place of others replace those, and not each other", async () => {
  const world = await worldOf(4);
  const old = world.start();
  await world.write(15_000);
  const first = world.start({ takeOver: true });
  await world.write(3000);
  const second = world.start({ takeOver: true });
  await world.write(70_000);
  expect(old.outcome).toBe(null);
  expect([lanesHad(first).length, lanesHad(second).length], traceOf(world)).toEqual([2, 2]);
  expect(await classesOf(world)).toEqual(new Set(["exact"]));
});

test("two that see each other before either says so are not replaced by each other", async () => {
  const world = await worldOf(2, 3);
  const both = [world.start({ takeOver: true }), world.start({ takeOver: true })];
  await world.write(40_000);
  expect(
    both.map((one) => lanesHad(one, 2).length),
    traceOf(world),
  ).toEqual([1, 1]);
});

test("a process that ends in order hands its lanes to the others, without a gap", async () => {
  const world = await worldOf(4);
  const first = world.start();
  await world.write(12_000);
  const second = world.start();
  await world.write(30_000);
  first.stopInOrder();
  await world.write(30_000);
  expect(first.outcome).toBe(null);
  expect(lanesHad(second), traceOf(world)).toEqual([0, 1, 2, 3]);
  expect(await classesOf(world)).toEqual(new Set(["exact"]));
  second.stopInOrder();
  await world.write(3000);
  // Nobody is there to hand to: it does not wait.
  expect(second.outcome).toBe(null);
});

test("lanes that a process cannot capture, because it does not reach the source, are taken by another one", async () => {
  const world = await worldOf(4);
  const unreached = () => {
    throw new Error("no way to the source");
  };
  world.start({ cluster: { open: unreached } });
  const healthy = world.start();
  await world.write(100_000);
  expect(lanesHad(healthy), traceOf(world)).toEqual([0, 1, 2, 3]);
});

test("a process that stands by takes its share when there are several lanes", async () => {
  const world = await worldOf(1);
  const first = world.start({ standby: true });
  await world.write(8000);
  const second = world.start({ standby: true });
  await world.write(5000);
  await world.setLanes(2);
  await world.write(60_000);
  expect(
    [first, second].map((one) => lanesHad(one).length),
    traceOf(world),
  ).toEqual([1, 1]);
  expect(await classesOf(world)).toEqual(new Set(["exact"]));
});

test("a lane whose description is lost stops neither the others nor the process", async () => {
  const world = await worldOf(1);
  const process = world.start();
  await world.write(5000);
  await world.setLanes(3);
  await world.store.delete("lanes/2/repository.json");
  await world.write(60_000);
  expect(process.outcome, traceOf(world)).toBeUndefined();
  expect(lanesHad(process)).toEqual([0, 1]);
  // Readers stop.
  await expect(world.classes()).rejects.toThrow("lanes/2/repository.json");
  process.stopInOrder();
  await world.write(3000);
  expect(process.outcome).toBe(null);
});

test.each([1, 3])(
  "damaged settings do not keep a process from capturing %i lanes",
  async (lanes) => {
    const world = await worldOf(lanes);
    await world.store.put("settings/0000000009.json", Buffer.from("garbage"));
    const process = world.start();
    await world.write(20_000);
    expect(process.outcome, traceOf(world)).toBeUndefined();
    expect(lanesHad(process)).toHaveLength(lanes);
    expect(await classesOf(world)).toEqual(new Set(["exact"]));
  },
);

test("what is damaged in a lane is named with the lane", async () => {
  const world = await worldOf(2);
  world.start();
  await world.write(5000);
  await world.store.delete("lanes/1/writers/00000001.json");
  await world.store.put("lanes/1/writers/00000001.json", Buffer.from("garbage"));
  await expect(world.classes()).rejects.toMatchObject({ object: "lanes/1/writers/00000001.json" });
});

test("a table that nobody selects any more does not keep its retired lane busy", async () => {
  const world = await worldOf(2);
  const first = world.start();
  await world.write(10_000);
  first.life.kill();
  await world.setLanes(1);
  world.start({ selects: (_, table) => table !== "t0" && table !== "t1" });
  await world.write(150_000);
  const { store } = (await world.view()).lanes[1]!;
  expect(await latestEpoch(store), traceOf(world)).toBeLessThan(5);
});

test("a repository whose lanes are lost is not read as if it were whole", async () => {
  const world = await worldOf(4);
  world.start();
  await world.write(10_000);
  const namesBelow = async (prefix: string) => {
    const names: string[] = [];
    for await (const { name } of world.store.list(prefix)) names.push(name);
    return new Set(names);
  };
  const without = async (gone: Set<string>) => {
    const left = new LaneWorld(1, 0);
    Object.assign(left, { store: new WithoutStore(world.store, gone) });
    return left.view();
  };
  await expect(without(await namesBelow("lanes/"))).rejects.toThrow("lanes/1/repository.json");
  // Without settings the names of objects tell how many lanes there are.
  expect((await without(await namesBelow("settings/"))).lanes).toHaveLength(4);
});
