/**
 * Time as one queue of events. Invariant: between two events everything that can run without waiting has run, and
 * events of one moment run in the order in which they were set. Break it and a seed does not replay.
 */
import type { TimerHandle, Timers } from "../simulated/timers.js";

interface Event {
  atMs: number;
  /** Counts events, so that those of one moment keep their order. */
  number: number;
  run: (() => void) | undefined;
}

/** The true wall clock when a simulation begins: 2025-01-01. */
const beginMs = 1_735_689_600_000;

export class VirtualTime {
  /** Milliseconds since the simulation began. */
  nowMs = 0;
  private readonly heap: Event[] = [];
  private events = 0;

  /** What the simulated cluster takes. */
  readonly timers: Timers = {
    now: () => this.trueMs,
    setTimeout: (run, delayMs) => this.after(delayMs, run),
    clearTimeout: (handle) => this.cancel(handle),
  };

  /** The true wall clock, that nobody's is. */
  get trueMs(): number {
    return beginMs + this.nowMs;
  }

  after(delayMs: number, run: () => void): TimerHandle {
    const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), number: this.events, run };
    this.events += 1;
    this.push(event);
    return event;
  }

  cancel(handle: TimerHandle): void {
    if (handle !== undefined) (handle as Event).run = undefined;
  }

  /** Runs events until none is left before `untilMs`, or `isOver` says so after one; time then stands there. */
  async runUntil(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    await settled();
    for (let next = this.heap[0]; next && next.atMs <= untilMs; next = this.heap[0]) {
      this.pop();
      if (!next.run) continue;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
      await settled();
      if (isOver()) return;
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.push(event) - 1;
    for (let up = (at - 1) >> 1; at > 0 && isBefore(event, heap[up]!); up = (at - 1) >> 1) {
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = event;
  }

  private pop(): void {
    const { heap } = this;
    const moving = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, moving)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moving;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}

/** Resolves when every promise that could go on has gone on. Nothing in a simulation waits for the real world. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
