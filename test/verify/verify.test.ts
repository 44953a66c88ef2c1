/** What verify finds, tells apart and tells, besides one damaged object at a time. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Kind } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import { decodeJsonObject, encodeJsonObject } from "../../src/format/json-object.js";
import { parseFoldedName } from "../../src/format/names.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { putEvidence } from "../../src/repository/records/evidence.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { kindOf } from "../../src/verify/object-kinds.js";
import { verify } from "../../src/verify/verify.js";
import { foldLog } from "../repository/looks.js";
import { copyOf, json, makeRepository, namesIn, Recording } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { type ChosenObjects, chooseObjects } from "./chosen-objects.js";
import { damages } from "./damages.js";
import { makeWorld, orders, PatientClock, posts, type World } from "./world.js";

let world: World;
const objects = new Map<string, Buffer>();
let chosen: ChosenObjects;

beforeAll(async () => {
  world = await makeWorld();
  for (const name of await namesIn(world.store)) objects.set(name, await world.store.get(name));
  chosen = await chooseObjects(world);
});

const inspect = async (store: ObjectStore, share = 1) =>
  (await verify(store, { share, random: () => 0 })).report;
const found = async (store: ObjectStore, share = 1) =>
  (await inspect(store, share)).damage.map(({ object, what }) => [object, what]);

test("a store that holds nothing of a repository is refused", async () => {
  const foreign = new MemoryStore();
  await foreign.put("photo.jpg", Buffer.from("x"));
  for (const store of [new MemoryStore(), foreign]) {
    await expect(inspect(store)).rejects.toMatchObject({ code: "repository" });
  }
});

test("nothing is written", async () => {
  const before = await namesIn(world.store);
  await inspect(world.store);
  expect(await namesIn(world.store)).toEqual(before);
});

describe("without reading data", () => {
  test("an altered byte in a frame is not seen, one in an index is", async () => {
    const name = chosen.get("base part, folded")!;
    const bytes = objects.get(name)!;
    const flipped = await copyOf(world.store, { [name]: damages.flipped(name, objects) });
    expect(await found(flipped, 0)).toEqual([]);
    expect((await inspect(flipped, 0)).read).toEqual({ objects: 0, bytes: 0 });
    const atEnd = Buffer.from(bytes);
    atEnd[atEnd.length - 60]! ^= 1;
    const index = await copyOf(world.store, { [name]: atEnd });
    expect(await found(index, 0)).toEqual([[name, "its index fails its checksum"]]);
  });
});

test("a sample is drawn by lot, of about the share that was asked for", async () => {
  const name = chosen.get("base part, folded")!;
  const store = await copyOf(world.store, { [name]: damages.flipped(name, objects) });
  const all = (await inspect(world.store)).read.objects;
  let seen = 0;
  let read = 0;
  for (let seed = 0; seed < 20; seed += 1) {
    const random = new Random(seed);
    const { report } = await verify(store, { share: 0.3, random: () => random.next() });
    expect(report.chainsFollowed).toBe(false);
    seen += report.damage.length;
    read += report.read.objects;
  }
  expect(seen).toBeGreaterThan(1);
  expect(seen).toBeLessThan(15);
  expect(read / 20 / all).toBeGreaterThan(0.2);
  expect(read / 20 / all).toBeLessThan(0.45);
});

test("what belongs to nothing is told apart, and is no damage", async () => {
  const store = await copyOf(world.store, {
    "README.md": Buffer.from("a note"),
    "folded/notes.txt": Buffer.from("another"),
    [`bases/${orders}/001795626300099-f9/part-000000.zst`]: Buffer.from("cut short"),
    [`folded/001795626300042-001795626300043-00000003.0000000008-00000003.0000000009-000000000001-x/${orders}-000000.zst`]:
      Buffer.from("cut short too"),
  });
  const { damage, account } = await inspect(store);
  expect(damage).toEqual([]);
  expect(account.foreign).toEqual({ objects: 2, bytes: 13 });
  expect(account.unfinished).toEqual({ objects: 2, bytes: 22 });
});

describe("several objects that are lost", () => {
  test("each cost what they would alone", async () => {
    const { pieces } = await LogView.read(world.store);
    const singles = pieces.filter(({ kind, first }) => kind === "segment" && first.epoch === 4);
    const [one, other] = [singles[3]!, singles[4]!];
    const store = await copyOf(world.store, {
      [one.name]: undefined,
      [other.name]: damages.flipped(other.name, objects),
    });
    const { damage, lost } = await inspect(store);
    expect(damage.map(({ object }) => object)).toEqual([one.name, other.name]);
    const ofOrders = damage.map(({ costs }) => costs.find(({ table }) => table === orders));
    const end = lost!.find(({ table }) => table === orders)!.to;
    expect(ofOrders).toEqual([
      { table: orders, from: one.from, to: end },
      { table: orders, from: other.from, to: end },
    ]);
  });

  test("and stood in for each other, cost what both held", async () => {
    const folded = chosen.get("folded part, others hold it")!;
    const said = parseFoldedName(chosen.get("folded manifest, others hold it")!)!;
    const view = await LogView.read(world.store);
    const holding = view.believed.segments.filter(({ epoch }) => epoch === said.first.epoch);
    const smaller = view.believed.folded.filter(
      ({ first, name }) => first.epoch === said.first.epoch && name !== said.name,
    );
    const changes: Record<string, undefined> = {};
    for (const { name } of [...holding, ...smaller]) changes[name] = undefined;
    expect(await found(await copyOf(world.store, changes))).toEqual([]);
    const store = await copyOf(world.store, {
      ...changes,
      [folded]: damages.flipped(folded, objects),
    });
    const { damage, lost } = await inspect(store);
    expect(damage.map(({ object }) => object)).toEqual([folded]);
    expect(damage[0]!.costs).toMatchObject([{ table: orders, from: said.from }]);
    expect(lost).toEqual(damage[0]!.costs);
  });
});

test("before the first folded segment of all nothing is missing, whatever it has lost", async () => {
  const repository = await makeRepository();
  const { store } = repository;
  const clock = new PatientClock();
  const recording = await Recording.begin(repository, clock);
  for (let id = 0; id < 3; id += 1) {
    recording.put(orders, id, { id });
    await recording.tick();
  }
  await foldLog(repository, {
    now: clock.instant + 1,
    settleMs: 0,
    partial: true,
    unique: "f",
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    pinned: [],
  });
  const all = await namesIn(store);
  const segments = all.filter((name) => name.startsWith("log/"));
  const manifest = all.find((name) => parseFoldedName(name))!;
  for (const name of segments.slice(0, -1)) await store.delete(name);
  expect(await found(store)).toEqual([]);
  const damaged = await copyOf(store, { [manifest]: Buffer.from("{}") });
  expect((await found(damaged)).map(([object]) => object)).toEqual([manifest]);
});

describe("while others write and delete", () => {
  test("what was replaced and is deleted between listing and reading is not missed", async () => {
    class Vanishing extends MemoryStore {
      override async *list(prefix: string) {
        yield* super.list(prefix);
        const smaller = chosen.get("folded manifest, replaced")!;
        for (const name of [chosen.get("segment, folded")!, smaller]) await this.delete(name);
        for (const name of await namesIn(world.store, smaller.replace("manifest.json", ""))) {
          await this.delete(name);
        }
      }
    }
    const store = new Vanishing();
    for (const [name, bytes] of objects) await store.put(name, bytes);
    expect(await found(store)).toEqual([]);
  });

  test("parts that come before their manifest is listed are not missed", async () => {
    const late = [chosen.get("base part, copied")!, chosen.get("base keys, copied")!];
    class Growing extends MemoryStore {
      override async *list(prefix: string) {
        for await (const object of super.list(prefix))
          if (!late.includes(object.name)) yield object;
      }
    }
    const store = new Growing();
    for (const [name, bytes] of objects) await store.put(name, bytes);
    const { damage, lost } = await inspect(store);
    expect(damage).toEqual([]);
    expect(lost).toEqual([]);
  });
});

describe("version chains", () => {
  test("that break are told, also before the newest base, until there is evidence", async () => {
    const clock = new PatientClock();
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, clock);
    const since = clock.instant;
    recording.coverage(posts, { state: "copying", since });
    const writer = await recording.copy(posts, [["a", { id: "a", v: 0 }]]);
    const at = await recording.tick(10);
    await writer.finish(at, since - 1);
    recording.coverage(posts, { state: "live", since: at });
    await recording.tick();
    recording.put(posts, "a", { id: "a", v: 1 });
    const before = clock.instant;
    await recording.tick();
    // The version that this one followed never came.
    clock.instant += 5;
    recording.log.append(posts, json("a"), "0123456789abcdef", json({ id: "a", v: 3 }));
    const broken = clock.instant;
    await recording.tick();
    recording.put(posts, "b", { id: "b" });
    await recording.tick();
    const { report } = await verify(repository.store, { share: 1, random: () => 0 });
    expect(report.damage).toEqual([]);
    expect(report.breaks).toMatchObject([
      { table: posts, key: '"a"', before, at: broken, named: "0123456789abcdef" },
    ]);
    await putEvidence(repository.store, report.breaks[0]!);
    expect((await inspect(repository.store)).breaks).toEqual([]);
  });
});

/** Objects whose checksums are right, but not what they hold: what a defect of a writer would leave. */
describe("sealed objects that are wrong", () => {
  const kinds: Record<string, Kind> = {
    segment: "segment",
    "base part": "basePart",
    "base keys": "baseKeys",
    "folded part": "foldedPart",
    "folded records": "foldedRecords",
  };

  /** A copy of the world with other lines in one object; what refers to it is sealed anew. */
  async function resealed(
    name: string,
    alter: (lines: string[]) => string[],
  ): Promise<ObjectStore> {
    const kind = kinds[kindOf(name)!]!;
    const object = await DataObject.open(world.store, name, kind);
    const writer = new DataObjectWriter(kind);
    for (const entry of object.index.frames) {
      const lines = (await object.readFrame(entry)).toString().split("\n").slice(0, -1);
      const altered = alter(lines);
      const { offset: _, length: __, size: ___, checksum: ____, rows: _____, ...label } = entry;
      writer.addFrame(Buffer.from(`${altered.join("\n")}\n`), altered.length, label);
    }
    const { bytes, checksum } = writer.finish(object.index.footer);
    const changes: Record<string, Buffer> = { [name]: bytes };
    for (const [other, stored] of objects) {
      if (!stored.includes(object.checksum) || !other.endsWith("manifest.json")) continue;
      const type = other.startsWith("bases/") ? "base" : "folded";
      const text = stored.toString().replaceAll(object.checksum, checksum);
      const sized = text.replaceAll(
        new RegExp(
          `("name":"${name}"[^{}]*(?:\\{[^{}]*\\})?[^{}]*"bytes":)${object.storedSize}`,
          "g",
        ),
        `$1${bytes.length}`,
      );
      const {
        thinkback: _,
        version: __,
        checksum: ___,
        ...fields
      } = JSON.parse(sized) as Record<string, unknown>;
      changes[other] = encodeJsonObject(type, fields);
      decodeJsonObject(changes[other], other, type);
    }
    return copyOf(world.store, changes);
  }

  const swapFirst = ([a, b, ...rest]: string[]) => [b!, a!, ...rest];
  const cases: [string, (lines: string[]) => string[], RegExp][] = [
    ["base part, folded", (lines) => lines.map((line) => line.replace(/"v":/, '"w":')), /manifest/],
    ["base part, folded", swapFirst, /begin with the key|out of order/],
    ["base part, folded", (lines) => [lines[0]!, ...lines], /out of order/],
    ["base part, folded", (lines) => lines.slice(0, -1), /manifest|times/],
    [
      "base part, folded",
      ([line, ...rest]) => [line!.replace(/"d":.*/, '"d":null}'), ...rest],
      /delete/,
    ],
    [
      "base keys, copied",
      (lines) => lines.map((line) => line.replace(/"h":"./, '"h":"_')),
      /its part/,
    ],
    ["base keys, copied", (lines) => [...lines, lines.at(-1)!], /more keys|its part/],
    ["base keys, copied", (lines) => lines.slice(0, -1), /its part/],
    ["folded part, nothing else holds it", swapFirst, /begin with the key|out of order/],
    ["folded part, nothing else holds it", (lines) => lines.slice(1), /begin with the key/],
    ["folded catalog, others hold it", (lines) => lines.slice(1), /manifest/],
    ["segment, in the middle", swapFirst, /out of order|times/],
    [
      "segment, in the middle",
      (lines) => lines.map((line) => line.replace(/"u":"./, '"u":"f')),
      /frame of/,
    ],
    [
      "segment, in the middle",
      (lines) => lines.map((line) => line.replace(/"d":\{/, '"d":{,')),
      /not JSON/,
    ],
  ];

  test.each(cases.map(([what, alter, says], i) => [what, i, alter, says] as const))(
    "%s, way %i",
    async (what, _, alter, says) => {
      const name = what.startsWith("segment") ? await segmentOfSeveral() : chosen.get(what)!;
      const damage = await found(await resealed(name, alter));
      const [, said] = damage.find(([object]) => object === name) ?? [];
      expect(said, JSON.stringify(damage)).toMatch(says);
    },
  );

  /** One that has two lines of a table. */
  async function segmentOfSeveral(): Promise<string> {
    const { pieces } = await LogView.read(world.store);
    for (const { name, kind } of pieces) {
      if (kind !== "segment") continue;
      const { frames } = (await DataObject.open(world.store, name, "segment")).index;
      if (frames.some(({ rows, table }) => rows > 1 && table === orders)) return name;
    }
    throw new Error("the world has no such segment");
  }
});

test("an object of another repository is named", async () => {
  const name = chosen.get("base manifest, folded")!;
  const {
    thinkback: _,
    version: __,
    checksum: ___,
    ...fields
  } = JSON.parse(objects.get(name)!.toString()) as Record<string, unknown>;
  const foreign = encodeJsonObject("base", { ...fields, repository: "another" });
  const store = await copyOf(world.store, { [name]: foreign });
  expect(await found(store, 0)).toEqual([[name, "it belongs to another repository, another"]]);
});

test("a JSON object with wrong fields is named or taken, and stops nothing", {
  timeout: 120_000,
}, async () => {
  const values: unknown[] = [null, -1, "text", [null], {}, undefined];
  let named = 0;
  for (const [what, name] of chosen) {
    if (!name.endsWith(".json")) continue;
    const {
      thinkback,
      version: _,
      checksum: __,
      ...fields
    } = JSON.parse(objects.get(name)!.toString()) as Record<string, unknown>;
    for (const field of Object.keys(fields)) {
      for (const value of values) {
        const sealed = encodeJsonObject(thinkback as string, { ...fields, [field]: value });
        const store = await copyOf(world.store, { [name]: sealed });
        const where = `${field} of ${what}: ${JSON.stringify(value)}`;
        try {
          if ((await inspect(store, 0)).damage.some(({ object }) => object === name)) named += 1;
        } catch (error) {
          throw new Error(where, { cause: error });
        }
      }
    }
  }
  expect(named).toBeGreaterThan(100);
});
