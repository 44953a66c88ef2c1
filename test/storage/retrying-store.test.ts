/** What a store that fails for a while, loses replies or hangs is to who asks it through a RetryingStore. */
import { beforeEach, describe, expect, test } from "vitest";
import { untilAborted } from "../../src/abort.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import {
  failureOf,
  ObjectExists,
  type ObjectStore,
  StoreForbidden,
  StoreFull,
  StoreUnavailable,
} from "../../src/storage/object-store.js";
import { heard, queued } from "../../src/storage/progress.js";
import {
  endless,
  impatient,
  type Patience,
  RetryingStore,
} from "../../src/storage/retrying-store.js";
import { namesIn } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";
import { SmallWorld } from "../simulation/small-world.js";

const away = new StoreUnavailable("503 Slow Down");
const never = () => new Promise<never>(() => undefined);

let world: SmallWorld;
let below: MemoryStore;
beforeEach(() => {
  world = new SmallWorld();
  below = new MemoryStore();
});

const sleep = (ms: number) => world.process().clock.sleep(ms);

function retrying(store: ObjectStore, patience?: Patience, stopped?: AbortSignal): RetryingStore {
  return new RetryingStore(store, world.process().clock, () => 0.5, patience, stopped);
}

/** How a call ends within some virtual time. */
async function outcome<T>(call: Promise<T>, withinMs: number): Promise<T | Error | "waits"> {
  let ended: T | Error | "waits" = "waits";
  call.then(
    (value) => (ended = value),
    (error: unknown) => (ended = error as Error),
  );
  await world.pass(withinMs);
  return ended;
}

/** Fails so many times before each call of a method is passed on. */
function failingFirst(times: number, error: Error = away): ObjectStore {
  let left = times;
  const first = <T>(work: () => Promise<T>): Promise<T> => {
    left -= 1;
    return left >= 0 ? Promise.reject(error) : work();
  };
  return overriding<ObjectStore>(below, {
    put: (...args) => first(() => below.put(...args)),
    get: (...args) => first(() => below.get(...args)),
    tail: (...args) => first(() => below.tail(...args)),
    size: (...args) => first(() => below.size(...args)),
    delete: (...args) => first(() => below.delete(...args)),
  });
}

describe("a store that is unavailable", () => {
  test.each<[string, (store: ObjectStore) => Promise<unknown>]>([
    ["put", (store) => store.put("new", Buffer.from("x"))],
    ["get", (store) => store.get("there")],
    ["tail", (store) => store.tail("there", 1)],
    ["size", (store) => store.size("there")],
    ["delete", (store) => store.delete("there")],
  ])("is asked again for %s", async (_, call) => {
    await below.put("there", Buffer.from("x"));
    expect(await outcome(call(retrying(failingFirst(4))), 10_000)).not.toBeInstanceOf(Error);
  });

  test("is given up after a minute, with its last error", async () => {
    const call = retrying(failingFirst(Number.POSITIVE_INFINITY)).get("there");
    expect(await outcome(call, 59_000)).toBe("waits");
    expect(await outcome(call, 20_000)).toBe(away);
  });

  test("is asked without end by who wants that, until it is stopped", async () => {
    const stop = new AbortController();
    const store = retrying(failingFirst(Number.POSITIVE_INFINITY), endless, stop.signal);
    const call = store.put("new", Buffer.from("x"));
    expect(await outcome(call, 10 * 3_600_000)).toBe("waits");
    const reason = new Error("it is stopped");
    stop.abort(reason);
    expect(await outcome(call, 0)).toBe(reason);
  });

  test.each([new StoreFull("new", undefined), new StoreForbidden("new", undefined)])(
    "is asked again for what needs the operator only where that is waited for (%s)",
    async (error) => {
      const bytes = Buffer.from("x");
      expect(await outcome(retrying(failingFirst(3, error)).put("new", bytes), 60_000)).toBe(error);
      const waiting = retrying(failingFirst(3, error), { ...endless, waitsForOthers: true });
      expect(await outcome(waiting.put("new", bytes), 60_000)).toBeUndefined();
    },
  );

  test("is not asked again after a defect", async () => {
    const defect = new TypeError("undefined is not a function");
    expect(await outcome(retrying(failingFirst(1, defect)).get("there"), 0)).toBe(defect);
  });
});

