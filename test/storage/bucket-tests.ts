/** What holds for the store in a bucket, whatever goes wrong with its service: tests that each such store runs. */
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import {
  failureOf,
  ObjectExists,
  type ObjectStore,
  type StoreFailure,
} from "../../src/storage/object-store.js";
import { RetryingStore } from "../../src/storage/retrying-store.js";
import { namesOf } from "./conformance.js";

export interface Fault {
  /** Which requests it meets. */
  on: (request: { method: string; path: string; query: URLSearchParams }) => boolean;
  /** How many requests it meets; all of them if absent. */
  times?: number;
  what:
    | { kind: "lose the reply" }
    /** @param code what the service calls the error */
    | { kind: "answer"; status: number; code: string }
    | { kind: "ignore conditions" }
    /** A byte of the object changes on its way. */
    | { kind: "flip a bit" }
    | { kind: "delay"; ms: number }
    /** The body ends early: with the connection, or with a length that agrees with what is left. */
    | { kind: "cut"; bytes: number; lies: boolean };
}

/** The faults that a request meets. One that is for some requests only is used up. */
export function metBy(
  faults: readonly Fault[],
  request: Parameters<Fault["on"]>[0],
): Fault["what"][] {
  const met = faults.filter((fault) => fault.times !== 0 && fault.on(request));
  for (const fault of met) if (fault.times !== undefined) fault.times -= 1;
  return met.map(({ what }) => what);
}

export interface FaultyBucket {
  /** A store in a place that no other test uses. */
  store: ObjectStore;
  /** What the service was asked for, and what is wrong with it. */
  service: { asked: readonly string[]; faults: Fault[] };
}

export interface BucketAnswers {
  isPut: Fault["on"];
  /** Requests for the bytes of objects. */
  isRead: Fault["on"];
  /** Answers after which asking again helps. */
  passing: readonly (readonly [status: number, code: string])[];
  /** How a put fails that is answered so. */
  ofPuts: readonly (readonly [status: number, code: string, failure: StoreFailure])[];
  /** A store in a bucket that does not exist, and the message that says so. */
  absent: () => ObjectStore;
  absentMessage: string;
  /** How reads are called of which a changed length is noticed: a header other than that one tells it too. */
  readsWithSize: readonly string[];
}

/** Asks again at once. */
const retrying = (store: ObjectStore) =>
  new RetryingStore(store, { ...systemClock, sleep: hasty }, () => 0.5, { patienceMs: 2000 });
const hasty = (ms: number, signal?: AbortSignal) =>
  systemClock.sleep(ms >= 60_000 ? ms : ms / 100, signal);

const failing = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error as Error,
  );

const text = (content: string) => Buffer.from(content);

