/**
 * A simulated process: alive, frozen, or dead. Invariant: everything that reaches a process from outside (a timer, bytes
 * of a connection, the reply of a store) comes through its life, so that a dead process does nothing any more and a
 * frozen one does it later.
 */
import type { Clock } from "../../src/clock.js";
import type { VirtualTime } from "./virtual-time.js";

export class ProcessLife {
  dead = false;
  private waiting: (() => void)[] | undefined;
  private readonly killed: (() => void)[] = [];

  constructor(readonly time: VirtualTime) {}

  get frozen(): boolean {
    return this.waiting !== undefined;
  }

  /** Lets something happen to the process: now, when it thaws, or never. */
  happen(run: () => void): void {
    if (this.dead) return;
    if (this.waiting) this.waiting.push(run);
    else run();
  }

  /** `run` happens to the process after a delay. */
  after(delayMs: number, run: () => void): unknown {
    return this.time.after(delayMs, () => this.happen(run));
  }

  /** Called at the moment of death: what the operating system does with what the process had open. */
  onKilled(run: () => void): void {
    this.killed.push(run);
  }

  /** Like SIGKILL. */
  kill(): void {
    if (this.dead) return;
    this.dead = true;
    this.waiting = undefined;
    for (const run of this.killed.splice(0)) run();
  }

  /** Like SIGSTOP. */
  freeze(): void {
    this.waiting ??= [];
  }

  /** Like SIGCONT: what came meanwhile comes now, in order, and before anything else. */
  thaw(): void {
    const { waiting } = this;
    this.waiting = undefined;
    for (const run of waiting ?? []) run();
  }
}

/** A machine's wall clock, which can be set wrong. */
export class WallClock {
  private readonly settings = [{ atMs: 0, offsetMs: 0 }];

  constructor(private readonly time: VirtualTime) {}

  now(): number {
    return Math.floor(this.time.trueMs + this.settings.at(-1)!.offsetMs);
  }

  jump(ms: number): void {
    const { offsetMs } = this.settings.at(-1)!;
    this.settings.push({ atMs: this.time.nowMs, offsetMs: offsetMs + ms });
  }

  get wasSet(): boolean {
    return this.settings.length > 1;
  }

  /** The true wall clock at a virtual moment. */
  trueMs(atMs: number): number {
    const { nowMs, trueMs } = this.time;
    return trueMs - nowMs + atMs;
  }

  /** The least that it was ahead of the true one since the virtual moment `sinceMs`. */
  offsetSince(sinceMs: number): number {
    const since = this.settings.filter(({ atMs }) => atMs >= sinceMs);
    const before = this.settings.findLast(({ atMs }) => atMs < sinceMs);
    return Math.min(...[before, ...since].map((one) => one?.offsetMs ?? Infinity));
  }

  /** The least time that it has shown since the virtual moment `sinceMs`. */
  leastSince(sinceMs: number): number {
    const shown = this.settings.map(({ atMs, offsetMs }, i) => {
      const until = this.settings[i + 1]?.atMs ?? Infinity;
      return until < sinceMs ? Infinity : this.trueMs(Math.max(atMs, sinceMs)) + offsetMs;
    });
    return Math.min(...shown);
  }
}

export class SimulatedClock implements Clock {
  constructor(
    private readonly life: ProcessLife,
    private readonly wall: WallClock,
  ) {}

  now(): number {
    return this.wall.now();
  }

  monotonicMs(): number {
    return this.life.time.nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = () => reject(signal?.reason as Error);
      if (signal?.aborted) {
        fail();
        return;
      }
      const { life } = this;
      const onAbort = () => {
        life.time.cancel(timer);
        fail();
      };
      const timer = life.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
