import { beforeEach, describe, expect, test } from "vitest";
import { liveHolds, type PlacedHold, placeHold } from "../../../src/repository/registers/holds.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import { type ObjectStore, StoreForbidden, StoreFull } from "../../../src/storage/object-store.js";
import { overriding } from "../../simulation/overriding.js";
import { ProcessLife, SimulatedClock, WallClock } from "../../simulation/process-life.js";
import { VirtualTime } from "../../simulation/virtual-time.js";
import { forgetHolds } from "../looks.js";
import { namesIn } from "../recording.js";

const [second, minute, day] = [1000, 60_000, 86_400_000];
const at = 1234;
const nameOf = (unique: string, number: number) =>
  `holds/${unique}-${String(number).padStart(10, "0")}.json`;

let time: VirtualTime;
let life: ProcessLife;
let clock: SimulatedClock;
let store: MemoryStore;
let reported: string[];

beforeEach(() => {
  time = new VirtualTime();
  life = new ProcessLife(time);
  clock = new SimulatedClock(life, new WallClock(time));
  store = new MemoryStore();
  reported = [];
});

const place = (unique = "r1", into: ObjectStore = store): Promise<PlacedHold> =>
  placeHold(into, clock, unique, at, ({ message }) => reported.push(message));
const pass = (ms: number) => time.runUntil(time.nowMs + ms);
const live = async () => (await liveHolds(store, time.trueMs)).map(({ unique }) => unique);
const denied = () => new StoreForbidden("the holds", undefined);

describe("a hold", () => {
  test("is stored as it is specified", async () => {
    await place();
    const text = (await store.get(nameOf("r1", 1))).toString();
    const now = time.trueMs;
    expect(text.slice(0, -80)).toBe(
      `{"thinkback":"hold","version":1,"number":1,"unique":"r1","begun":${now},"at":1234,` +
        `"until":${now + 15 * minute},"ended":false`,
    );
  });

  test("is live from when it is placed until its end, with what it reads; then nothing is left", async () => {
    const begun = time.trueMs;
    const hold = await place();
    await pass(7 * minute);
    expect(await liveHolds(store, time.trueMs)).toEqual([
      { unique: "r1", begun, at, until: begun + 20 * minute },
    ]);
    await hold.end();
    expect(await live()).toEqual([]);
    expect(await namesIn(store)).toEqual([]);
    await pass(60 * minute);
    expect(await namesIn(store)).toEqual([]);
    expect(reported).toEqual([]);
  });

  test("renews itself for as long as it reads, and leaves two numbers at most", async () => {
    const hold = await place();
    for (let i = 0; i < 40; i += 1) {
      await pass(5 * minute);
      expect(await live()).toEqual(["r1"]);
      expect((await namesIn(store)).length).toBeLessThanOrEqual(2);
    }
    await hold.end();
    expect(await namesIn(store)).toEqual([]);
  });

  test("that was killed lapses a minute after its time", async () => {
    await place();
    await pass(6 * minute);
    life.kill();
    await pass(15 * minute);
    expect(await live()).toEqual(["r1"]);
    await pass(1);
    expect(await live()).toEqual([]);
  });

  test("is one of several; each for itself", async () => {
    const holds = await Promise.all(["a", "b", "ab"].map((unique) => place(unique)));
    await pass(20 * minute);
    expect(await live()).toEqual(expect.arrayContaining(["a", "b", "ab"]));
    await holds[0]!.end();
    expect(new Set(await live())).toEqual(new Set(["b", "ab"]));
  });

  test("that may not delete ends by a last word", async () => {
    const keeping = overriding(store, { delete: () => Promise.reject(denied()) });
    const hold = await place("r1", keeping);
    await pass(11 * minute);
    expect(await namesIn(store)).toHaveLength(3);
    await hold.end();
    expect(await live()).toEqual([]);
    expect((await store.get(nameOf("r1", 4))).toString()).toContain('"ended":true');
    expect(reported).toEqual([]);
  });

  test("that may only read goes on, says so once, and does not try again", async () => {
    let tried = 0;
    const refusing = overriding(store, {
      put: () => {
        tried += 1;
        return Promise.reject(denied());
      },
      delete: () => Promise.reject(denied()),
    });
    const hold = await place("r1", refusing);
    expect(reported).toEqual(["no permission for the holds"]);
    await pass(60 * minute);
    expect(tried).toBe(1);
    await hold.end();
    expect(reported).toEqual(["no permission for the holds"]);
  });

  test("whose store fails is tried again every minute; reported is only one that is not in force", async () => {
    let fails = false;
    const failing = overriding(store, {
      put: (name, bytes) =>
        fails ? Promise.reject(new StoreFull(name, undefined)) : store.put(name, bytes),
    });
    const hold = await place("r1", failing);
    await pass(4 * minute);
    fails = true;
    await pass(8 * minute);
    fails = false;
    await pass(minute);
    expect((await liveHolds(store, time.trueMs))[0]!.until).toBeGreaterThan(
      time.trueMs + 14 * minute - second,
    );
    expect(reported).toEqual([]);
    fails = true;
    await pass(14 * minute);
    expect(reported).toEqual([]);
    await pass(2 * minute);
    expect(reported).toEqual([expect.stringContaining("no space left")]);
    await pass(60 * minute);
    expect(reported).toHaveLength(1);
    fails = false;
    await pass(minute);
    expect(await live()).toEqual(["r1"]);
    await hold.end();
    expect(await namesIn(store)).toEqual([]);
  });

  test("of a store that does not answer is not waited for", async () => {
    const silent = overriding(store, { put: () => new Promise<never>(() => undefined) });
    const placing = place("r1", silent);
    await pass(minute);
    const hold = await placing;
    expect(reported).toEqual(["the store does not answer"]);
    const ending = hold.end();
    await pass(minute);
    await ending;
  });

  test("whose permission is taken away meanwhile is reported at once", async () => {
    let refuses = false;
    const refusing = overriding(store, {
      put: (name, bytes) => (refuses ? Promise.reject(denied()) : store.put(name, bytes)),
    });
    await place("r1", refusing);
    refuses = true;
    await pass(5 * minute);
    expect(reported).toEqual(["no permission for the holds"]);
  });
});

