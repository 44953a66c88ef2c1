/** Lanes whose capture cannot begin: a process that shares them says so, as one alone does, and one speaks for all. */
import { describe, expect, test, vi } from "vitest";
import { isFirst } from "../../src/health/frontier.js";
import { healthOf, patienceMs } from "../../src/health/health.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { StoreUnreachable } from "../storage/hostile-store.js";
import type { LaneProcess } from "./lane-process.js";
import { LaneWorld } from "./lane-world.js";
import { coordinatedBy, SimulatedRedis } from "./simulated-redis.js";

// Minutes of several processes take a few seconds; on a machine that is busy much longer.
vi.setConfig({ testTimeout: 180_000 });

/** A way to the source that can be cut. */
class Way {
  isCut = true;

  constructor(private readonly world: LaneWorld) {}

  open() {
    if (this.isCut) throw new Error("connection refused");
    return this.world.cluster.open();
  }
}

const wrongIn = (world: LaneWorld, { facts }: LaneProcess) =>
  healthOf(facts, world.now).wrong.map(({ what, text }) => `${what}: ${text}`);
const speaks = ({ facts, keeper }: LaneProcess) => isFirst(facts, keeper!.leads);
const refused = "capture: nothing is captured: cannot connect: connection refused";
const traceOf = (world: LaneWorld) => world.trace.slice(-40).join("\n");

describe.each([
  ["by the repository", () => ({})],
  [
    "by Redis",
    (of: LaneWorld) => ({ wrapCoordinator: coordinatedBy(new SimulatedRedis(of.time)) }),
  ],
])("of processes that find each other %s", (_, coordination) => {
  test("a sole one that does not reach the source says so until it captures", async () => {
    const world = new LaneWorld(1, 3);
    await world.setLanes(2);
    const way = new Way(world);
    const process = world.start({ cluster: way, ...coordination(world) });
    await world.write(patienceMs + 15_000);
    for (let looks = 0; looks < 100; looks += 1) {
      expect([wrongIn(world, process), speaks(process)], traceOf(world)).toEqual([[refused], true]);
      await world.write(1000);
    }
    way.isCut = false;
    await world.write(150_000);
    expect([wrongIn(world, process), process.has(0), process.has(1)]).toEqual([[], true, true]);
    expect(speaks(process)).toBe(true);
  });

  test("of several that do not, one speaks for all; when one captures, it speaks, and nothing is wrong", async () => {
    const world = new LaneWorld(2, 3);
    await world.setLanes(2);
    const way = new Way(world);
    const more = coordination(world);
    const all = [1, 2].map(() => world.start({ cluster: way, ...more }));
    await world.write(patienceMs + 60_000);
    for (let looks = 0; looks < 30; looks += 1) {
      expect(all.map(speaks).filter(Boolean), traceOf(world)).toHaveLength(1);
      expect(all.map((one) => wrongIn(world, one))).toEqual(all.map(() => [refused]));
      await world.write(1000);
    }
    const last = world.start(more);
    await world.write(120_000);
    expect([...all, last].map(speaks), traceOf(world)).toEqual([false, false, true]);
    expect([...all, last].flatMap((one) => wrongIn(world, one))).toEqual([]);
  });
});

test("a lane that alone cannot be captured is named, and speaks for itself no more when it is given up", async () => {
  const world = new LaneWorld(3, 6);
  await world.setLanes(2);
  const way = new Way(world);
  way.isCut = false;
  const process = world.start({ cluster: way });
  await world.write(15_000);
  way.isCut = true;
  await world.setLanes(3);
  await world.write(patienceMs + 15_000);
  const lost = "capture: lane 2 is not captured: cannot connect: connection refused";
  expect(wrongIn(world, process), traceOf(world)).toEqual([lost]);
  await world.setLanes(2);
  await world.write(15_000);
  expect(wrongIn(world, process), traceOf(world)).toEqual([]);
});

/** Takes no members. */
class Refusing extends StoreLayer {
  isAway = true;

  override put(name: string, bytes: Buffer): Promise<void> {
    if (this.isAway && name.startsWith("members/")) {
      return Promise.reject(new StoreUnreachable("put", name));
    }
    return super.put(name, bytes);
  }
}

test("a repository that is away before any lane was begun is told, and only while it is", async () => {
  const world = new LaneWorld(4, 3);
  await world.setLanes(2);
  const store = new Refusing(world.store);
  const process = world.start({ store: () => store });
  await world.write(patienceMs + 10_000);
  const [wrong, ...more] = wrongIn(world, process);
  expect(wrong).toMatch(/^capture: nothing is captured: .*network failure at put members/);
  expect([more, speaks(process)]).toEqual([[], true]);
  store.isAway = false;
  await world.write(15_000);
  expect(wrongIn(world, process)).toEqual([]);
});

test("a process that stands by says nothing of itself until it is its turn, and it cannot begin", async () => {
  const world = new LaneWorld(5, 3);
  const first = world.start();
  await world.write(10_000);
  const way = new Way(world);
  const second = world.start({ standby: true, cluster: way });
  await world.write(patienceMs + 60_000);
  expect([wrongIn(world, second), speaks(second)]).toEqual([[], false]);
  first.life.kill();
  await world.write(patienceMs + 60_000);
  for (let looks = 0; looks < 60; looks += 1) {
    expect([wrongIn(world, second), speaks(second)], traceOf(world)).toEqual([[refused], true]);
    await world.write(1000);
  }
  // Another one is faster: it is this one's turn no more.
  const third = world.start({ standby: true });
  await world.write(60_000);
  expect([wrongIn(world, third), speaks(third)], traceOf(world)).toEqual([[], true]);
  expect([wrongIn(world, second), speaks(second)], traceOf(world)).toEqual([[], false]);
});
