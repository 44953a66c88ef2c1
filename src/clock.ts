/**
 * The only way to time. All code that reads the clock or waits takes a Clock, so that a simulation can control time.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since the Unix epoch. It may jump back or forward. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For durations and timeouts. */
  monotonicMs(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason if `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};

/** At most so far may the wall clocks of two machines differ if one relies on times that the other has written. */
export const clockDifferenceMsMax = 60_000;

/**
 * The result of `work`. Rejects with the error of `onTimeout` if `work` has not settled after `ms` milliseconds; then
 * `work` goes on, and its late result or error is dropped.
 */
export async function withTimeout<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  onTimeout: () => Error,
): Promise<T> {
  const timer = new AbortController();
  const timeout = clock.sleep(ms, timer.signal).then(() => {
    throw onTimeout();
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    timeout.catch(() => undefined);
    timer.abort(new Error("no longer waited for"));
  }
}