describe("a listing that fails on the way", () => {
  test("goes on behind what it gave, and gives nothing twice", async () => {
    const names = Array.from({ length: 1000 }, (_, i) => `log/${String(i).padStart(4, "0")}`);
    for (const name of names) await below.put(name, Buffer.alloc(1));
    const asked: (string | undefined)[] = [];
    const breaking = overriding<ObjectStore>(below, {
      async *list(prefix, options) {
        asked.push(options?.after);
        let left = 300;
        for await (const object of below.list(prefix, options)) {
          left -= 1;
          if (left < 0) throw away;
          yield object;
        }
      },
    });
    expect(await outcome(namesIn(retrying(breaking), "log/"), 60_000)).toEqual(names);
    expect(asked).toEqual([undefined, "log/0255", "log/0511", "log/0767"]);
  });

  test("is ended when nobody reads it any further", async () => {
    for (let i = 0; i < 600; i += 1) await below.put(`log/${i}`, Buffer.alloc(1));
    let isEnded = false;
    const watched = overriding<ObjectStore>(below, {
      async *list(prefix, options) {
        try {
          yield* below.list(prefix, options);
        } finally {
          isEnded = true;
        }
      },
    });
    for await (const _ of retrying(watched).list("log/")) break;
    await world.pass(0);
    expect(isEnded).toBe(true);
  });
});

describe("a put whose reply is lost", () => {
  /** Stores what is put, and then fails with `error`, so many times. */
  const losing = (times: number, error: Error = away) => {
    let left = times;
    return overriding<ObjectStore>(below, {
      put: async (...args) => {
        await below.put(...args);
        left -= 1;
        if (left >= 0) throw error;
      },
    });
  };

  test("has put its object", async () => {
    const call = retrying(losing(1)).put("claim", Buffer.from("ours"));
    expect(await outcome(call, 10_000)).toBeUndefined();
    expect((await below.get("claim")).toString()).toBe("ours");
  });

  test("is not taken for one that somebody else was faster with", async () => {
    const store = overriding<ObjectStore>(below, {
      put: async (name, bytes) => {
        if ((await below.size(name)) !== undefined) throw new ObjectExists(name);
        await below.put(name, Buffer.from("theirs"));
        expect(bytes).not.toEqual(Buffer.from("theirs"));
        throw away;
      },
    });
    const error = await outcome(retrying(store).put("claim", Buffer.from("ours")), 10_000);
    expect(failureOf(error)).toBe("exists");
  });

  test("whose name was taken before meets what is there, also if the bytes are the same", async () => {
    await below.put("claim", Buffer.from("same"));
    const call = retrying(below).put("claim", Buffer.from("same"));
    expect(failureOf(await outcome(call, 0))).toBe("exists");
    const later = retrying(failingFirst(1)).put("claim", Buffer.from("other"));
    expect(failureOf(await outcome(later, 10_000))).toBe("exists");
  });

  test("is known to be done also where the store is full by then", async () => {
    let isFull = false;
    const filling = overriding<ObjectStore>(below, {
      put: async (name, bytes) => {
        if (isFull) throw new StoreFull(name, undefined);
        await below.put(name, bytes);
        isFull = true;
        throw away;
      },
    });
    const call = retrying(filling).put("claim", Buffer.from("ours"));
    expect(await outcome(call, 10_000)).toBeUndefined();
  });
});

