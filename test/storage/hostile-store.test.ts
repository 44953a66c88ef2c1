import { describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.js";
import { DataObject } from "../../src/format/data-object.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";
import { endless, RetryingStore } from "../../src/storage/retrying-store.js";
import { namesIn } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { SmallWorld } from "../simulation/small-world.js";
import { storeConformance } from "./conformance.js";
import { HostileStore, StoreWeather, type Way } from "./hostile-store.js";

/** A clock of which a second takes a millisecond. */
const hasty: Clock = {
  now: () => systemClock.now(),
  monotonicMs: () => systemClock.monotonicMs() * 1000,
  sleep: (ms, signal) => systemClock.sleep(ms / 1000, signal),
};
const hastyWay: Way = {
  time: {
    get nowMs() {
      return hasty.monotonicMs();
    },
    after: (ms, run) => setTimeout(run, ms / 1000),
  },
  happen: (run) => run(),
  onKilled: () => undefined,
};

describe.each([1, 2, 3])("with seed %i", (seed) => {
  storeConformance("a hostile store that is asked again", async () => {
    const random = new Random(seed);
    const weather = new StoreWeather();
    Object.assign(weather, {
      failing: 0.15,
      losingReplies: 0.15,
      hanging: 0.02,
      breakingOff: 0.15,
    });
    const memory = new MemoryStore();
    const view = () =>
      new RetryingStore(
        new HostileStore(memory, hastyWay, weather, random),
        hasty,
        () => random.next(),
        endless,
      );
    return { first: view(), second: view(), remove: async () => undefined, losesReplies: true };
  });
});

describe("what no asking again can repair", () => {
  /** A store without a network before it, and how it behaves. */
  function place(weather: Partial<StoreWeather>): { store: ObjectStore; world: SmallWorld } {
    const world = new SmallWorld();
    const { life } = world.process();
    const of = Object.assign(new StoreWeather(), { delayMsMax: 0 }, weather);
    return { store: new HostileStore(world.store, life, of, new Random(1)), world };
  }

  test("is a condition that is ignored: two callers are told that they were the first", async () => {
    const { store, world } = place({ ignoresConditions: true });
    const puts = ["ours", "theirs"].map((text) => store.put("claim", Buffer.from(text)));
    await world.pass(10);
    expect(await Promise.all(puts)).toEqual([undefined, undefined]);
  });

  test("is a read that is cut short: that is damage, and no shorter object", async () => {
    const writer = new DataObjectWriter("run");
    writer.addFrame(Buffer.from("{}\n".repeat(1000)), 1000, {});
    const { store, world } = place({ truncating: 1 });
    await world.store.put("run", writer.finish({}).bytes);
    const opening = DataObject.open(store, "run", "run").catch((error: unknown) => error);
    await world.pass(10);
    expect(await opening).toMatchObject({ code: "damaged" });
  });

  test("is a listing that is behind", async () => {
    const { store, world } = place({ staleMs: 1000 });
    for (const name of ["a", "b"]) void store.put(name, Buffer.alloc(1));
    await world.pass(2000);
    void store.put("c", Buffer.alloc(1));
    void store.delete("a");
    await world.pass(100);
    const [young, old] = [namesIn(store, ""), world.pass(2000).then(() => namesIn(store, ""))];
    await world.pass(100);
    expect(await young).toEqual(["a", "b"]);
    await world.pass(3000);
    expect(await old).toEqual(["b", "c"]);
  });

  test("is a store that hangs, as long as nobody calls back", async () => {
    const { store, world } = place({ hanging: 1 });
    const stop = new AbortController();
    const asking = store.size("a", stop.signal).catch((error: unknown) => error);
    await world.pass(3_600_000);
    const reason = new Error("not waited for any more");
    stop.abort(reason);
    expect(await asking).toBe(reason);
    expect(failureOf(reason)).toBeUndefined();
  });
});
