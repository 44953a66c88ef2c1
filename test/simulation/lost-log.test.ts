/**
 * What a capture had stored is not there any more while it runs: an older copy is put back, an object is deleted, another
 * repository or none is in the place of its own. It notices, and goes on so that what is written later can be restored.
 */
import { beforeEach, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { isExactAt, type TableCoverage } from "../../src/repository/coverage/coverage.js";
import { listClaims } from "../../src/repository/log/claims.js";
import { listSegments } from "../../src/repository/log/log.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { verify } from "../../src/verify/verify.js";
import { catalogAt, readCoverage, readStatus } from "../repository/looks.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";
import type { WriterProcess } from "./writer-process.js";

const description = { id: "small-world", created: 0 };

/** A place in which another store may be put. */
class Place implements ObjectStore {
  readonly location = "the place";
  readonly asked: string[] = [];

  constructor(public store: ObjectStore) {}

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.store.put(name, bytes);
  }

  get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    this.asked.push(`get ${name}`);
    return this.store.get(name, range);
  }

  tail(...args: Parameters<ObjectStore["tail"]>) {
    return this.store.tail(...args);
  }

  size(name: string): Promise<number | undefined> {
    this.asked.push(`size ${name}`);
    return this.store.size(name);
  }

  list(prefix: string) {
    this.asked.push(`list ${prefix}`);
    return this.store.list(prefix);
  }

  delete(name: string): Promise<void> {
    return this.store.delete(name);
  }
}

let world: SmallWorld;
let place: Place;
let orders: string;
let written: { at: number; n: number }[];

beforeEach(async () => {
  world = new SmallWorld();
  place = new Place(world.store);
  await place.put(repositoryName, encodeJsonObject("repository", description));
  orders = world.cluster.createTable("test", "orders");
  written = [];
});

/** Seconds that pass, in each of which the one document of `orders` is written. */
async function work(seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i += 1) {
    const n = written.length;
    world.cluster.write("test", "orders", { put: { id: 1, n } });
    written.push({ at: world.time.trueMs, n });
    await world.pass(1000);
  }
}

const lastWritten = (at: number) => written.findLast((one) => one.at <= at)?.n ?? -1;

async function coverageOf(table: string): Promise<TableCoverage> {
  return (await readCoverage(place)).get(table)!;
}

/** What is exact at an instant has what was written 2 s before it, and nothing that came after. Returns how many are. */
async function judgeExact(): Promise<number> {
  const { intervals } = await coverageOf(orders);
  let exact = 0;
  for (const { at: since } of written.filter(({ n }) => n % 3 === 0)) {
    const at = since + 500;
    if (!intervals.some((one) => one.from <= at && at <= one.to && isExactAt(one, at))) continue;
    exact += 1;
    const [document = "{}"] = (await restoredState(place, orders, at))!.values();
    const { n = -1 } = JSON.parse(document) as { n?: number };
    expect(n).toBeGreaterThanOrEqual(lastWritten(at - 2000));
    expect(n).toBeLessThanOrEqual(lastWritten(at));
  }
  return exact;
}

async function expectWellAgain(writer: WriterProcess): Promise<void> {
  expect(writer.outcome).toBeUndefined();
  const { state, intervals, frontier } = await coverageOf(orders);
  expect(state).toBe("live");
  expect(intervals.at(-1)).toMatchObject({ class: "exact" });
  expect(frontier).toBeGreaterThan(world.time.trueMs - 3000);
  expect(await judgeExact()).toBeGreaterThan(10);
}

async function maintainOnce(unique: string, settleMs = 60_000, graceMs = 900_000) {
  const options = {
    clock: world.process().clock,
    owner: { host: "alpha", process: 99, isAlive: () => true },
    unique,
    partial: true,
    settleMs,
    expires: true,
    graceMs,
  };
  const observer = { onRows: () => undefined, phase: () => undefined };
  const maintained = maintain({ store: place, description }, options, observer);
  await world.pass(1000);
  return maintained;
}