/** @param bucket the one of the present test */
export function bucketTests(bucket: () => FaultyBucket, answers: BucketAnswers): void {
  const { isPut, isRead } = answers;
  const plant = (fault: Fault) => bucket().service.faults.push({ ...fault });

  describe("whose reply to a put is lost", () => {
    const lose: Fault = { on: isPut, times: 1, what: { kind: "lose the reply" } };

    test("has put it, and does not take its own object for another's", async () => {
      const { store, service } = bucket();
      plant(lose);
      await retrying(store).put("leases/1", text("mine"));
      expect((await store.get("leases/1")).toString()).toBe("mine");
      expect(service.asked.filter((one) => /^(PUT|POST)/.test(one))).toHaveLength(2);
    });

    test("is unavailable without the layer that asks again, after one request", async () => {
      const { store, service } = bucket();
      plant(lose);
      expect(failureOf(await failing(store.put("leases/1", text("x"))))).toBe("unavailable");
      expect(service.asked).toHaveLength(1);
    });

    test("takes another's object for another's", async () => {
      const { store } = bucket();
      await store.put("leases/1", text("theirs"));
      plant(lose);
      const put = retrying(store).put("leases/1", text("mine"));
      await expect(put).rejects.toBeInstanceOf(ObjectExists);
      expect((await store.get("leases/1")).toString()).toBe("theirs");
    });
  });

  const callsOf = (store: ObjectStore): (() => Promise<unknown>)[] => [
    () => store.put("new", text("x")),
    () => store.get("there"),
    () => store.tail("there", 1),
    () => store.size("there"),
    () => namesOf(store, ""),
    () => store.delete("there"),
  ];

  test.each(answers.passing)("asks again after %i %s, for each call", async (status, code) => {
    const { store, service } = bucket();
    await store.put("there", text("x"));
    for (const call of callsOf(retrying(store))) {
      plant({ on: () => true, times: 2, what: { kind: "answer", status, code } });
      const before = service.asked.length;
      await call();
      expect(service.asked.length - before).toBe(3);
    }
  });

  test.each(answers.ofPuts)(
    "a put that is answered %i %s fails as %s, at once",
    async (status, code, failure) => {
      const { store, service } = bucket();
      plant({ on: isPut, what: { kind: "answer", status, code } });
      expect(failureOf(await failing(retrying(store).put("new", text("x"))))).toBe(failure);
      expect(service.asked).toHaveLength(1);
    },
  );

  test("one that does not exist is named by each call, and is not an empty one", async () => {
    for (const [i, call] of callsOf(answers.absent()).entries()) {
      const error = await failing(call());
      expect(failureOf(error), `call ${i}`).toBe("unsupported");
      expect(error?.message).toBe(answers.absentMessage);
    }
  });

  describe.each([false, true])("a body that is cut short, its length changed too: %s", (lies) => {
    const calls: [string, (one: ObjectStore) => Promise<Buffer>, string][] = [
      ["get", (one) => one.get("digits"), "0123456789"],
      ["get of a range", (one) => one.get("digits", { start: 2, end: 8 }), "234567"],
      ["tail", async (one) => (await one.tail("digits", 6)).bytes, "456789"],
    ];

    const found = calls.filter(([name]) => !lies || answers.readsWithSize.includes(name));
    test.each(found)("is found by %s, and asked for again", async (_, call, wanted) => {
      const { store } = bucket();
      await store.put("digits", text("0123456789"));
      plant({ on: isRead, times: 2, what: { kind: "cut", bytes: 4, lies } });
      expect(failureOf(await failing(call(store)))).toBe("unavailable");
      expect((await call(retrying(store))).toString()).toBe(wanted);
    });
  });

  test("a service that ignores the condition is seen by a second put, which succeeds", async () => {
    const { store } = bucket();
    plant({ on: isPut, what: { kind: "ignore conditions" } });
    // So an endpoint that is not the provider's own is probed before it becomes a repository.
    expect(store.mayOverwrite).toBe(true);
    await store.put("probe", text("1"));
    await store.put("probe", text("2"));
    expect((await store.get("probe")).toString()).toBe("2");
  });

  test("bytes that changed on their way do not become an object, and are sent again", async () => {
    const { store } = bucket();
    const flip: Fault = { on: isPut, times: 1, what: { kind: "flip a bit" } };
    plant(flip);
    expect(failureOf(await failing(store.put("a", text("x"))))).toBe("unavailable");
    expect(await namesOf(store, "")).toEqual([]);
    plant(flip);
    await retrying(store).put("a", text("x"));
    expect((await store.get("a")).toString()).toBe("x");
  });

  describe("whose caller leaves", () => {
    test("rejects with the reason at once, and never stores what the buffer holds then", async () => {
      const { store } = bucket();
      await store.size("warm");
      plant({ on: isPut, what: { kind: "delay", ms: 300 } });
      for (const [i, bytes] of [Buffer.alloc(10, "a"), Buffer.alloc(8 << 20, "a")].entries()) {
        const leaving = new AbortController();
        const reason = new Error("the caller has left");
        const put = store.put(`left-${i}`, bytes, leaving.signal);
        setTimeout(() => {
          leaving.abort(reason);
          bytes.fill("b");
        }, 5);
        const begun = performance.now();
        await expect(put).rejects.toBe(reason);
        expect(performance.now() - begun).toBeLessThan(250);
        await new Promise((done) => setTimeout(done, 600));
        const there = await store.get(`left-${i}`).catch(() => Buffer.alloc(0));
        expect(there.includes("b")).toBe(false);
      }
    });

    test("asks for nothing if it has left before", async () => {
      const { store, service } = bucket();
      const reason = new Error("the caller has left");
      const left = AbortSignal.abort(reason);
      const calls = [
        () => store.put("a", text("x"), left),
        () => store.get("a", undefined, left),
        () => store.tail("a", 1, left),
        () => store.size("a", left),
        () => store.delete("a", left),
        () => store.deleteMany!(["a"], left),
        async () => {
          for await (const object of store.list("", { signal: left })) return object;
          return undefined;
        },
      ];
      for (const call of calls) await expect(call()).rejects.toBe(reason);
      expect(service.asked).toEqual([]);
    });
  });
}