describe("a store that does not answer", () => {
  /** Hangs until the call is aborted, so many times. */
  const hanging = (times: number) => {
    let left = times;
    return overriding<ObjectStore>(below, {
      get: (name, range, signal) => {
        left -= 1;
        if (left < 0) return below.get(name, range, signal);
        return new Promise((_, reject) => {
          signal!.addEventListener("abort", () => reject(signal!.reason as Error));
        });
      },
    });
  };

  test("is asked again after a minute, and waited for twice as long", async () => {
    await below.put("there", Buffer.from("x"));
    const call = retrying(hanging(2), endless).get("there");
    expect(await outcome(call, 179_000)).toBe("waits");
    expect(await outcome(call, 3000)).toEqual(Buffer.from("x"));
  });

  test("is waited for as long as something is heard of the answer, or it waits for its turn", async () => {
    await below.put("there", Buffer.from("x"));
    let tries = 0;
    const slow = overriding<ObjectStore>(below, {
      get: async (name, range, signal) => {
        tries += 1;
        queued(signal);
        await sleep(200_000);
        for (let i = 0; i < 10; i += 1) {
          heard(signal);
          await sleep(50_000);
        }
        return below.get(name, range, signal);
      },
    });
    const call = retrying(slow).get("there");
    expect(await outcome(call, 699_000)).toBe("waits");
    expect(await outcome(call, 2000)).toEqual(Buffer.from("x"));
    expect(tries).toBe(1);
  });

  test("is left at once by who can ask another place", async () => {
    const store = retrying(hanging(1), { patienceMs: 2000, answerMs: 10_000 });
    const call = store.get("there");
    expect(await outcome(call, 9000)).toBe("waits");
    expect(failureOf(await outcome(call, 1500))).toBe("unavailable");
  });

  test("is given up when nothing more is heard of an answer that had begun", async () => {
    const stopping = overriding<ObjectStore>(below, {
      get: async (_, __, signal) => {
        await sleep(50_000);
        heard(signal);
        return never();
      },
    });
    const call = retrying(stopping, impatient).get("there");
    expect(failureOf(await outcome(call, 350_000))).toBe("unavailable");
  });

  test("is given the time that a large object takes, and a longer one after it was too slow", async () => {
    const sent: string[] = [];
    /** Takes 16 bytes in a millisecond, and hears when it is given up. */
    const thin = overriding<ObjectStore>(below, {
      put: async (name, bytes, signal) => {
        await untilAborted(sleep(bytes.length / 16), signal);
        sent.push(name);
      },
    });
    const store = retrying(thin, impatient);
    const large = Buffer.alloc(16 * 1024 * 1024);
    // A million milliseconds: more than two tries of 191 s and twice that.
    expect(failureOf(await outcome(store.put("a", large), 3_600_000))).toBe("unavailable");
    expect(failureOf(await outcome(store.put("a", large), 3_600_000))).toBe("unavailable");
    expect(await outcome(store.put("a", large), 3_600_000)).toBeUndefined();
    expect(await outcome(store.put("b", large), 3_600_000)).toBeUndefined();
    expect(sent).toEqual(["a", "b"]);
  });

  test("is given up", async () => {
    const error = await outcome(retrying(hanging(Number.POSITIVE_INFINITY)).get("there"), 200_000);
    expect(error).toMatchObject({ code: "repository", message: "memory does not answer" });
    expect(failureOf(error)).toBe("unavailable");
  });

  test.each<[string, (store: ObjectStore) => Promise<unknown>]>([
    ["a put", (store) => store.put("x", Buffer.alloc(1))],
    ["a get", (store) => store.get("x")],
    ["a tail", (store) => store.tail("x", 1)],
    ["a size", (store) => store.size("x")],
    ["a listing", (store) => namesIn(store, "x")],
    ["a delete", (store) => store.delete("x")],
    ["a search", (store) => store.firstMissing!(["x"])],
    ["room", (store) => store.keepRoom!()],
    ["an urgent put", (store) => store.putUrgently!("x", Buffer.alloc(1))],
  ])("holds up no caller for ever, whatever it is asked: %s", async (_, call) => {
    const silent = overriding<ObjectStore>(below, {
      put: never,
      get: never,
      tail: never,
      size: never,
      delete: never,
      firstMissing: never,
      keepRoom: never,
      putUrgently: never,
      list: () => ({ [Symbol.asyncIterator]: () => ({ next: never }) }),
    });
    expect(failureOf(await outcome(call(retrying(silent)), 200_000))).toBe("unavailable");
  });

  test("and cannot be called back is asked no more than twice until it answers", async () => {
    let asked = 0;
    const answers: (() => void)[] = [];
    const stuck = overriding<ObjectStore>(below, {
      size: () => {
        asked += 1;
        return new Promise((resolve) => answers.push(() => resolve(7)));
      },
    });
    const store = retrying(stuck, endless);
    const calls = [store.size("a"), store.size("b")];
    await world.pass(3_600_000);
    expect(asked).toBe(2);
    for (const answer of answers) answer();
    await world.pass(60_000);
    expect(asked).toBe(4);
    for (const answer of answers) answer();
    expect(await outcome(Promise.all(calls), 0)).toEqual([7, 7]);
  });

  test("lets a caller go whose signal aborts", async () => {
    const stop = new AbortController();
    const call = retrying(hanging(1)).get("there", undefined, stop.signal);
    expect(await outcome(call, 1000)).toBe("waits");
    const reason = new Error("not wanted any more");
    stop.abort(reason);
    expect(await outcome(call, 0)).toBe(reason);
  });
});
