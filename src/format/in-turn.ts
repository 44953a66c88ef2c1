/** Does pieces of work one after another, in the background of the caller. After one fails, no further one is done. */
export class InTurn {
  private readonly waiting: Promise<void>[] = [];
  private last: Promise<void> = Promise.resolve();

  /** @param aheadMax how many pieces of work may be unfinished when `drain` resolves */
  constructor(private readonly aheadMax: number) {}

  add(work: () => Promise<void>): void {
    const before = this.last;
    this.last = (async () => {
      await before;
      await work();
    })();
    // The caller of `drain` or `end` gets the rejection.
    this.last.catch(() => undefined);
    this.waiting.push(this.last);
  }

  /** Resolves when at most `aheadMax` pieces of work are left; rejects if one has failed. */
  async drain(): Promise<void> {
    while (this.waiting.length > this.aheadMax) {
      const first = this.waiting[0];
      await first;
      // Another call of `drain` may have removed it already.
      if (this.waiting[0] === first) void this.waiting.shift();
    }
  }

  /** Resolves when all is done. */
  end(): Promise<void> {
    return this.last;
  }
}
