/** Processes that share lanes by a Redis that fails, forgets, goes back and is lost by one of them alone. */
import { describe, expect, test } from "vitest";
import type { LaneProcess } from "./lane-process.js";
import type { LaneWorld } from "./lane-world.js";
import { type Coordinating, rough } from "./rough-lanes.js";
import { coordinatedBy, SimulatedRedis } from "./simulated-redis.js";

function byRedis(world: LaneWorld): Coordinating {
  const redis = new SimulatedRedis(world.time);
  const { random } = world;
  const befall = (running: readonly LaneProcess[]) => {
    const chance = random.next();
    if (chance < 0.15) redis.flush();
    else if (chance < 0.25) redis.save();
    else if (chance < 0.35) redis.goBack();
    else if (chance < 0.55) redis.isDown = !redis.isDown;
    else if (chance < 0.65) redis.jump((random.next() - 0.5) * 100_000);
    else if (chance < 0.85) {
      for (const { life } of running) redis.cut(life, random.next() < 0.4);
    } else return;
    world.note(`Redis: ${chance.toFixed(2)}`);
  };
  const calm = () => {
    redis.isDown = false;
    for (const { life } of world.processes) redis.cut(life, false);
  };
  return { wrapCoordinator: coordinatedBy(redis), befall, calm };
}

describe("lanes shared by Redis in a rough world", () => {
  test.each(Array.from({ length: 20 }, (_, i) => 101 + i))(
    "seed %i",
    async (seed) => {
      const world = await rough(seed, 16, byRedis);
      await world.compare(5300);
      const report = () => world.trace.slice(-80).join("\n");
      expect(world.violations, report()).toEqual([]);
      expect(world.compared).toBeGreaterThan(50);
      for (const [table, ms] of await world.behindMs())
        expect(ms, `${table}\n${report()}`).toBeLessThan(5000);
    },
    180_000,
  );
});
