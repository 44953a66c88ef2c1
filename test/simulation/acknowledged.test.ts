/**
 * What was acknowledged is there two seconds later at every instant that is called exact: after a mass update, and where a
 * primary is cut off. Each with the bug planted that it must find.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DeliveryProof } from "../../src/capture/delivery-proof.js";
import type { Clock } from "../../src/clock.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { isExactAt } from "../../src/repository/coverage/coverage.js";
import type { Feed } from "../../src/rethinkdb/feed.js";
import { FenceChain } from "../../src/rethinkdb/fence.js";
import { Surveyor } from "../../src/rethinkdb/survey.js";
import { readCoverage } from "../repository/looks.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

const documents = 100;

let world: SmallWorld;
let table: string;

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  table = world.cluster.createTable("test", "orders");
  update(0);
  world.startWriter();
  await world.pass(10_000);
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Writes every document; it is acknowledged at once. */
function update(v: number): void {
  for (let id = 0; id < documents; id += 1) {
    world.cluster.write("test", "orders", { put: { id, v } });
  }
}

/** Of the exact instants from two seconds after the update on, those that lack some of it; and how many there are. */
async function judged(
  v: number,
  acknowledged: number,
): Promise<{ exact: number; wrong: number[] }> {
  const { intervals } = (await readCoverage(world.store)).get(table)!;
  const wrong: number[] = [];
  let exact = 0;
  for (let at = acknowledged + 2000; at < world.wall.now(); at += 500) {
    const interval = intervals.find(({ from, to }) => from <= at && at <= to);
    if (!isExactAt(interval, at)) continue;
    exact += 1;
    const state = await restoredState(world.store, table, at);
    const updated = [...state!.values()].filter((text) => text.includes(`"v":${v}`));
    if (updated.length < documents) wrong.push(at - acknowledged);
  }
  return { exact, wrong };
}

describe("a mass update that the feed is seconds behind with", () => {
  async function updateAndCatchUp() {
    world.cluster.lagFeeds(table, 10);
    update(1);
    const acknowledged = world.wall.now();
    await world.pass(25_000);
    return judged(1, acknowledged);
  }

  test("is in every exact instant two seconds later", async () => {
    const { exact, wrong } = await updateAndCatchUp();
    expect(wrong).toEqual([]);
    expect(exact).toBeGreaterThan(5);
  });

  test("is missed where small responses are believed", async () => {
    vi.spyOn(DeliveryProof.prototype, "prove").mockImplementation(async function (
      this: DeliveryProof,
      _surveyed,
      _recount,
      signal,
    ) {
      const { feed, clock } = this as unknown as { feed: Feed; clock: Clock };
      await feed.drained(clock, signal);
      return true;
    });
    expect((await updateAndCatchUp()).wrong).not.toEqual([]);
  });
});

describe("an update on the other side of a primary that is cut off", () => {
  async function cutAndUpdate() {
    world.cluster.addServer("simulated_3");
    world.cluster.addReplicas(table, ["simulated_2", "simulated_3"]);
    await world.pass(10_000);
    world.cluster.isolatePrimary(table, true, { noticedAfterMs: 16_000 });
    update(2);
    const acknowledged = world.wall.now();
    await world.pass(14_000);
    return judged(2, acknowledged);
  }

  test("is in every exact instant two seconds later, though the feed was opened when there was one server", async () => {
    expect((await cutAndUpdate()).wrong).toEqual([]);
  });

  test("is missed where nobody is asked for a majority", async () => {
    vi.spyOn(DeliveryProof.prototype, "prove").mockResolvedValue(true);
    vi.spyOn(FenceChain.prototype, "pass").mockResolvedValue(undefined);
    vi.spyOn(Surveyor.prototype, "survey").mockImplementation(async (_, tables) => {
      const nothing = Promise.resolve({ byServer: new Map(), total: undefined });
      return new Map(tables.map(({ id }) => [id, nothing]));
    });
    expect((await cutAndUpdate()).wrong).not.toEqual([]);
  });
});
