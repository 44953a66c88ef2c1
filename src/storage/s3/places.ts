import { heard, queued } from "../progress.js";

/** A number of places, of which each request takes one. Who finds none waits, in the order of coming. */
export class Places {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  /** The result of `work`, which is begun when there is a place. Rejects with the signal's reason if that aborts. */
  async in<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (this.free > 0) this.free -= 1;
    else await this.nextFree(signal);
    heard(signal);
    try {
      return await work();
    } finally {
      this.giveBack();
    }
  }

  private nextFree(signal: AbortSignal | undefined): Promise<void> {
    queued(signal);
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.waiting.splice(this.waiting.indexOf(onFree), 1);
        reject(signal!.reason as Error);
      };
      const onFree = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      this.waiting.push(onFree);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  private giveBack(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.free += 1;
  }
}
