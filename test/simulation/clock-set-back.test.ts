/** The machine's clock is set back: an instant that it shows twice is not called exact without what was written then. */
import { beforeEach, expect, test } from "vitest";
import { intervalAt, isExactAt } from "../../src/repository/coverage.js";
import { readCoverage } from "../../src/repository/coverage-reader.js";
import { encodeJsonObject } from "../../src/repository/json-object.js";
import { repositoryName } from "../../src/repository/names.js";
import { namesIn } from "../repository/recording.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

let world: SmallWorld;
let table: string;

const put = (id: string, i = 0) => world.cluster.write("test", "orders", { put: { id, i } });

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  table = world.cluster.createTable("test", "orders");
  put("first");
});

async function keysAt(instant: number): Promise<string[]> {
  return [...(await restoredState(world.store, table, instant))!.keys()];
}

/** Writes, and asks for an instant that the clock shows right after, long after. */
async function expectNoFalseClaim(afterMs: number): Promise<void> {
  put("after");
  await world.pass(afterMs);
  const asked = world.wall.now();
  await world.pass(120_000);
  const coverage = (await readCoverage(world.store)).get(table)!;
  const { intervals } = coverage;
  for (const [i, { from, to }] of intervals.entries()) {
    expect(from).toBeLessThanOrEqual(to);
    if (i > 0) expect(from).toBeGreaterThan(intervals[i - 1]!.to);
  }
  if (isExactAt(intervalAt(coverage, asked), asked)) {
    expect(await keysAt(asked)).toContain('"after"');
  }
  // It goes on, and is exact again.
  const { frontier } = coverage;
  expect(isExactAt(intervalAt(coverage, frontier!), frontier!)).toBe(true);
  expect(await keysAt(frontier!)).toContain('"after"');
}

test.each([5000, 8000, 12_000, 20_000])("by %i ms, while nothing changes", async (ms) => {
  world.startWriter();
  await world.pass(5000);
  const segments = async () => (await namesIn(world.store, "log/")).length;
  const before = await segments();
  while ((await segments()) === before) await world.pass(100);
  // Right before the next segment is due.
  await world.pass(9300);
  world.wall.jump(-ms);
  await world.pass(1200);
  await expectNoFalseClaim(1000);
});

test.each([1500, 5000, 20_000, 60_000])("by %i ms, between two ticks", async (ms) => {
  world.startWriter();
  for (let i = 0; i < 700; i += 1) {
    put("busy", i);
    await world.pass(100);
  }
  world.wall.jump(-ms);
  await world.pass(100);
  await expectNoFalseClaim(60);
});

test.each(["a restart", "a lost feed", "a restart, while nobody captures"])(
  "to before the hole that %s left",
  async (how) => {
    const first = world.startWriter();
    await world.pass(60_000);
    if (how === "a lost feed") {
      world.cluster.abortFeeds(table);
    } else {
      first.stopInOrder();
      await world.pass(3000);
      const second = world.startWriter();
      if (how !== "a restart") {
        await world.pass(10_000);
        second.stopInOrder();
        await world.pass(3000);
      }
    }
    await world.pass(10_000);
    world.wall.jump(-40_000);
    if (how === "a restart, while nobody captures") world.startWriter();
    await world.pass(3000);
    await expectNoFalseClaim(2000);
  },
);
