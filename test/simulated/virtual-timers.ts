import type { TimerHandle, Timers } from "./timers.js";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly run: () => void;
}

/**
 * Time that passes only when it is told to. Timers due at the same moment run in the order in which they were set, so
 * that a run is the same every time.
 */
export class VirtualTimers implements Timers {
  #nowMs: number;
  #order = 0;
  readonly #timers = new Map<number, Timer>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  setTimeout(run: () => void, delayMs: number): TimerHandle {
    this.#order += 1;
    this.#timers.set(this.#order, {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order,
      run,
    });
    return this.#order;
  }

  clearTimeout(handle: TimerHandle): void {
    this.#timers.delete(handle as number);
  }

  /** Runs what falls due in the next `ms` milliseconds, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#timers.delete(next.order);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.run();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.dueMs > untilMs) continue;
      if (
        !first ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      ) {
        first = timer;
      }
    }
    return first;
  }
}

/** Long enough for chains of promises that wait for nothing else. */
async function settle(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
