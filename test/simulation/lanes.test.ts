/** Several processes share the lanes of a repository: what the repository says of any table is true, whatever happens. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { CapturedTables } from "../../src/capture/captured-tables.js";
import { LaneTables } from "../../src/capture/lane-tables.js";
import { TableLog } from "../../src/capture/table-log.js";
import { laneOfTable } from "../../src/repository/lanes.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { whyNotLong } from "../long.js";
import { LaneWorld } from "./lane-world.js";
import { rough } from "./rough-lanes.js";

afterEach(() => {
  vi.restoreAllMocks();
});

/** True if every table has one interval, which is exact. */
async function isWithoutGap(world: LaneWorld): Promise<boolean> {
  return [...(await world.classes()).values()].every((classes) => classes.join() === "exact");
}

async function compared(world: LaneWorld, stepMs = 3100): Promise<void> {
  await world.compare(stepMs);
  expect(world.violations, world.trace.slice(-60).join("\n")).toEqual([]);
  expect(world.compared).toBeGreaterThan(50);
}

describe("the lanes of a repository", () => {
  test("become more and fewer without a gap", async () => {
    const world = new LaneWorld(1, 8);
    world.start();
    await world.write(5000);
    await world.setLanes(4);
    await world.write(25_000);
    // Their new lanes have them, but not for long enough yet.
    expect(await livingTwice(world)).toBeGreaterThan(0);
    await world.write(40_000);
    const lanes = await (await world.view()).eachLane();
    expect(lanes).toHaveLength(4);
    for (const [lane, { coverage }] of lanes.entries()) {
      for (const [id, { state }] of coverage.tables) {
        expect(state).toBe(laneOfTable(id, 4) === lane ? "live" : "moved");
      }
    }
    await world.setLanes(1);
    await world.write(60_000);
    expect(world.running).toHaveLength(1);
    // Lanes without a table are not captured.
    expect([0, 1, 2, 3].map((lane) => world.processes[0]!.has(lane))).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(await livingTwice(world)).toBe(0);
    expect(await isWithoutGap(world), world.trace.join("\n")).toBe(true);
    await compared(world);
  });

  test("are shared by processes, without a gap when one joins and when one is replaced", async () => {
    const world = new LaneWorld(2, 8);
    await world.setLanes(4);
    const first = world.start();
    await world.write(10_000);
    const second = world.start();
    await world.write(35_000);
    const has = (process: typeof first) => [0, 1, 2, 3].filter((lane) => process.has(lane));
    expect([has(first).length, has(second).length]).toEqual([2, 2]);
    const third = world.start({ takeOver: true });
    await world.write(40_000);
    expect(has(third)).toEqual([0, 1, 2, 3]);
    expect([first.outcome, second.outcome]).toEqual([null, null]);
    expect(await isWithoutGap(world), world.trace.join("\n")).toBe(true);
    await compared(world);
  });

  test("of a process that dies are captured by the others within seconds", async () => {
    const world = new LaneWorld(3, 8);
    await world.setLanes(4);
    const first = world.start();
    await world.write(15_000);
    const second = world.start();
    await world.write(30_000);
    first.life.kill();
    await world.write(30_000);
    expect([0, 1, 2, 3].every((lane) => second.has(lane))).toBe(true);
    for (const [table, ms] of await world.behindMs()) expect(ms, table).toBeLessThan(3000);
    const classes = [...(await world.classes()).values()].map((of) => of.join());
    expect(new Set(classes)).toEqual(new Set(["exact", "exact,gap,exact"]));
    // Each lane has a catalog: those of the other process went on.
    const { catalog, access } = await (await world.view()).coverage();
    for (const of of [catalog, access]) {
      expect(of!.intervals.map((one) => one.class)).toEqual(["exact"]);
    }
    await compared(world);
  });

  test("that are given up while nobody captures them have an honest gap", async () => {
    const world = new LaneWorld(4, 8);
    await world.setLanes(3);
    const first = world.start();
    await world.write(20_000);
    first.life.kill();
    await world.setLanes(1);
    await world.write(5000);
    const second = world.start();
    await world.write(80_000);
    for (const [table, ms] of await world.behindMs()) expect(ms, table).toBeLessThan(3000);
    const classes = [...(await world.classes()).values()].map((of) => of.join());
    expect(new Set(classes)).toEqual(new Set(["exact,gap,exact"]));
    expect([1, 2].some((lane) => second.has(lane))).toBe(false);
    await compared(world);
  });
});

/** All of them are run by `npm run test:long`. */
const seeds = whyNotLong === undefined ? 25 : 1;

describe("lanes in a rough world", () => {
  test.each(Array.from({ length: seeds }, (_, i) => i + 1))("seed %i", async (seed) => {
    const world = await rough(seed, 16);
    await compared(world, 5300);
    const report = () => world.trace.slice(-80).join("\n");
    for (const [table, ms] of await world.behindMs())
      expect(ms, `${table}\n${report()}`).toBeLessThan(5000);
  });
});

interface Appending {
  append: (...of: Parameters<TableLog["append"]>) => number;
}

/** How many tables are live in more than one lane. */
async function livingTwice(world: LaneWorld): Promise<number> {
  const lanes = await (await world.view()).eachLane();
  const live = lanes.flatMap(({ coverage }) =>
    [...coverage.tables.values()].filter(({ state }) => state === "live").map((of) => of.table),
  );
  return live.length - new Set(live).size;
}

/** What is found of a bug that is planted. */
async function found(): Promise<string[]> {
  const world = new LaneWorld(5, 6);
  world.start();
  await world.write(4000);
  await world.setLanes(3);
  await world.write(60_000);
  const gaps = (await isWithoutGap(world)) ? [] : ["there is a gap"];
  await world.compare(2900);
  return [...world.violations, ...gaps];
}

describe("of planted errors", () => {
  test("a table that leaves before it has arrived is found", async () => {
    vi.spyOn(LaneTables.prototype, "arrivals").mockImplementation(function (
      this: LaneTables,
      tables,
    ) {
      const away = { lane: 1, since: 0 };
      return Promise.resolve(new Map(tables.map((table) => [table, away])));
    });
    expect(await found()).toContain("there is a gap");
  });

  test("a table that is never left, and so stays in two lanes, is found", async () => {
    vi.spyOn(CapturedTables.prototype, "move").mockImplementation(() => Promise.resolve());
    const world = new LaneWorld(6, 4);
    world.start();
    await world.write(5000);
    await world.setLanes(2);
    await world.write(70_000);
    expect(await livingTwice(world)).toBeGreaterThan(0);
  });

  test("a lane that forgets a change that its feed delivers is found", async () => {
    const log = TableLog.prototype as unknown as Appending;
    const { append } = log;
    let appended = 0;
    vi.spyOn(log, "append").mockImplementation(function (this: Appending, ...of) {
      appended += 1;
      return appended % 97 === 0 ? 0 : append.apply(this, of);
    });
    expect((await found()).length).toBeGreaterThan(0);
  });

  test("a restore that reads another lane than the one that holds the table is found", async () => {
    vi.spyOn(RepositoryView.prototype, "laneOf").mockImplementation(function (
      this: RepositoryView,
    ) {
      return Promise.resolve({ lane: 0, view: this.lanes[0]! });
    });
    expect((await found()).length).toBeGreaterThan(0);
  });
});
