/** Processes that share the only lane by Redis. */
import { expect, test } from "vitest";
import type { LaneProcess } from "./lane-process.js";
import { LaneWorld } from "./lane-world.js";
import { coordinatedBy, SimulatedRedis } from "./simulated-redis.js";

test("the only lane goes from a process that dies to the next one, and one that stood still ends", async () => {
  const world = new LaneWorld(5, 3);
  const wrapCoordinator = coordinatedBy(new SimulatedRedis(world.time));
  const [first, second, third] = [1, 2, 3].map(() => world.start({ wrapCoordinator }));
  const has = () => [first, second, third].map((one) => one!.has(0));
  await world.write(20_000);
  const owner = () => [first, second, third][has().indexOf(true)]!;
  expect(has().filter((one) => one)).toHaveLength(1);
  const dead = owner();
  dead.life.kill();
  await world.write(10_000);
  const isAlive = ({ life }: LaneProcess) => !life.dead;
  const next = [first, second, third].find((one) => isAlive(one!) && one!.has(0))!;
  expect(next, world.trace.join("\n")).toBeDefined();
  next.life.freeze();
  await world.write(18_000);
  next.life.thaw();
  await world.write(10_000);
  expect(next.outcome).toMatchObject({ code: "fenced" });
  const last = [first, second, third].find((one) => one !== dead && one !== next)!;
  expect(last.has(0)).toBe(true);
  await world.write(10_000);
  await world.compare(1700);
  expect(world.violations).toEqual([]);
  const classes = [...(await world.classes()).values()].map((of) => of.join());
  expect(new Set(classes)).toEqual(new Set(["exact,gap,exact,gap,exact"]));
});
