/** What a standby does next follows from the stored files and its own record. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import type { FollowedTable, StandbyRecord } from "../../src/recovery/standby-record.js";
import { disownedLanes, isInLog, nextStep, placesAt } from "../../src/recovery/standby-step.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { CountingStore } from "../repository/counting-store.js";
import {
  foldUp,
  History,
  makeRepository,
  namesIn,
  Recording,
  StillClock,
} from "../repository/recording.js";

const [orders, customers] = [
  "0a000000-0000-4000-8000-000000000001",
  "0a000000-0000-4000-8000-000000000002",
];
const never = Number.MAX_SAFE_INTEGER;

let store: CountingStore;
let repository: Repository;
let clock: StillClock;
let recording: Recording;

beforeEach(async () => {
  store = new CountingStore(new MemoryStore());
  repository = await makeRepository(store);
  clock = new StillClock();
  recording = await Recording.begin(repository, clock);
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  await copied(orders, "orders");
  await copied(customers, "customers");
});

/** Begins to capture a table; returns the instant from which on it is exact. */
async function copied(id: string, name: string): Promise<Instant> {
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  recording.catalog(["table", id], {
    id,
    db: "shop",
    name,
    primary_key: "id",
    shards,
    ...settings,
  });
  return copy(id);
}

async function copy(id: string): Promise<Instant> {
  const since = recording.log.stamp().time;
  recording.coverage(id, { state: "copying", since });
  const base = await recording.copy(id, [["k", { id: "k" }]]);
  const instant = await recording.tick();
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
  return recording.tick();
}

const record = (more: Partial<StandbyRecord> = {}): StandbyRecord => ({
  id: "standby",
  version: 1,
  repository: "r",
  databases: [],
  tables: [],
  holder: null,
  number: 1,
  instant: null,
  places: {},
  databasesMade: [],
  followed: {},
  retired: [],
  ...more,
});
const followed = (reached: Instant | null, writing: Instant | null = null): FollowedTable => {
  return { made: "t", reached, writing, lane: 0, indexes: [], refused: [] };
};
const look = () => RepositoryView.read(repository);
const step = async (more?: Partial<StandbyRecord>, until = never) =>
  nextStep(await look(), record(more), until);
const names = (tables: { name: string }[]) => tables.map(({ name }) => name);

async function inLog(reached: Instant | null): Promise<boolean> {
  const view = await look();
  const { tables } = await view.coverage();
  const { frontier } = tables.get(orders)!;
  return isInLog(view, tables.get(orders), followed(reached), frontier!);
}

