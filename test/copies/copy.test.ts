/** A copy is a valid repository after each put, goes on where it was cut short, and ends equal to its source. */
import { beforeAll, describe, expect, test } from "vitest";
import { listed, RepositoryCopy } from "../../src/copies/copy.js";
import { isSignal } from "../../src/copies/copy-order.js";
import { ThinkbackError } from "../../src/errors.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { parseSegmentName, repositoryName, writerName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";
import { verifyRepository } from "../simulation/stored-objects.js";
import {
  makeWorld,
  orders,
  owner,
  type Reading,
  readingsOf,
  restored,
  type World,
} from "../verify/world.js";

let world: World;
let readings: Reading[];
/** At an instant of which a writer that was shut out has stored something else. */
let disowned: Reading;

beforeAll(async () => {
  world = await makeWorld();
  readings = await readingsOf(world);
  const { history, store } = world;
  const segment = (await namesIn(store, "log/00000003/")).map(parseSegmentName).at(-1)!;
  const at = segment.to;
  disowned = { table: orders, at, documents: history.at(orders, at).join("\n") };
});

class Cut extends Error {}

/** Fails at its first put, before it is done or after. */
class CutStore extends StoreLayer {
  constructor(
    below: ObjectStore,
    private readonly isDone: boolean,
  ) {
    super(below);
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    if (this.isDone) await super.put(name, bytes);
    throw new Cut(name);
  }
}

/** A source that changes while it is copied: something happens before its `at`th read. */
class BusyStore extends StoreLayer {
  reads = 0;

  constructor(
    below: ObjectStore,
    private readonly at: number,
    private readonly happen: () => Promise<void>,
  ) {
    super(below);
  }

  override async get(...args: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    this.reads += 1;
    if (this.reads === this.at) await this.happen();
    return super.get(...args);
  }
}

/** The content of everything that is copied, by name. */
async function contentOf(store: ObjectStore): Promise<Map<string, string>> {
  const content = new Map<string, string>();
  for (const name of await namesIn(store)) {
    if (!isSignal(name)) content.set(name, (await store.get(name)).toString("base64"));
  }
  return content;
}

async function copied(source: ObjectStore, target: ObjectStore, check = false) {
  const copy = await RepositoryCopy.begin(source, target, { check });
  const amount = await copy.run();
  return { amount, findings: [...copy.findings.values()] };
}

/** True if the reading is right, false if it is refused; throws if it is wrong. */
async function isRight(store: ObjectStore, { table, at, documents }: Reading): Promise<boolean> {
  let found: string;
  try {
    found = await restored(store, table, at);
  } catch (error) {
    if (!(error instanceof ThinkbackError) || error.code === "internal") throw error;
    return false;
  }
  expect(found, `${table} at ${at}`).toBe(documents);
  return true;
}

