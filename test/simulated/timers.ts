/**
 * The simulated cluster's only door to time. A simulation passes its own, with virtual time; a TCP server passes the
 * real one. Nothing else in this folder reads a clock or sets a timer.
 */
export interface Timers {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  setTimeout(run: () => void, delayMs: number): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
}

/** What `setTimeout` gave, to be given back to `clearTimeout` and not looked into; undefined stands for none. */
export type TimerHandle = unknown;

export const realTimers: Timers = {
  now: () => Date.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
};