describe("a step", () => {
  test("goes to the instant up to which everything is proven, or to the one asked for", async () => {
    recording.put(orders, "a", { id: "a" });
    const to = await recording.tick();
    expect(await step()).toMatchObject({ instant: to, isCatalogProven: true, held: [] });
    expect(names((await step())!.ready)).toEqual(["customers", "orders"]);
    expect((await step({}, to - 500))!.instant).toBe(to - 500);
  });

  test("waits for the catalog, unless that is far behind", async () => {
    recording.put(orders, "a", { id: "a" });
    const known = clock.instant;
    const near = await recording.tick(1000, { lagging: { catalog: known } });
    expect(await step()).toMatchObject({ instant: known, isCatalogProven: true });
    expect(near).toBeGreaterThan(known);
    recording.put(orders, "b", { id: "b" });
    const far = await recording.tick(60_000, { lagging: { catalog: known } });
    expect(await step()).toMatchObject({ instant: far, isCatalogProven: false });
  });

  test("takes the chosen tables, also under a new name", async () => {
    expect(names((await step({ tables: ["shop.orders"] }))!.ready)).toEqual(["orders"]);
    expect(names((await step({ databases: ["other"] }))!.ready)).toEqual([]);
    const known = { tables: ["shop.old"], followed: { [orders]: followed(1) } };
    expect(names((await step(known))!.ready)).toEqual(["orders"]);
  });

  test("leaves a table in a gap behind, and goes on with the others", async () => {
    const before = await recording.tick();
    recording.coverage(orders, { state: "gap", since: before, reason: "lost" });
    recording.put(customers, "c", { id: "c" });
    const to = await recording.tick();
    const known = { followed: { [orders]: followed(before), [customers]: followed(before) } };
    const { instant, ready, held } = (await step(known))!;
    expect([instant, names(ready)]).toEqual([to, ["customers"]]);
    expect(held).toMatchObject([{ config: { name: "orders" }, reached: before, reason: "lost" }]);
  });

  test("leaves out a table whose first copy is not complete", async () => {
    const id = "0a000000-0000-4000-8000-000000000003";
    recording.catalog(["table", id], { id, db: "shop", name: "new", primary_key: "id" });
    recording.coverage(id, { state: "copying", since: recording.log.stamp().time });
    await recording.tick();
    const { ready, held } = (await step())!;
    expect(names(ready)).toEqual(["customers", "orders"]);
    expect(held).toMatchObject([{ config: { name: "new" }, reached: null }]);
  });

  test("costs no more requests when the log is longer", async () => {
    const requests = async (ticks: number) => {
      for (let tick = 0; tick < ticks; tick += 1) {
        recording.put(orders, tick, { id: tick });
        await recording.tick();
      }
      store.requests.length = 0;
      await step();
      return store.requests.length;
    };
    const few = await requests(5);
    expect(few).toBeLessThan(25);
    expect(await requests(200)).toBe(few);
  });

  test("is refused for an instant before anything was captured", async () => {
    await expect(step({}, 1000)).rejects.toMatchObject({ code: "instant" });
  });
});

describe("the log since the last step is enough", () => {
  test("within what is captured, also over a fold", async () => {
    const reached = await recording.tick();
    recording.put(orders, "a", { id: "a" });
    const to = await recording.tick();
    expect(await inLog(reached)).toBe(true);
    await foldUp(repository, to);
    expect(await inLog(reached)).toBe(true);
    expect(await inLog(null)).toBe(false);
  });

  test("over a gap that a resync has ended, not over one that a new copy has ended", async () => {
    const reached = await recording.tick();
    const since = await recording.tick();
    recording.coverage(orders, { state: "gap", since, reason: "lost" });
    await recording.tick();
    recording.coverage(orders, { state: "resyncing", since: recording.log.stamp().time });
    recording.put(orders, "a", { id: "a" });
    const until = await recording.tick();
    recording.coverage(orders, { state: "live", since: until });
    await recording.tick();
    expect(await inLog(reached)).toBe(true);
    recording.coverage(orders, { state: "gap", since: until, reason: "lost" });
    await recording.tick();
    await copy(orders);
    expect(await inLog(reached)).toBe(false);
  });

  test("not from before the first instant that is known", async () => {
    expect(await inLog(clock.instant - 86_400_000)).toBe(false);
  });

  test("not if an object of it is lost", async () => {
    const reached = await recording.tick();
    recording.put(orders, "a", { id: "a" });
    await recording.tick();
    const lost = (await namesIn(repository.store, "log/")).at(-1)!;
    await recording.tick();
    await recording.tick();
    await repository.store.delete(lost);
    expect(await inLog(reached)).toBe(false);
    await expect(step()).rejects.toMatchObject({ code: "damaged" });
  });
});

test("a lane is in doubt if another writer has not continued what was applied", async () => {
  await recording.tick();
  const at = await recording.tick();
  const places = placesAt(await look(), at);
  expect(disownedLanes(await look(), record({ places }))).toEqual([]);
  // The next writer does not see the last segment, and takes over before it.
  const last = (await namesIn(repository.store, "log/")).at(-1)!;
  const bytes = await repository.store.get(last);
  await repository.store.delete(last);
  const next = await Recording.begin(repository, clock, new History());
  await next.tick();
  await repository.store.put(last, bytes);
  expect(disownedLanes(await look(), record({ places }))).toEqual([0]);
});
