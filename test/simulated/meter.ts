import type { Timers } from "./timers.js";

const SECOND_MS = 1000;

/** Counts what happens: in all, and in the last second. */
export class Meter {
  total = 0;
  readonly #timers: Timers;
  /** What happened at the instants of the last second. */
  #recent: { readonly atMs: number; count: number }[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  note(count = 1): void {
    const now = this.#timers.now();
    const last = this.#recent.at(-1);
    this.total += count;
    if (last?.atMs === now) {
      last.count += count;
      return;
    }
    if (this.#recent.length > SECOND_MS) this.#forgetOld(now);
    this.#recent.push({ atMs: now, count });
  }

  get perSecond(): number {
    this.#forgetOld(this.#timers.now());
    return this.#recent.reduce((sum, { count }) => sum + count, 0);
  }

  #forgetOld(now: number): void {
    this.#recent = this.#recent.filter(({ atMs }) => atMs > now - SECOND_MS);
  }
}

/** The documents of one table that one server has read and written since it was started. */
export class DocumentCounts {
  readonly read: Meter;
  readonly written: Meter;

  constructor(timers: Timers) {
    this.read = new Meter(timers);
    this.written = new Meter(timers);
  }
}
