/** When the tokens are read: soon enough for one that is new, and not more often because of those that are unknown. */
import { beforeEach, expect, test } from "vitest";
import { TokenSet } from "../../src/api/token-set.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { createToken } from "../../src/repository/registers/tokens.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";

/** Time passes when somebody waits for it, and the waiting of each is done in the order of its end. */
class SteppedClock implements Clock {
  private ms = 0;
  private sleepers: { at: number; wake: () => void }[] = [];
  now = () => Date.now();
  monotonicMs = () => this.ms;
  sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const sleeper = { at: this.ms + ms, wake: resolve };
      this.sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.sleepers = this.sleepers.filter((one) => one !== sleeper);
        reject(signal.reason as Error);
      });
    });

  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    for (;;) {
      // Let all run that does not wait for time.
      for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
      const next = this.sleepers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.ms = next.at;
      this.sleepers = this.sleepers.filter((one) => one !== next);
      next.wake();
    }
    this.ms = end;
  }
}

let clock: SteppedClock;
let store: ObjectStore;
let listings: number;
let isAway: boolean;
let tokens: TokenSet;

beforeEach(() => {
  clock = new SteppedClock();
  [listings, isAway] = [0, false];
  store = new MemoryStore();
  const list: ObjectStore["list"] = (...args) => {
    listings += 1;
    if (isAway) throw new Error("the store is away");
    return store.list(...args);
  };
  tokens = new TokenSet(Object.create(store, { list: { value: list } }) as ObjectStore, clock);
});

const made = async (name: string) =>
  (await createToken(store, { name, role: "viewer", expiresAt: undefined }, Date.now())).text;
const unknown = (n: number) => `thinkback_${n.toString(16).padStart(8, "0")}_${"a".repeat(43)}`;

test("a token that was made a moment after a reading counts at its first use", async () => {
  const first = await made("first");
  expect(await tokens.callerOf(first)).toMatchObject({ name: "first" });
  await clock.pass(10);
  const second = await made("second");
  const used = tokens.callerOf(second);
  await clock.pass(1000);
  expect(await used).toMatchObject({ name: "second" });
  expect(listings).toBe(2);
});

test("also if it was made while the tokens were being listed for others", async () => {
  await tokens.callerOf(await made("first"));
  await clock.pass(2000);
  let goOn: (() => void) | undefined;
  const plain = store.list.bind(store);
  store.list = async function* (...args) {
    const there = [];
    for await (const one of plain(...args)) there.push(one);
    await new Promise<void>((resolve) => (goOn = resolve));
    yield* there;
  };
  const other = tokens.callerOf(unknown(1));
  await clock.pass(1);
  expect(listings).toBe(2);
  store.list = plain;
  const late = await made("late");
  const used = tokens.callerOf(late);
  goOn!();
  expect(await other).toBeUndefined();
  await clock.pass(1000);
  expect(await used).toMatchObject({ name: "late" });
});

test("ten thousand unknown tokens in ten seconds cost a listing a second, and are refused", async () => {
  const known = await made("known");
  await tokens.callerOf(known);
  const found: Promise<unknown>[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    found.push(tokens.callerOf(unknown(n)));
    if (n % 100 === 99) {
      // Whoever has one that is known does not wait.
      expect(await tokens.callerOf(known)).toMatchObject({ name: "known" });
      await clock.pass(100);
    }
  }
  await clock.pass(1000);
  expect(new Set(await Promise.all(found))).toEqual(new Set([undefined]));
  expect(listings).toBeGreaterThanOrEqual(10);
  expect(listings).toBeLessThanOrEqual(12);
});

test("while the store is away, nobody has it asked more often, and an unknown token is not said to be wrong", async () => {
  const known = await made("known");
  await tokens.callerOf(known);
  isAway = true;
  await clock.pass(5000);
  listings = 0;
  for (let n = 0; n < 100; n += 1) {
    expect(await tokens.callerOf(known)).toMatchObject({ name: "known" });
  }
  expect(listings).toBe(1);
  const used = tokens.callerOf(await made("new")).catch((error: unknown) => error);
  await clock.pass(1000);
  expect(await used).toMatchObject({ code: "unavailable" });
  expect(listings).toBe(2);
  isAway = false;
  const again = tokens.callerOf(await made("newer"));
  await clock.pass(1000);
  expect(await again).toMatchObject({ name: "newer" });
});

test("the clock of the system does the same", async () => {
  const real = new TokenSet(store, systemClock);
  await real.callerOf(await made("first"));
  expect(await real.callerOf(await made("second"))).toMatchObject({ name: "second" });
});
