/** Copies of one repository, read as one: what one lacks or has damaged comes from the next. */
import { beforeAll, expect, test } from "vitest";
import { RepositoryCopy } from "../../src/copies/copy.js";
import { isSignal } from "../../src/copies/copy-order.js";
import { openCopies } from "../../src/copies/open-copies.js";
import { repositoryName, writerName } from "../../src/format/names.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { type CopyTrouble, FallbackStore } from "../../src/storage/fallback-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { verify } from "../../src/verify/verify.js";
import { readCoverage } from "../repository/looks.js";
import {
  copyOf,
  History,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { storeConformance } from "../storage/conformance.js";
import {
  instantsOf,
  makeWorld,
  orders,
  owner,
  posts,
  type Reading,
  readingsOf,
  restored,
  type World,
} from "../verify/world.js";

let world: World;
let readings: Reading[];

beforeAll(async () => {
  world = await makeWorld();
  readings = await readingsOf(world);
});

async function together(...copies: ObjectStore[]) {
  const troubles: CopyTrouble[] = [];
  const store = await openCopies(copies, new StillClock(), (trouble) => troubles.push(trouble));
  return { store, troubles };
}

async function expectAllRight(store: ObjectStore, some = readings): Promise<void> {
  for (const { table, at, documents } of some) {
    expect(await restored(store, table, at), `${table} at ${at}`).toBe(documents);
  }
}

test("a copy that fails is passed over while another answers, and longer each time", async () => {
  const sound = new MemoryStore();
  await sound.put("log/a", Buffer.from("x"));
  let asked = 0;
  let isAway = true;
  class AwayStore extends StoreLayer {
    override get(name: string) {
      asked += 1;
      return isAway ? Promise.reject(new StoreUnavailable("away")) : super.get(name);
    }
    override size(name: string) {
      asked += 1;
      return isAway ? Promise.reject(new StoreUnavailable("away")) : super.size(name);
    }
    override async *list(prefix: string) {
      asked += 1;
      if (isAway) throw new StoreUnavailable("away");
      yield* super.list(prefix);
    }
  }
  let now = 0;
  const clock = { monotonicMs: () => now };
  const copies = [new AwayStore(sound), sound];
  const store = new FallbackStore(
    copies,
    () => undefined,
    clock,
    () => undefined,
  );
  const readAll = async () => {
    asked = 0;
    expect(await store.size("log/a")).toBe(1);
    expect(await namesIn(store, "log/")).toEqual(["log/a"]);
    expect(String(await store.get("log/a"))).toBe("x");
    return asked;
  };
  expect(await readAll()).toBe(1);
  expect(await readAll()).toBe(0);
  now = 30_001;
  expect(await readAll()).toBe(1);
  now += 59_000;
  expect(await readAll()).toBe(0);
  now += 1001;
  isAway = false;
  expect(await readAll()).toBe(3);
  isAway = true;
  expect(await readAll()).toBe(1);
  // It has answered: the time begins as short as the first.
  now += 30_001;
  expect(await readAll()).toBe(1);
  // Where no other answers, it is asked all the same.
  const alone = new FallbackStore(
    [copies[0]!],
    () => undefined,
    clock,
    () => undefined,
  );
  await expect(alone.size("log/a")).rejects.toThrow("away");
  isAway = false;
  expect(await alone.size("log/a")).toBe(1);
});

/** A store whose calls fail from some call on. */
class FailingStore extends StoreLayer {
  calls = 0;
  failsFrom = Number.POSITIVE_INFINITY;

  override get(...args: Parameters<ObjectStore["get"]>) {
    return this.answer(() => super.get(...args));
  }
  override tail(...args: Parameters<ObjectStore["tail"]>) {
    return this.answer(() => super.tail(...args));
  }
  override async *list(...args: Parameters<ObjectStore["list"]>) {
    await this.answer(async () => undefined);
    yield* super.list(...args);
  }
  private async answer<T>(work: () => Promise<T>): Promise<T> {
    this.calls += 1;
    if (this.calls >= this.failsFrom) throw new StoreUnavailable("planted by the test");
    return work();
  }
}

test("objects that are spread over two copies, lost or altered in one of them, are all read", async () => {
  for (const seed of [1, 2, 3]) {
    const random = new Random(seed);
    const changes: [Record<string, Buffer | undefined>, Record<string, Buffer | undefined>] = [
      {},
      {},
    ];
    const altered: string[] = [];
    for (const name of await namesIn(world.store)) {
      if (name === "repository.json" || random.below(2) === 0) continue;
      const of = changes[random.below(2)]!;
      const bytes = await world.store.get(name);
      const how = random.below(3);
      if (how === 0) of[name] = undefined;
      else {
        // Cut off, or one bit is another one.
        of[name] = how === 1 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
        if (how === 2) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
        altered.push(name);
      }
    }
    const [a, b] = [await copyOf(world.store, changes[0]), await copyOf(world.store, changes[1])];
    const { store, troubles } = await together(a, b);
    await expectAllRight(
      store,
      readings.filter((_, i) => i % 3 === seed % 3),
    );
    expect((await verify(store, { share: 1, random: () => 0 })).report.damage).toEqual([]);
    const told = new Set(troubles.map(({ object }) => object));
    expect(altered.filter((name) => told.has(name)).length).toBeGreaterThan(20);
  }
}, 60_000);

test("an altered version of an object is damage: the other copy is read, and nothing copies it", async () => {
  const altered: Record<string, Buffer> = {};
  for (const name of await namesIn(world.store)) {
    const bytes = await world.store.get(name);
    const text = bytes.toString("latin1");
    if (name.endsWith(".zst")) bytes.writeUInt16LE(3, bytes.length - 44);
    // Of the repository itself as well.
    altered[name] = name.endsWith(".zst")
      ? bytes
      : Buffer.from(text.replace('"version":1', '"version":3'), "latin1");
  }
  const { [repositoryName]: description, ...others } = altered;
  const damaged = await copyOf(world.store, others);
  const { store, troubles } = await together(damaged, world.store);
  await expectAllRight(store, readings.slice(-2));
  expect((await verify(store, { share: 1, random: () => 0 })).report.damage).toEqual([]);
  const told = troubles.filter(({ what }) => /it says that it is of format version 3/.test(what));
  expect(told.length).toBeGreaterThan(20);
  const copying = await RepositoryCopy.begin(damaged, new MemoryStore());
  await copying.run();
  const copied = Object.keys(others).filter((name) => !isSignal(name));
  expect([...copying.findings.keys()].sort()).toEqual(copied.sort());
  const undescribed = await copyOf(world.store, { [repositoryName]: description });
  await expectAllRight((await together(undescribed, world.store)).store, readings.slice(-1));
});

test("an object that is damaged in every copy is damaged", async () => {
  const name = (await namesIn(world.store, "bases/")).at(-1)!;
  const bytes = await world.store.get(name);
  bytes[5]! ^= 1;
  const of = { [name]: bytes };
  const { store } = await together(await copyOf(world.store, of), await copyOf(world.store, of));
  const { damage } = (await verify(store, { share: 1, random: () => 0 })).report;
  expect(damage.map(({ object }) => object)).toEqual([name]);
});

test("a copy that fails at any moment is replaced by the other one, and named once", async () => {
  const reading = readings.at(-1)!;
  const counting = new FailingStore(await copyOf(world.store));
  await expectAllRight((await together(counting, world.store)).store, [reading]);
  expect(counting.calls).toBeGreaterThan(10);
  for (let at = 1; at <= counting.calls; at += 3) {
    const failing = new FailingStore(await copyOf(world.store));
    failing.failsFrom = at;
    const { store, troubles } = await together(failing, world.store);
    await expectAllRight(store, [reading]);
    expect(troubles).toHaveLength(1);
  }
});

test("an old copy beside a maintained one brings nothing wrong back to life", async () => {
  const maintained = await copyOf(world.store);
  const clock = world.clock;
  clock.instant = world.instants.last + 40 * 3_600_000;
  const how = { partial: true, settleMs: 0, expires: true, graceMs: 0 };
  const observer = { onRows: () => undefined, phase: () => undefined };
  for (const unique of ["one", "two"]) {
    const of = { clock, owner, unique, bases: () => ({ until: world.instants.last }), ...how };
    const { description } = world.repository;
    await maintain({ store: maintained, description }, of, observer);
    clock.instant += 3_600_000;
  }
  const left = new Set(await namesIn(maintained));
  expect((await namesIn(world.store)).filter((name) => !left.has(name)).length).toBeGreaterThan(50);
  for (const copies of [
    [maintained, world.store],
    [world.store, maintained],
  ]) {
    const { store } = await together(...copies);
    const alone = await readCoverage(maintained);
    const both = await readCoverage(store);
    let exact = 0;
    for (const at of (await instantsOf(world)).filter((_, i) => i % 4 === 0)) {
      for (const table of [orders, posts]) {
        const isExact = isExactAt(intervalAt(both.get(table)!, at), at);
        // Nothing that the maintained copy gives is hidden.
        if (isExactAt(intervalAt(alone.get(table)!, at), at)) expect(isExact).toBe(true);
        if (!isExact) continue;
        exact += 1;
        const documents = world.history.at(table, at).join("\n");
        expect(await restored(store, table, at), `${table} at ${at}`).toBe(documents);
      }
    }
    expect(exact).toBeGreaterThan(10);
    expect((await verify(store, { share: 1, random: () => 0 })).report.damage).toEqual([]);
  }
}, 60_000);

test("a copy that lags hides nothing", async () => {
  const newest = (await namesIn(world.store, "log/")).slice(-3);
  const behind = Object.fromEntries(newest.map((name) => [name, undefined]));
  const lagging = await copyOf(world.store, behind);
  const { store, troubles } = await together(lagging, world.store);
  await expectAllRight(store, readings.slice(-3));
  expect(troubles.map(({ object }) => object)).toEqual(expect.arrayContaining(newest.slice(-1)));
  const view = await RepositoryView.read(await openRepository(store));
  expect(view.log.to).toBe((await RepositoryView.read(world.repository)).log.to);
});

test("a tick that only a copy has is shut out by the next claim, and until then is true", async () => {
  const primary = new MemoryStore();
  const repository = await makeRepository(primary);
  const clock = new StillClock();
  const first = await Recording.begin(repository, clock);
  first.coverage(orders, { state: "copying", since: clock.instant });
  const base = await first.copy(orders, [[0, { id: 0 }]]);
  const since = await first.tick(10);
  await base.finish(since, since - 5);
  first.coverage(orders, { state: "live", since });
  await first.tick(10);
  const copy = await copyOf(primary);
  // The primary is away, and the process dies before it is back.
  first.put(orders, 1, { id: 1 });
  const early = await first.tick();
  const last = (await namesIn(primary, "log/")).at(-1)!;
  await copy.put(last, await primary.get(last));
  await primary.delete(last);
  expect(await restoredAt(copy, orders, early)).toEqual(first.history.at(orders, early));
  clock.instant += 60_000;
  const second = await Recording.begin(repository, clock, new History());
  second.coverage(orders, { state: "resyncing", since: clock.instant });
  second.put(orders, 1, { id: 1, found: "later" });
  const live = await second.tick(10);
  second.coverage(orders, { state: "live", since: live });
  const end = await second.tick();
  const copying = await RepositoryCopy.begin(primary, copy);
  await copying.run();
  expect(copying.findings.size).toBe(0);
  expect(await readCoverage(copy)).toEqual(await readCoverage(primary));
  for (const store of [copy, (await together(copy, primary)).store]) {
    expect(await restoredAt(store, orders, end)).toEqual(await restoredAt(primary, orders, end));
    expect((await verify(store, { share: 1, random: () => 0 })).report.damage).toEqual([]);
  }
});

storeConformance("several copies", async () => {
  const copies = [new MemoryStore(), new MemoryStore()];
  const several = () =>
    new FallbackStore(
      copies,
      () => undefined,
      new StillClock(),
      () => undefined,
    );
  return { first: several(), second: several(), remove: async () => undefined };
});

test("copies of two histories are refused", async () => {
  const claim = await world.store.get(writerName(3));
  const parted = await copyOf(world.store, { [writerName(4)]: claim });
  await expect(together(world.store, parted)).rejects.toThrow(/have parted/);
  const ahead = await copyOf(world.store, { [writerName(4)]: undefined });
  await expect(together(ahead, world.store)).resolves.toBeDefined();
});
