/** Processes that share lanes on machines whose clocks are wrong: an instant is the same one in every lane. */
import { expect, test } from "vitest";
import type { LaneProcess } from "./lane-process.js";
import { LaneWorld } from "./lane-world.js";

const stepMs = 1700;

/** Two lanes of four tables, and a process on a machine whose clock is off by so much. */
async function sharing(wrongMs: number): Promise<{ world: LaneWorld; process: LaneProcess }> {
  const world = new LaneWorld(3, 4);
  await world.setLanes(2);
  const process = world.start();
  if (wrongMs !== 0) world.walls.get(process)!.jump(wrongMs);
  return { world, process };
}

const traceOf = (world: LaneWorld) => world.trace.slice(-40).join("\n");

/** All that was written is true, and every table has one interval, which is exact. */
async function expectExact(world: LaneWorld): Promise<void> {
  await world.compare(stepMs);
  expect(world.violations, traceOf(world)).toEqual([]);
  expect(world.compared).toBeGreaterThan(50);
  for (const [table, classes] of await world.classes()) expect(classes, table).toEqual(["exact"]);
  for (const [table, ms] of await world.behindMs()) expect(Math.abs(ms), table).toBeLessThan(3000);
}

test.each([9000, -9000, 300_000, -300_000])(
  "a clock that is off by %i ms from the start on is set right: no label moves, and nothing is late",
  async (ms) => {
    const { world, process } = await sharing(ms);
    await world.write(10_000);
    world.walls.get(process)!.jump(-ms);
    await world.write(15_000);
    for (const { view } of await (await world.view()).eachLane())
      expect((await view.end())!.aheadOfSource).toBeUndefined();
    await expectExact(world);
  },
);

test.each([9000, -9000])(
  "a clock that is set by %i ms while captures begin moves no label",
  async (ms) => {
    for (let afterMs = 5; afterMs < 65; afterMs += 10) {
      const { world, process } = await sharing(20_000);
      world.time.after(afterMs, () => world.walls.get(process)!.jump(ms));
      await world.write(9000);
      await world.compare(stepMs);
      expect(world.violations, `${afterMs} ms after the start\n${traceOf(world)}`).toEqual([]);
    }
  },
);

test("a lane whose log is lost goes on by the source's clock, though the machine's has been set", async () => {
  const { world, process } = await sharing(0);
  await world.write(10_000);
  world.walls.get(process)!.jump(-9000);
  await world.write(5000);
  const names: string[] = [];
  for await (const { name } of world.store.list("lanes/1/log/")) names.push(name);
  for (const name of names.slice(-2)) await world.store.delete(name);
  await world.write(40_000);
  await world.compare(stepMs);
  expect(world.violations, traceOf(world)).toEqual([]);
  expect(process.outcome).toBeUndefined();
  const classes = new Set([...(await world.classes()).values()].map((of) => of.join()));
  expect(classes, traceOf(world)).toEqual(new Set(["exact", "exact,gap,exact"]));
});