test("an older copy is put back: a new epoch behind its end, and what lies between is a gap", async () => {
  const writer = world.startWriter({ store: place });
  await work(20);
  const copy = await copyOf(place);
  const copied = world.time.trueMs;
  // Its catalog record is lost too.
  const made = world.cluster.createTable("test", "made");
  world.cluster.write("test", "made", { put: { id: 1 } });
  await work(60);
  place.store = copy;
  await work(90);
  await expectWellAgain(writer);
  expect((await listClaims(place)).map(({ epoch }) => epoch)).toEqual([1, 2]);
  const { intervals } = await coverageOf(orders);
  expect(intervals.map((one) => one.class)).toEqual(["exact", "gap", "exact"]);
  expect(intervals[1]!.reason).toMatch(/^what was captured is lost: object log\/.* is missing$/);
  expect(intervals[1]!.from).toBeGreaterThan(copied - 3000);
  expect(intervals[1]!.to - copied).toBeLessThan(60_000 + 45_000);
  expect(await coverageOf(made)).toMatchObject({ state: "live" });
  const tables = (await catalogAt(place, Number.MAX_SAFE_INTEGER)).tables();
  expect(tables.map(({ name }) => name)).toEqual(["made", "orders"]);
  const { damage } = (await verify(place, { share: 1, random: () => 0 })).report;
  expect(damage.filter(({ costs }) => costs.length > 0)).toEqual([]);
  // It was compared with the copy, and not copied.
  expect(world.states.filter((state) => state.startsWith("orders is copying"))).toHaveLength(1);
});

test("a copy of before this epoch: claims that are gone are said anew", async () => {
  const first = world.startWriter({ store: place });
  await work(20);
  first.stopInOrder();
  await world.pass(5000);
  const copy = await copyOf(place);
  const second = world.startWriter({ store: place });
  await work(10);
  second.stopInOrder();
  await world.pass(5000);
  const third = world.startWriter({ store: place });
  await work(40);
  place.store = copy;
  await work(90);
  await expectWellAgain(third);
  const claims = await listClaims(place);
  expect(claims.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4]);
  // What the third epoch had put behind the copy is not believed.
  expect(new Set((await listSegments(place)).map(({ epoch }) => epoch))).toEqual(new Set([1, 4]));
  const { damage } = (await verify(place, { share: 1, random: () => 0 })).report;
  expect(damage.filter(({ costs }) => costs.length > 0)).toEqual([]);
});

test("a copy that is still on its way is waited for, and none of it is shut out", async () => {
  const writer = world.startWriter({ store: place });
  await work(60);
  const copy = await copyOf(place);
  await work(60);
  const arriving = new MemoryStore();
  place.store = arriving;
  const names = await namesIn(copy);
  // repository.json first: from then on the place looks like a repository.
  for (const name of names.sort((a) => (a === repositoryName ? -1 : 1))) {
    await arriving.put(name, await copy.get(name));
    await work(1);
  }
  await work(60);
  await expectWellAgain(writer);
  const last = (await listSegments(copy)).at(-1)!.name;
  expect((await listSegments(place)).map(({ name }) => name)).toContain(last);
});

test("the last segment is deleted", async () => {
  const writer = world.startWriter({ store: place });
  await work(60);
  const [name] = (await listSegments(place)).slice(-1).map((segment) => segment.name);
  await place.delete(name!);
  await work(90);
  await expectWellAgain(writer);
  const { intervals } = await coverageOf(orders);
  expect(intervals.map((one) => one.class)).toEqual(["exact", "gap", "exact"]);
  expect(intervals[1]!.to - intervals[1]!.from).toBeLessThan(45_000);
});

test("only the claim is deleted: it is put back, and nothing is lost", async () => {
  const writer = world.startWriter({ store: place });
  await work(30);
  await place.delete("writers/00000001.json");
  await work(30);
  await expectWellAgain(writer);
  expect((await coverageOf(orders)).intervals.map((one) => one.class)).toEqual(["exact"]);
});

/** A segment of which nothing is asked any more, and which no fold stands for. */
async function oldSegment(): Promise<string> {
  const segments = await listSegments(place);
  return segments.findLast(({ to }) => to < world.time.trueMs - 60_000)!.name;
}

test("a segment in the middle is deleted: maintenance finds out, and the capture copies the table", async () => {
  const writer = world.startWriter({ store: place });
  await work(120);
  await place.delete(await oldSegment());
  await work(40);
  const { tables } = await readStatus({ store: place, description });
  expect(tables[0]).toMatchObject({ state: "live", damagedSince: expect.any(Number) as number });
  expect(await maintainOnce("m1", 600_000)).toMatchObject({ damaged: [{}] });
  expect(await maintainOnce("m2", 600_000)).toMatchObject({ damaged: [] });
  await work(60);
  await expectWellAgain(writer);
  const { intervals } = await coverageOf(orders);
  expect(intervals.map((one) => one.class)).toEqual(["exact", "damaged", "exact"]);
  expect(await listClaims(place)).toHaveLength(1);
  expect(await maintainOnce("m3", 600_000)).toMatchObject({ damaged: [] });
  const after = await readStatus({ store: place, description });
  expect(after.tables[0]).toMatchObject({ state: "live", damagedSince: undefined });
});