describe("the holds", () => {
  test("are found where one renews between the listing and the reading", async () => {
    await place();
    let renewed = false;
    const renewing = overriding(store, {
      get: async (name) => {
        if (!renewed) {
          renewed = true;
          await pass(15 * minute);
        }
        return store.get(name);
      },
    });
    expect(await liveHolds(renewing, time.trueMs)).toHaveLength(1);
    expect(await store.size(nameOf("r1", 1))).toBeUndefined();
  });

  test("that are damaged are an error: what they read is not known", async () => {
    await store.put(nameOf("r1", 1), Buffer.from("{}"));
    await expect(liveHolds(store, time.trueMs)).rejects.toMatchObject({ code: "damaged" });
  });

  test("are forgotten a day after they lapsed, or once they ended; no others", async () => {
    const keeping = overriding(store, { delete: () => Promise.reject(denied()) });
    const ended = await place("ended", keeping);
    await place("killed");
    await pass(6 * minute);
    await ended.end();
    life.kill();
    life = new ProcessLife(time);
    clock = new SimulatedClock(life, new WallClock(time));
    await pass(day + 14 * minute);
    await place("live");
    await forgetHolds(store, time.trueMs);
    expect(await namesIn(store)).toEqual([
      nameOf("killed", 1),
      nameOf("killed", 2),
      nameOf("live", 1),
    ]);
    await pass(2 * minute);
    await forgetHolds(store, time.trueMs);
    expect(await namesIn(store)).toEqual([nameOf("live", 1)]);
  });

  test("that go on after all, while they are forgotten, are not", async () => {
    await place();
    life.freeze();
    await pass(2 * day);
    let isThawed = false;
    const thawing = overriding(store, {
      get: async (name) => {
        const bytes = await store.get(name);
        if (!isThawed) life.thaw();
        isThawed = true;
        await pass(second);
        return bytes;
      },
    });
    await forgetHolds(thawing, time.trueMs);
    expect(await namesIn(store)).toEqual([nameOf("r1", 2)]);
    expect(await live()).toEqual(["r1"]);
  });
});
