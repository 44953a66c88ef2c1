/** A world in which everything happens to the processes that share lanes. */
import type { Coordinator, Member } from "../../src/repository/registers/members.js";
import type { LaneProcess, LaneProcessSetup } from "./lane-process.js";
import { LaneWorld } from "./lane-world.js";

/** How processes find each other, and what may befall that. */
export interface Coordinating {
  wrapCoordinator: NonNullable<LaneProcessSetup["wrapCoordinator"]>;
  /** Called at each step. */
  befall(running: readonly LaneProcess[]): void;
  /** From now on all is well. */
  calm(): void;
}

/** Tells of members that are there as gone, and of those that are gone as there, with the lanes that they had. */
function lying(world: LaneWorld): (coordinator: Coordinator) => Coordinator {
  const ever = new Map<string, Member>();
  return (coordinator) => ({
    unique: coordinator.unique,
    renewMs: coordinator.renewMs,
    sharesOneLane: coordinator.sharesOneLane,
    heldSinceMs: () => coordinator.heldSinceMs(),
    renew: async (...said) => {
      for (const other of await coordinator.renew(...said)) ever.set(other.unique, other);
      return [...ever.values()].filter(() => world.random.next() < 0.7);
    },
    hasGone: (unique) => coordinator.hasGone(unique) || world.random.next() < 0.5,
    leave: () => coordinator.leave(),
  });
}

/** Processes come, stand still and go, the number of lanes changes, clocks jump, stores fail, and the coordinator lies. */
export async function rough(
  seed: number,
  steps: number,
  coordinate?: (world: LaneWorld) => Coordinating,
): Promise<LaneWorld> {
  const world = new LaneWorld(seed, 5);
  const coordinating = coordinate?.(world);
  const { random, time, weather, walls } = world;
  const lies = random.next() < 0.5;
  const wrapCoordinator: Coordinating["wrapCoordinator"] = (members, of) => {
    const coordinator = coordinating?.wrapCoordinator(members, of) ?? members;
    return lies ? lying(world)(coordinator) : coordinator;
  };
  const start = (takeOver = false) => world.start({ takeOver, wrapCoordinator });
  start();
  await world.write(8000);
  for (let step = 0; step < steps; step += 1) {
    const { running } = world;
    const one = running[random.below(running.length || 1)];
    const chance = random.next();
    if (running.length === 0 || (chance < 0.2 && running.length < 3)) start(random.next() < 0.3);
    else if (chance < 0.4) await world.setLanes(1 + random.below(4));
    else if (chance < 0.52) {
      world.note(`kill process ${one!.number}`);
      one!.life.kill();
    } else if (chance < 0.62) {
      world.note(`stop process ${one!.number}`);
      one!.stopInOrder();
    } else if (chance < 0.75) {
      const forMs = 1000 + random.next() * [5000, 30_000, 90_000][random.below(3)]!;
      world.note(`process ${one!.number} stands still for ${forMs.toFixed(0)} ms`);
      one!.life.freeze();
      time.after(forMs, () => one!.life.thaw());
    } else if (chance < 0.82) {
      weather.failsUntilMs = time.nowMs + random.next() * 10_000;
      world.note("the store fails");
    } else if (chance < 0.9) {
      weather.losingReplies = random.next() < 0.5 ? 0 : 0.02;
      weather.staleMs = random.next() < 0.7 ? 0 : 3000;
      world.note("the store is unreliable");
    } else {
      const ms = (random.next() < 0.5 ? -1 : 1) * Math.round(1000 + random.next() * 10_000);
      world.note(`the clock of process ${one!.number} is set by ${ms} ms`);
      walls.get(one!)!.jump(ms);
    }
    coordinating?.befall(world.running);
    await world.write(1000 + random.next() * 15_000);
    if (step % 8 === 7) await world.compare(5000 + random.next() * 5000);
  }
  Object.assign(weather, { losingReplies: 0, staleMs: 0 });
  coordinating?.calm();
  for (const process of world.running) process.life.thaw();
  // One that was told to stop while it stood still ends now.
  await world.write(20_000);
  if (world.running.length === 0) start();
  await world.write(60_000);
  return world;
}