test("a segment that is put back before the capture has read of it costs nothing", async () => {
  const writer = world.startWriter({ store: place });
  await work(122);
  const name = await oldSegment();
  const bytes = await place.get(name);
  await place.delete(name);
  expect(await maintainOnce("m1", 600_000)).toMatchObject({ damaged: [{}] });
  await place.put(name, bytes);
  const states = world.states.length;
  await work(60);
  await expectWellAgain(writer);
  expect(world.states).toHaveLength(states);
  expect((await coverageOf(orders)).intervals.map((one) => one.class)).toEqual(["exact"]);
});

test("the base of a table is deleted: the table is copied anew", async () => {
  const writer = world.startWriter({ store: place });
  await work(60);
  for (const name of await namesIn(place, "bases/")) await place.delete(name);
  await work(10);
  expect(await maintainOnce("m1")).toMatchObject({ damaged: [{}] });
  await work(60);
  await expectWellAgain(writer);
});

test("what is folded and deleted is not taken for lost", async () => {
  const writer = world.startWriter({ store: place });
  for (let round = 1; round <= 20; round += 1) {
    await work(7);
    await maintainOnce(`m${round}`, 0, 0);
  }
  expect((await namesIn(place, "log/")).length).toBeLessThan(10);
  await work(30);
  await expectWellAgain(writer);
  expect(await listClaims(place)).toHaveLength(1);
  expect((await coverageOf(orders)).intervals.map((one) => one.class)).toEqual(["exact"]);
});

test.each([
  ["nothing", undefined],
  ["another repository", { id: "a stranger", created: 0 }],
])("%s in its place is not filled; when ours is back the capture goes on", async (_, stranger) => {
  const writer = world.startWriter({ store: place });
  await work(40);
  const ours = place.store;
  place.store = new MemoryStore();
  if (stranger) await place.put(repositoryName, encodeJsonObject("repository", stranger));
  await work(20);
  const names = await namesIn(place);
  await work(60);
  expect(await namesIn(place)).toEqual(names);
  place.store = ours;
  await work(60);
  await expectWellAgain(writer);
  // What went elsewhere before that was noticed is lost, and what waited behind it.
  expect((await coverageOf(orders)).intervals.map((one) => one.class)).toEqual([
    "exact",
    "gap",
    "exact",
  ]);
});

test("what is away as a whole, and comes back, is not taken for lost", async () => {
  const writer = world.startWriter({ store: place });
  await work(40);
  const ours = place.store;
  place.store = failing("away");
  await work(60);
  place.store = ours;
  await work(30);
  await expectWellAgain(writer);
  const classes = (await coverageOf(orders)).intervals.map((one) => one.class);
  expect(classes).not.toContain("gap");
});

test("a spool that does not continue the copy that was put back is dropped", async () => {
  const spool = { store: new MemoryStore(), bytesMax: 1 << 30 };
  const first = world.startWriter({ store: place, spool });
  await work(20);
  const copy = await copyOf(place);
  await work(20);
  place.store = failing("away");
  await work(20);
  first.life.kill();
  expect((await namesIn(spool.store, "log/")).length).toBeGreaterThan(10);
  place.store = copy;
  const second = world.startWriter({ store: place, spool, takeOver: true });
  await work(30);
  expect(await namesIn(spool.store, "log/")).toEqual([]);
  await expectWellAgain(second);
  const { intervals } = await coverageOf(orders);
  expect(intervals.map((one) => one.class)).toEqual(["exact", "gap", "exact"]);
});

/** Reads and writes nothing. */
function failing(location: string): ObjectStore {
  const away = new StoreUnavailable("the store is away");
  const fails = () => Promise.reject(away);
  const list = (): never => {
    throw away;
  };
  return { location, put: fails, get: fails, tail: fails, size: fails, list, delete: fails };
}

test("a capture asks for nothing at a tick, and looks with a few small requests every 10 or 15 s", async () => {
  world.startWriter({ store: place });
  await work(60);
  place.asked.length = 0;
  await work(60);
  const own = place.asked.filter((one) => one === "size writers/00000001.json").length;
  const listings = place.asked.filter((one) => one.startsWith("list log/"));
  expect(own).toBeGreaterThanOrEqual(3);
  expect(own).toBeLessThanOrEqual(5);
  expect(listings.length).toBeLessThanOrEqual(5);
  expect(place.asked.filter((one) => one.startsWith("size log/"))).toEqual([]);
  const wishes = place.asked.filter((one) => one.startsWith("list handovers/")).length;
  expect(wishes).toBeGreaterThanOrEqual(5);
  expect(wishes).toBeLessThanOrEqual(7);
  // Whether another writer has claimed, its own claim, what it shipped, and evidence.
  expect(place.asked.length - wishes, place.asked.join("\n")).toBeLessThanOrEqual(5 * 4);
});