describe("a copy", () => {
  test("that is killed at each put is right or refuses at every moment, and ends equal", async () => {
    const target = new MemoryStore();
    let right = 0;
    for (let puts = 0; ; puts += 1) {
      const cutting = new CutStore(target, puts % 3 > 0);
      try {
        await copied(world.store, cutting);
        break;
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      if (await isRight(target, readings[puts % readings.length]!)) right += 1;
      await isRight(target, disowned);
    }
    expect(right).toBeGreaterThan(10);
    expect(await contentOf(target)).toEqual(await contentOf(world.store));
    for (const reading of readings) expect(await isRight(target, reading)).toBe(true);
    await verifyRepository(target);
  }, 60_000);

  test("without the last claim would be wrong: the check of this file finds it", async () => {
    const { store } = world;
    const without: Record<string, undefined> = {};
    for (const name of await namesIn(store)) {
      if (/^(?:log|writers)\/00000004|^bundles/.test(name)) without[name] = undefined;
    }
    const target = await copyOf(store, without);
    await expect(isRight(target, disowned)).rejects.toThrow();
    expect(await isRight(store, disowned)).toBe(true);
  });

  test("of a source that is maintained meanwhile has all that the source has", async () => {
    const counting = new BusyStore(await copyOf(world.store), 0, async () => undefined);
    await copied(counting, new MemoryStore());
    let vanished = 0;
    for (let at = 2; at < counting.reads; at += Math.ceil(counting.reads / 12)) {
      const source = await copyOf(world.store);
      const before = await namesIn(source);
      const busy = new BusyStore(source, at, async () => {
        world.clock.instant = world.instants.last + 40 * 3_600_000;
        const how = { partial: true, settleMs: 0, expires: true, graceMs: 0 };
        const { description } = world.repository;
        const of = { clock: world.clock, owner, unique: "busy", ...how };
        const bases = () => ({ until: world.instants.last });
        const observer = { onRows: () => undefined, phase: () => undefined };
        await maintain({ store: source, description }, { ...of, bases }, observer);
      });
      const target = new MemoryStore();
      const { findings } = await copied(busy, target);
      expect(findings).toEqual([]);
      const after = new Set(await namesIn(source));
      vanished += before.filter((name) => !after.has(name)).length;
      await verifyRepository(target);
      const kept = await readingsOf({ ...world, store: source });
      for (const reading of kept.filter((_, i) => i % 9 === 0)) {
        expect(await isRight(target, reading)).toBe(true);
      }
      // What was put while it ended comes with the next one.
      await copied(source, target);
      const there = await contentOf(target);
      for (const [name, bytes] of await contentOf(source)) expect(there.get(name)).toBe(bytes);
      await verifyRepository(target);
    }
    expect(vanished).toBeGreaterThan(100);
  }, 60_000);

  test.each(["put", "read"])(
    "that fails at a %s has ended when it says so, in all lanes",
    async (at) => {
      const source = await copyOf(world.store);
      // A log of another lane, and an object that takes all of the room.
      for (const name of await namesIn(world.store, "log/")) {
        await source.put(`lanes/1/${name}`, await world.store.get(name));
      }
      const last = (await namesIn(source, "log/")).at(-3)!;
      const target = new MemoryStore();
      let isOver = false;
      const late: string[] = [];
      const slowly = async (operation: string, name: string) => {
        if (isOver) late.push(name);
        if (operation === at && name === last) throw new Cut(name);
        for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
        if (isOver) late.push(name);
      };
      const reading = overriding<ObjectStore>(source, {
        async *list(prefix) {
          for await (const { name, size } of source.list(prefix)) {
            yield { name, size: name.startsWith("log/") ? 40_000_000 : size };
          }
        },
        get: async (name, ...rest) => {
          await slowly("read", name);
          return source.get(name, ...rest);
        },
      });
      const writing = overriding<ObjectStore>(target, {
        put: async (name, bytes) => {
          await slowly("put", name);
          await target.put(name, bytes);
        },
      });
      await expect(copied(reading, writing)).rejects.toThrow(Cut);
      isOver = true;
      for (let i = 0; i < 100; i += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(late).toEqual([]);
      expect((await namesIn(target)).length).toBeLessThan((await namesIn(source)).length - 1);
    },
  );

  test("of nothing new reads and puts nothing", async () => {
    const target = await copyOf(world.store);
    const source = new BusyStore(world.store, 0, async () => undefined);
    expect((await copied(source, target)).amount).toEqual({ objects: 0, bytes: 0 });
    // The description, and the last claim in each listing.
    expect(source.reads).toBeLessThan(5);
  });

  test("passes a damaged object on to nobody, and names it", async () => {
    const names = await namesIn(world.store);
    for (const prefix of ["log/", "bases/", "pins/"]) {
      const name = names.findLast((one) => one.startsWith(prefix))!;
      const bytes = await world.store.get(name);
      bytes[10]! ^= 1;
      const target = new MemoryStore();
      const { findings } = await copied(await copyOf(world.store, { [name]: bytes }), target);
      expect(findings.map(({ object }) => object)).toEqual([name]);
      expect(await target.size(name)).toBeUndefined();
      expect(await copied(world.store, target)).toMatchObject({ amount: { objects: 1 } });
      expect(await contentOf(target)).toEqual(await contentOf(world.store));
    }
  });

  test("notices another size at the target, and with --check also other bytes", async () => {
    const name = (await namesIn(world.store, "log/")).at(-1)!;
    const bytes = await world.store.get(name);
    const short = await copyOf(world.store, { [name]: bytes.subarray(0, 99) });
    expect((await copied(world.store, short)).findings).toMatchObject([{ object: name }]);
    expect((await short.get(name)).length).toBe(99);
    bytes[10]! ^= 1;
    const altered = await copyOf(world.store, { [name]: bytes });
    expect((await copied(world.store, altered)).findings).toEqual([]);
    const { findings } = await copied(world.store, altered, true);
    expect(findings).toEqual([
      { object: name, what: "at the target: the frame at byte 0 fails its checksum" },
    ]);
  });

  test("refuses a target that holds something else, and changes nothing there", async () => {
    const foreign = new MemoryStore();
    await foreign.put("notes.txt", Buffer.from("x"));
    const other = new MemoryStore();
    const description = { id: "another", created: 0 };
    await other.put(repositoryName, encodeJsonObject("repository", description));
    const continued = await copyOf(world.store);
    await continued.put(writerName(5), await world.store.get(writerName(4)));
    const parted = await copyOf(world.store, {
      [writerName(4)]: await world.store.get(writerName(3)),
    });
    const cases: [ObjectStore, RegExp][] = [
      [foreign, /holds something, but no repository.json: notes.txt/],
      [other, /holds another repository, another/],
      [continued, /has been written to since: memory does not have writers\/00000005.json/],
      [parted, /have parted: writers\/00000004.json differs/],
    ];
    for (const [target, message] of cases) {
      const before = await contentOf(target);
      await expect(copied(world.store, target)).rejects.toThrow(message);
      expect(await contentOf(target)).toEqual(before);
    }
    await expect(copied(foreign, new MemoryStore())).rejects.toThrow(/there is no repository/);
  });
});

describe("of two repositories", () => {
  /** Another repository, with objects under the same names. */
  const otherWorld = async () => {
    const description = { id: "another", created: 0 };
    const json = encodeJsonObject("repository", description);
    return copyOf(world.store, { [repositoryName]: json });
  };

  test("that are copied into one empty place at the same time one gets it, whole", async () => {
    const sources = [world.store, await otherWorld()];
    for (const inTurn of [sources, sources.toReversed()]) {
      const target = new MemoryStore();
      const copies = await Promise.all(
        inTurn.map((source) => RepositoryCopy.begin(source, target)),
      );
      const ended = await Promise.allSettled(copies.map((copy) => copy.run()));
      const lost = ended.flatMap((one) => (one.status === "rejected" ? [String(one.reason)] : []));
      expect(lost).toEqual([expect.stringMatching(/holds another repository/)]);
      const kept = inTurn[ended.findIndex(({ status }) => status === "fulfilled")]!;
      expect(await contentOf(target)).toEqual(await contentOf(kept));
    }
  });

  test("one that takes the place of the other ends the copy before its next pass", async () => {
    for (const swaps of ["source", "target"] as const) {
      const places = { source: await copyOf(world.store), target: new MemoryStore() };
      const copy = await RepositoryCopy.begin(places.source, places.target);
      await copy.run();
      await places[swaps].delete(repositoryName);
      await expect(copy.pass()).rejects.toThrow(/there is no repository/);
      expect(await places[swaps].size(repositoryName)).toBeUndefined();
      const other = await (await otherWorld()).get(repositoryName);
      await places[swaps].put(repositoryName, other);
      await expect(copy.pass()).rejects.toThrow(/holds another repository, another/);
    }
  });

  test("with other claims the log of one is not put beside those of the other", async () => {
    const claim = writerName(2);
    const other = await world.store.get(writerName(3));
    const longer = encodeJsonObject("repository", { id: "another", created: 0, more: "x" });
    for (const bytes of [other, longer]) {
      const target = new MemoryStore();
      const meanwhile = overriding<ObjectStore>(world.store, {
        get: async (name, ...rest) => {
          if (name === claim && !(await target.size(claim))) await target.put(claim, bytes);
          return world.store.get(name, ...rest);
        },
      });
      await expect(copied(meanwhile, target)).rejects.toThrow(
        /have parted: writers.00000002.json differs/,
      );
      expect(await namesIn(target, "log/")).toEqual([]);
      await expect(copied(world.store, target)).rejects.toThrow(/have parted/);
    }
  });
});

test("what is no part of the repository is not copied: a repository inside it, and what a probe left", async () => {
  const source = await copyOf(world.store);
  const own = [...(await listed(source)).keys(), "lanes/1/repository.json", "notes/x"].sort();
  const inner = ["copy/repository.json", "copy/log/1", "lanes/1/copy/repository.json", "probes/1"];
  for (const name of [...own, ...inner, "lanes/1/copy/a", "copy/copy/repository.json"]) {
    if ((await source.size(name)) === undefined) await source.put(name, Buffer.from("x"));
  }
  expect([...(await listed(source)).keys()].sort()).toEqual(own);
  const target = new MemoryStore();
  await copied(source, target);
  const names = await namesIn(target);
  expect(names.filter((name) => /copy|probes/.test(name))).toEqual([]);
  expect(names).toContain("notes/x");
});

describe("an empty place that lets puts overwrite", () => {
  class OverwritingStore extends StoreLayer {
    override readonly mayOverwrite = true;
    constructor(private readonly memory: MemoryStore) {
      super(memory);
    }
    override put(name: string, bytes: Uint8Array): Promise<void> {
      return this.memory.replace(name, bytes);
    }
  }

  test("becomes no copy, and one that only may is asked once", async () => {
    const kept = new MemoryStore();
    await expect(copied(world.store, new OverwritingStore(kept))).rejects.toThrow(
      /cannot hold a repository .*not refused/,
    );
    expect(await namesIn(kept)).toEqual([]);
    const puts: string[] = [];
    const target = new MemoryStore();
    // A probe that may not delete leaves something behind.
    await target.put("probes/left", Buffer.from("x"));
    const probed = overriding<ObjectStore>(target, {
      mayOverwrite: true,
      put: (name, bytes) => {
        puts.push(name);
        return target.put(name, bytes);
      },
    });
    await copied(world.store, probed);
    const probes = puts.filter((name) => name.startsWith("probes/"));
    expect(probes.length).toBeGreaterThan(300);
    await target.delete("probes/left");
    expect(await contentOf(target)).toEqual(await contentOf(world.store));
    await copied(world.store, probed);
    expect(puts.filter((name) => name.startsWith("probes/"))).toHaveLength(probes.length);
  });
});

test("a copy that follows a log without new epochs never shows damage", async () => {
  const all = (await namesIn(world.store, "log/")).filter((name) =>
    name.startsWith("log/00000004"),
  );
  const late = all.slice(Math.floor(all.length / 2));
  const target = await copyOf(
    world.store,
    Object.fromEntries(late.map((name) => [name, undefined])),
  );
  let puts = 0;
  for (; ; puts += 1) {
    await verifyRepository(target);
    try {
      await copied(world.store, new CutStore(target, true));
      break;
    } catch (error) {
      if (!(error instanceof Cut)) throw error;
    }
  }
  expect(puts).toBe(late.length);
});
