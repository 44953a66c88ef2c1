/** A replica: level while it is level, behind while it is away, and a valid repository all the time. */
import { beforeAll, describe, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName, writerName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { NotingStore } from "../../src/storage/noting-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import { verifyRepository } from "../simulation/stored-objects.js";
import { makeWorld, type World } from "../verify/world.js";
import { AwayStore, begin, copiedNames, settled } from "./replicated.js";

const table = "0a000000-0000-4000-8000-000000000001";

let world: World;

beforeAll(async () => {
  world = await makeWorld();
});

/** A capture of one table; what it puts is offered to a replica. */
async function capture(primary: AwayStore, offer: (name: string, bytes?: Buffer) => void) {
  await makeRepository(primary);
  const { description } = {
    description: { id: "00000000-0000-4000-8000-0000000000ff", created: 0 },
  };
  const store = new NotingStore(primary, (name) => offer(name));
  const recording = await Recording.begin({ store, description }, new StillClock());
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: recording.clock.instant });
  const copy = await recording.copy(table, [[0, { id: 0 }]]);
  const since = await recording.tick(10);
  await copy.finish(since, since - 5);
  recording.coverage(table, { state: "live", since });
  await recording.tick(10);
  const tick = async (id: number) => {
    recording.put(table, id, { id });
    await recording.tick(1000);
  };
  return { tick };
}

test("what is captured is in the copy at once, without a request to the primary for segments", async () => {
  const [primary, target] = [new AwayStore(new MemoryStore()), new AwayStore(new MemoryStore())];
  let offer: (name: string, bytes?: Buffer) => void = () => undefined;
  const { tick } = await capture(primary, (name) => offer(name));
  const { clock, told, replica, end } = begin(primary, target);
  await settled();
  expect(told).toEqual({ level: 1, failures: [] });
  offer = (name, bytes) => replica.offer(name, bytes);
  for (let id = 1; id <= 5; id += 1) {
    await tick(id);
    await settled();
    expect(await copiedNames(target)).toEqual(await copiedNames(primary));
    await verifyRepository(target);
  }
  // A segment that the primary does not have yet, and one that was put twice.
  primary.isAway = true;
  await clock.pass(400_000);
  const [before] = (await copiedNames(target)).filter((name) => name.startsWith("log/")).slice(-1);
  const bytes = await target.get(before!);
  const next = before!.replace(/\d(?=\.zst$)/, "9");
  replica.offer(before!, bytes);
  const { gets } = target;
  replica.offer(next, bytes);
  replica.offer(next);
  await settled();
  expect(await target.size(next)).toBe(bytes.length);
  expect(target.gets).toBe(gets);
  expect(told.failures).toEqual([]);
  await end();
});

test("what other processes put is looked for every five minutes, or half an hour where that is charged for", async () => {
  for (const [isCharged, everyMs] of [
    [false, 300_000],
    [true, 1_800_000],
  ] as const) {
    const primary = new AwayStore(new MemoryStore());
    const { tick } = await capture(primary, () => undefined);
    const charges = isCharged ? { chargesRequests: true as const } : {};
    const charging: ObjectStore = Object.assign(new AwayStore(new MemoryStore()), charges);
    const { clock, end } = begin(primary, charging);
    await settled();
    await tick(1);
    await clock.pass(everyMs - 1000);
    expect(await copiedNames(charging)).not.toEqual(await copiedNames(primary));
    await clock.pass(1001);
    await settled();
    expect(await copiedNames(charging)).toEqual(await copiedNames(primary));
    await end();
  }
});

test("a copy that is away misses nothing, and nothing is made in its place", async () => {
  const primary = new AwayStore(new MemoryStore());
  const kept = new MemoryStore();
  const target = new AwayStore(kept);
  let offer: (name: string) => void = () => undefined;
  const { tick } = await capture(primary, (name) => offer(name));
  const { clock, told, replica, end } = begin(primary, target);
  await settled();
  offer = (name) => replica.offer(name);
  target.isAway = true;
  for (let id = 1; id <= 30; id += 1) {
    await tick(id);
    await clock.pass(2000);
    await verifyRepository(kept);
  }
  expect(told.failures).toHaveLength(1);
  expect((await copiedNames(kept)).length).toBeLessThan((await copiedNames(primary)).length - 25);
  target.isAway = false;
  await clock.pass(60_000);
  expect(told.level).toBe(2);
  expect(await copiedNames(kept)).toEqual(await copiedNames(primary));
  await tick(31);
  await settled();
  expect(await copiedNames(kept)).toEqual(await copiedNames(primary));
  // An empty disk is mounted in its place.
  for (const name of await namesIn(kept)) await kept.delete(name);
  target.isAway = true;
  await tick(32);
  await settled();
  target.isAway = false;
  for (let i = 0; i < 10; i += 1) await clock.pass(60_000);
  expect(await namesIn(kept)).toEqual([]);
  expect(told.failures).toHaveLength(2);
  await end();
});

