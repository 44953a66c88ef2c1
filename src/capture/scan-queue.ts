/** Lets a bounded number of scans run at once, in the order they came. */
export class CopyQueue {
  private running = 0;
  private waiting: (() => void)[] = [];

  constructor(private readonly atOnceMax: number) {}

  /** Runs `work` when its turn comes; rejects at once if the signal aborts while waiting. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    while (this.running >= this.atOnceMax) await this.turn(signal);
    this.running += 1;
    try {
      return await work();
    } finally {
      this.running -= 1;
      // All are woken, and look again in their order: one that was aborted meanwhile must not swallow the turn.
      const { waiting } = this;
      this.waiting = [];
      for (const wake of waiting) wake();
    }
  }

  private async turn(signal: AbortSignal): Promise<void> {
    let wake: () => void = () => undefined;
    await new Promise<void>((resolve) => {
      wake = resolve;
      this.waiting.push(resolve);
      signal.addEventListener("abort", wake, { once: true });
    });
    signal.removeEventListener("abort", wake);
    signal.throwIfAborted();
  }
}
