/** The last segment is lost or damaged after everything was folded: the log goes on from what the folded segment says. */
import { beforeEach, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { verify } from "../../src/verify/verify.js";
import { readCoverage, readStatus } from "../repository/looks.js";
import { namesIn } from "../repository/recording.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

const minuteMs = 60_000;
const description = { id: "small-world", created: 0 };

let world: SmallWorld;
let table: string;
let last: string;

/** A writer that has ended; all of its segments are folded, and the last one alone is still there. */
beforeEach(async () => {
  world = new SmallWorld();
  const { store, cluster } = world;
  await store.put(repositoryName, encodeJsonObject("repository", description));
  table = cluster.createTable("test", "orders");
  const writer = world.startWriter();
  await world.pass(minuteMs);
  cluster.write("test", "orders", { put: { id: 1 } });
  await world.pass(minuteMs);
  writer.stopInOrder();
  await world.pass(10_000);
  for (let round = 1; round <= 3; round += 1) {
    await world.pass(20 * minuteMs);
    const options = {
      clock: world.process().clock,
      owner: { host: "alpha", process: 99, isAlive: () => true },
      unique: `m${round}`,
      partial: true,
      settleMs: minuteMs,
      expires: true,
      graceMs: 15 * minuteMs,
    };
    const observer = { onRows: () => undefined, phase: () => undefined };
    const maintained = maintain({ store, description }, options, observer);
    await world.pass(1000);
    await maintained;
  }
  const segments = await namesIn(store, "log/");
  expect(segments).toHaveLength(1);
  last = segments[0]!;
});

async function firstExact(): Promise<number> {
  return (await readCoverage(world.store)).get(table)!.intervals[0]!.from;
}

async function expectGoesOn(): Promise<void> {
  const { store, cluster } = world;
  const first = await firstExact();
  const { damage } = (await verify(store, { share: 1, random: () => 0 })).report;
  expect(damage.flatMap(({ costs }) => costs)).toEqual([]);
  expect((await readStatus({ store, description })).tables[0]).toMatchObject({ id: table });
  cluster.write("test", "orders", { put: { id: 2 } });
  const writer = world.startWriter();
  await world.pass(minuteMs);
  expect(writer.outcome).toBeUndefined();
  expect(world.states.at(-1)).toMatch(/is live/);
  expect(world.states.filter((state) => state.includes("copying"))).toHaveLength(1);
  expect(await firstExact()).toBe(first);
  const { frontier } = (await readCoverage(store)).get(table)!;
  expect(await restoredState(store, table, frontier!)).toEqual(cluster.documents("test", "orders"));
}

test("lost", async () => {
  await world.store.delete(last);
  await expectGoesOn();
});

test("damaged", async () => {
  const bytes = Buffer.from(await world.store.get(last));
  bytes[bytes.length - 60]! ^= 1;
  await world.store.delete(last);
  await world.store.put(last, bytes);
  await expectGoesOn();
});