test("what other processes put is found by looking, and a closing replica ends when it has all", async () => {
  const primary = new MemoryStore();
  const target = new MemoryStore();
  for (const name of await namesIn(world.store)) {
    if (!name.startsWith("folded/")) await primary.put(name, await world.store.get(name));
  }
  const { clock, told, replica, running } = begin(primary, target);
  await settled();
  expect(told.level).toBe(1);
  for (const name of await namesIn(world.store, "folded/")) {
    await primary.put(name, await world.store.get(name));
  }
  await clock.pass(1000);
  expect(await namesIn(target, "folded/")).toEqual([]);
  await clock.pass(300_000);
  expect(await copiedNames(target)).toEqual(await copiedNames(primary));
  replica.close();
  await running;
  expect(told.failures).toEqual([]);
});

describe("while the primary is away", () => {
  /** A level replica; its primary goes away, and each tick is offered with its bytes alone. */
  async function withoutPrimary() {
    const [primary, target] = [new AwayStore(new MemoryStore()), new AwayStore(new MemoryStore())];
    const { tick } = await capture(primary, () => undefined);
    await tick(1);
    const begun = begin(primary, target);
    await settled();
    const before = await copiedNames(target);
    for (let id = 2; id <= 6; id += 1) await tick(id);
    const after = (await copiedNames(primary)).filter((name) => !before.includes(name));
    const bytes = await Promise.all(after.map((name) => primary.get(name)));
    primary.isAway = true;
    return {
      ...begun,
      primary,
      target,
      after,
      offer: (i: number) => begun.replica.offer(after[i]!, bytes[i]!),
      there: async () => {
        const names = await copiedNames(target["below"]);
        return after.filter((name) => names.includes(name)).length;
      },
    };
  }

  test("ticks that a copy has refused go to it when it is back, in their order", async () => {
    const { primary, target, clock, told, offer, there, after, end } = await withoutPrimary();
    offer(0);
    await settled();
    expect(await there()).toBe(1);
    target.isAway = true;
    for (const i of [1, 2, 3]) {
      offer(i);
      await clock.pass(1000);
    }
    expect([await there(), told.failures.length, told.level]).toEqual([1, 1, 1]);
    target.isAway = false;
    await clock.pass(30_000);
    expect([await there(), told.failures.length, told.level]).toEqual([4, 1, 1]);
    offer(4);
    await settled();
    expect(await there()).toBe(5);
    expect(await copiedNames(target)).toEqual(expect.arrayContaining(after.slice(0, 5)));
    await verifyRepository(target);
    // It is level, and said to be, only when that can be seen.
    primary.isAway = false;
    await clock.pass(30_000);
    expect(told).toMatchObject({ level: 2 });
    expect(await copiedNames(target)).toEqual(await copiedNames(primary));
    await end();
  });

  test("nothing goes to a copy that is another one by then, or an older state of it", async () => {
    const { primary, target, clock, offer, there, after, end } = await withoutPrimary();
    offer(0);
    await settled();
    target.isAway = true;
    offer(1);
    await clock.pass(1000);
    const described = await target["below"].get(repositoryName);
    const other = encodeJsonObject("repository", { id: "another", created: 0 });
    const swapped = async (bytes: Buffer) => {
      await target["below"].delete(repositoryName);
      await target["below"].put(repositoryName, bytes);
    };
    await swapped(other);
    target.isAway = false;
    for (let i = 0; i < 5; i += 1) await clock.pass(30_000);
    expect(await there()).toBe(1);
    await swapped(described);
    await target.delete(after[0]!);
    for (let i = 0; i < 5; i += 1) await clock.pass(30_000);
    expect(await there()).toBe(0);
    primary.isAway = false;
    await clock.pass(30_000);
    expect(await copiedNames(target)).toEqual(await copiedNames(primary));
    await end();
  });

  test("a replica that closes after a failure ends when it has shipped what waits", async () => {
    const { target, clock, replica, running, offer, there } = await withoutPrimary();
    target.isAway = true;
    offer(0);
    await clock.pass(100);
    target.isAway = false;
    await clock.pass(1000);
    replica.close();
    await running;
    expect(await there()).toBe(1);
  });
});

test("a copy whose history has parted gets no tick after that is seen", async () => {
  const [primary, target] = [new AwayStore(new MemoryStore()), new AwayStore(new MemoryStore())];
  const { tick } = await capture(primary, () => undefined);
  const { clock, told, replica, end } = begin(primary, target);
  await settled();
  const claim = await target.get(writerName(1));
  await target.put(writerName(2), claim);
  await clock.pass(300_000);
  expect(String(told.failures[0])).toMatch(/has been written to since/);
  const before = await copiedNames(target);
  await tick(1);
  const name = (await copiedNames(primary)).at(-2)!;
  replica.offer(name, await primary.get(name));
  for (let i = 0; i < 5; i += 1) await clock.pass(30_000);
  expect(await copiedNames(target)).toEqual(before);
  await end();
});

test("more than can wait is made up for by copying", async () => {
  const [primary, target] = [new AwayStore(new MemoryStore()), new AwayStore(new MemoryStore())];
  let offer: (name: string) => void = () => undefined;
  const { tick } = await capture(primary, (name) => offer(name));
  const { clock, told, replica, end } = begin(primary, target);
  await settled();
  offer = (name) => replica.offer(name);
  target.isAway = true;
  await tick(1);
  await clock.pass(1);
  for (let i = 0; i < 20_001; i += 1) replica.offer(`bases/x/${i}`);
  await tick(2);
  target.isAway = false;
  await clock.pass(60_000);
  expect(told).toMatchObject({ level: 2 });
  expect(await copiedNames(target)).toEqual(await copiedNames(primary));
  await end();
});
