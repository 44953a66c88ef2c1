/** Lets a bounded number of works run at once, in the order they came. */
export class Turns {
  private running = 0;
  private waiting: (() => void)[] = [];

  constructor(private readonly atOnceMax: number) {}

  /** Runs `work` when its turn comes; rejects at once if the signal aborts while it waits. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.running < this.atOnceMax) this.running += 1;
    else await this.turn(signal);
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running -= 1;
    }
  }

  /** Resolves when the place of a work that has ended is given to this one. */
  private async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const wake = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        this.waiting = this.waiting.filter((other) => other !== wake);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.waiting.push(wake);
    });
  }
}
