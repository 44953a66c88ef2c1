/** Waiting for recoveries to change, without missing what is told meanwhile. */
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import type { Clock } from "../../src/clock.js";
import { systemClock } from "../../src/clock.js";
import { localWaker } from "../../src/coordination/wake.js";
import { recoveriesSubject, WakeUps } from "../../src/recoveries/wake-ups.js";

const hourMs = 3_600_000;

test("a wake-up between two waits ends the next one, and only that", async () => {
  const waker = localWaker();
  const { signal } = new AbortController();
  const waits: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: (ms, over) => {
      if (!over?.aborted) waits.push(ms);
      return over?.aborted ? Promise.reject(over.reason as Error) : Promise.resolve();
    },
  };
  const wakeUps = new WakeUps(clock, waker);
  waker.wake(recoveriesSubject);
  waker.wake(recoveriesSubject);
  await wakeUps.wait(1, signal);
  await wakeUps.wait(2, signal);
  waker.wake("something else");
  await wakeUps.wait(3, signal);
  wakeUps.end();
  waker.wake(recoveriesSubject);
  await wakeUps.wait(4, signal);
  expect(waits).toEqual([2, 3, 4]);
});

test("a wait ends with the signal, and leaves nothing in it", async () => {
  const ending = new AbortController();
  const { signal } = ending;
  const waker = localWaker();
  const wakeUps = new WakeUps(systemClock, waker);
  for (let i = 0; i < 100; i += 1) {
    const waiting = wakeUps.wait(hourMs, signal);
    waker.wake(recoveriesSubject);
    await waiting;
  }
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  // What AbortSignal.any makes is kept in a set under a symbol of the signal.
  const kept = Object.getOwnPropertySymbols(signal).map(
    (symbol) => (signal as unknown as Record<symbol, { size?: number } | undefined>)[symbol],
  );
  expect(kept.filter((one) => (one?.size ?? 0) > 0)).toEqual([]);
  const waiting = wakeUps.wait(hourMs, signal);
  ending.abort(new Error("over"));
  await waiting;
  expect(signal.aborted).toBe(true);
});
