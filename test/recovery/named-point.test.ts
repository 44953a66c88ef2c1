/** Points by name: which instant a name means, which names mean none, and what a year of points costs to look through. */
import { setImmediate } from "node:timers/promises";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { beforePoint } from "../../src/cli/before-point.js";
import { markCommand } from "../../src/cli/mark.js";
import { readActivity } from "../../src/recovery/activity.js";
import { parsePointId } from "../../src/recovery/point-ids.js";
import {
  catalogPoints,
  drillPoints,
  notedPoints,
  pointOfBurst,
} from "../../src/recovery/points.js";
import type { KeptVersion } from "../../src/recovery/versions.js";
import { writtenBy } from "../../src/recovery/written-by.js";
import { putDrill } from "../../src/repository/records/drills.js";
import { putMark } from "../../src/repository/records/marks.js";
import {
  OperationWriter,
  publishRound,
  putOperationEnd,
} from "../../src/repository/records/operations.js";
import { addPin } from "../../src/repository/registers/pins.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { CountingStore } from "../repository/counting-store.js";
import { json, makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const other = "0a000000-0000-4000-8000-000000000002";
const dayMs = 86_400_000;

/** Notes how many objects are read at once, at most. */
class WideStore extends CountingStore {
  private reading = 0;
  widest = 0;

  override async get(...args: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    this.reading += 1;
    this.widest = Math.max(this.widest, this.reading);
    await setImmediate();
    this.reading -= 1;
    return super.get(args[0], args[1]);
  }

  /** How many objects below a prefix were read since this was last asked. */
  gets(prefix: string): number {
    return this.requests.filter((request) => request.startsWith(`get ${prefix}`)).length;
  }
}

let store: WideStore;
let recording: Recording;
let view: RepositoryView;
let begun: number;

const drill = (unique: string, ended: number) =>
  putDrill(store, {
    unique,
    begun: ended - 700,
    ended,
    instant: ended - 10_000,
    class: "exact",
    ok: true,
    server: null,
    documents: 4,
    bytes: 60,
    seconds: 0.5,
    documentsPerSecond: 8,
    bytesPerSecond: 120,
    tables: [],
  });

async function operate(
  id: string,
  made: number,
  of = table,
  ended: number | undefined = made + 900,
) {
  const writer = new OperationWriter(store, {
    repository: recording.repository.description.id,
    id,
    type: "undo",
    round: 1,
    made,
    table: of,
    name: "shop.orders",
    description: "a test",
  });
  await writer.add({
    key: json("k1"),
    before: json({ id: "k1" }),
    after: json({ id: "k1", made }),
  });
  const way = { until: made + 86_400_000 };
  const operation = await publishRound(store, await writer.finish(), way, made);
  if (ended !== undefined)
    await putOperationEnd(store, operation, {
      ended,
      seconds: 1,
      written: 1,
      already: 0,
      left: [],
      found: [],
      unlisted: 0,
    });
}

const hex = (n: number, digits: number) => n.toString(16).padStart(digits, "0");
const before = (name: string) => beforePoint(name, recording.repository);

async function begin(): Promise<void> {
  store = new WideStore(new MemoryStore());
  recording = await Recording.begin(await makeRepository(store), new StillClock());
  recording.catalogRead();
  begun = recording.clock.instant;
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  for (let i = 0; i < 400; i += 1) recording.put(table, `k${i}`, { id: `k${i}` });
  recording.coverage(table, { state: "copying", since: recording.log.stamp().time });
  await recording.tick(20_000);
  for (let i = 0; i < 300; i += 1) recording.put(table, `k${i}`, null);
  recording.catalog(["db", "d1"], null);
  await recording.tick();
  view = await RepositoryView.read(recording.repository);
}

async function burst() {
  const { bursts } = await readActivity(view, undefined, begun, recording.clock.instant);
  return pointOfBurst(bursts[0]!, new Map());
}

describe("a name means", () => {
  beforeEach(begin);

  test("the burst whose id it is, and none whose id has another time, table or kind", async () => {
    const { id, at } = await burst();
    expect(id).toMatch(/^deletes-[0-9a-z]{8}-[0-9a-f]{6}$/);
    expect(await before(id)).toBe(at - 1);
    const [kind, time, check] = id.split("-") as [string, string, string];
    const next = (at + 1).toString(36);
    const last = check.endsWith("0") ? "1" : "0";
    for (const wrong of [
      `${kind}-${next}-${check}`,
      `overwrites-${time}-${check}`,
      `${kind}-${time}-${check.slice(0, 5)}${last}`,
      `overwrites-${next}-000000`,
    ]) {
      await expect(before(wrong), wrong).rejects.toMatchObject({ code: "unknown" });
    }
    const { id: elsewhere } = pointOfBurst(
      {
        kind: "deletes",
        table: "0b000000-0000-4000-8000-000000000009",
        from: at,
        to: at,
        count: 1,
        own: new Map(),
      },
      new Map(),
    );
    await expect(before(elsewhere)).rejects.toMatchObject({ code: "unknown" });
  });

  test("what has the id, whatever marks and pins are called", async () => {
    const dropped = (await catalogPoints(view)).points.find(({ kind }) => kind === "dropdb")!;
    const { id, at } = await burst();
    const made = begun;
    await putMark(store, { id: "00000001", at: begun - 1, made, text: dropped.id });
    await putMark(store, { id: "00000002", at: begun - 1, made, text: id });
    await putMark(store, { id: "00000003", at: begun - 1, made, text: "mark-00000004" });
    await putMark(store, { id: "00000004", at: begun + 5, made, text: "release" });
    await addPin(store, { name: id, at: begun - 1, made });
    await operate("7f3a1b2c", begun + 9);
    await addPin(store, { name: "undo-7f3a1b2c", at: begun - 1, made });
    expect(await before(dropped.id)).toBe(dropped.before);
    expect(await before(id)).toBe(at - 1);
    expect(await before("mark-00000004")).toBe(begun + 4);
    expect(await before("undo-7f3a1b2c")).toBe(begun + 8);
    expect(await before("mark-00000003")).toBe(begun - 2);
    expect(await before(`pin-${id}`)).toBe(begun - 1);
    await expect(before("rewind-7f3a1b2c")).rejects.toMatchObject({ code: "unknown" });
  });

  test("one thing, or it is refused with the ids of all", async () => {
    const made = begun;
    await putMark(store, { id: "00000001", at: begun, made, text: "shop" });
    await putMark(store, { id: "00000005", at: begun + 2, made, text: "shop" });
    await addPin(store, { name: "calm", at: begun, made });
    await putMark(store, { id: "00000002", at: begun + 1, made, text: "calm" });
    await operate("7f3a1b2c", begun + 9);
    await putMark(store, { id: "00000003", at: begun + 1, made, text: "7f3a1b2c" });
    const hint = (name: string) =>
      before(name).then(
        () => "nothing",
        (error: { code: string; hint: string }) => [
          error.code,
          error.hint.match(/[a-z]+-[0-9a-z]+/g),
        ],
      );
    expect(await hint("shop")).toEqual(["usage", ["mark-00000001", "mark-00000005"]]);
    expect(await hint("calm")).toEqual(["usage", ["mark-00000002", "pin-calm"]]);
    expect(await hint("7f3a1b2c")).toEqual(["usage", ["mark-00000003", "undo-7f3a1b2c"]]);
    expect(await hint("cald")).toMatchObject(["unknown", expect.arrayContaining(["pin-calm"])]);
  });
});

test("no mark is given a text that looks like an id", async () => {
  const ids = ["drop-3f2a91", "pin-calm", "undo-7f3a1b2c", "mark-00000001", "drill-0123456789ab"];
  const others = ["drop-3f2a9", "deploy 42", "undo", "drop-3f2a91 again", "DROP-3f2a91", "mark-1"];
  expect(ids.map(parsePointId).filter((id) => id === undefined)).toEqual([]);
  expect(others.map(parsePointId).filter((id) => id !== undefined)).toEqual([]);
  for (const id of ids) {
    const output = { note: () => undefined } as never;
    await expect(markCommand([id], { repo: "/nowhere" }, output)).rejects.toThrow(/id of a point/);
  }
});

describe("of a year of marks, operations and drills", () => {
  const days = 365;
  const dayOf = (day: number) => begun - (days - day) * dayMs;

  beforeAll(async () => {
    await begin();
    for (let day = 0; day < days; day += 1) {
      for (let i = 0; i < 10; i += 1) {
        const at = dayOf(day) + i;
        await putMark(store, { id: hex(day * 10 + i, 8), at, made: at, text: `${day}.${i}` });
      }
      await operate(hex(day, 8), dayOf(day), day % 2 === 0 ? table : other);
      if (day % 7 === 0) await drill(hex(day, 12), dayOf(day));
    }
  });

  beforeEach(() => {
    store.requests.length = 0;
    store.widest = 0;
  });

  const records = () => ["marks/", "operations/", "drills/"].map((prefix) => store.gets(prefix));

  test("an id reads the one record", async () => {
    expect(await before(`mark-${hex(777, 8)}`)).toBe(dayOf(77) + 7 - 1);
    expect(records()).toEqual([1, 0, 0]);
    expect(await before(`undo-${hex(100, 8)}`)).toBe(dayOf(100) - 1);
    expect(records()).toEqual([1, 1, 0]);
    expect(await before(`drill-${hex(70, 12)}`)).toBe(dayOf(70) - 10_000);
    expect(records()).toEqual([1, 1, 1]);
    await expect(before(`mark-${hex(99_999, 8)}`)).rejects.toThrow(/there is no point/);
    expect(await before((await burst()).id)).toBeGreaterThan(begun);
    expect(records()).toEqual([1, 1, 1]);
  });

  test("a text reads all marks, many at once, and nothing else", async () => {
    expect(await before("77.7")).toBe(dayOf(77) + 7 - 1);
    expect(records()).toEqual([3650, 0, 0]);
    expect(store.widest).toBe(16);
  });

  test("an operation's id reads one operation", async () => {
    expect(await before(hex(100, 8))).toBe(dayOf(100) - 1);
    expect(records()).toEqual([3650, 1, 0]);
  });

  test("a week's points read a week's records, and the drills since then, many at once", async () => {
    const [from, to] = [dayOf(300), dayOf(307) - 1];
    const noted = await notedPoints(view, store, from, to);
    expect(noted.map(({ kind }) => kind).filter((kind) => kind === "undo")).toHaveLength(7);
    expect(noted).toHaveLength(77);
    // One that began a day before may have begun to write in this week.
    expect(records()).toEqual([70, 8, 0]);
    expect((await drillPoints(store, from, to)).map(({ id }) => id)).toEqual([
      `drill-${hex(301, 12)}`,
    ]);
    expect(records()).toEqual([70, 8, 10]);
    expect(store.widest).toBeGreaterThan(6);
  });

  test("a document's history reads the operations of its versions alone", async () => {
    const version = (day: number, ms: number): KeptVersion => {
      const made = dayOf(day);
      const document = json({ id: "k1", made });
      return { time: made + ms, kind: "changed", before: json({ id: "k1" }), document };
    };
    const versions = [version(20, 100), version(200, 100), version(301, 500)];
    const written = await writtenBy(store, table, json("k1"), versions);
    // On day 301 another table was written to.
    expect(versions.map((one) => written.get(one)?.id)).toEqual([
      hex(20, 8),
      hex(200, 8),
      undefined,
    ]);
    const manifests = store.requests.filter((request) => request.endsWith("manifest.json"));
    expect(manifests).toHaveLength(3);
    // The ends of the month before each version: 21, and 31 twice.
    expect(store.gets("operations/")).toBeLessThanOrEqual(3 + 83);
    expect(store.widest).toBeGreaterThan(6);
    store.requests.length = 0;
    expect(await writtenBy(store, table, json("k1"), [])).toEqual(new Map());
    expect(store.requests).toEqual([]);
  });

  test("an operation that took long, or was killed, is found by the versions at its end", async () => {
    await operate("aaaaaaaa", dayOf(200) + 1000, table, dayOf(203));
    const killed: KeptVersion = {
      time: dayOf(203) + 5000,
      kind: "changed",
      before: json({ id: "k1" }),
      document: json({ id: "k1", made: dayOf(200) + 1000 }),
    };
    const [written] = (await writtenBy(store, table, json("k1"), [killed])).values();
    expect(written?.id).toBe("aaaaaaaa");
    const later = { ...killed, time: dayOf(204) };
    expect(await writtenBy(store, table, json("k1"), [later])).toEqual(new Map());
  });
});
