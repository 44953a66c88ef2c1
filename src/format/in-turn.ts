/** Work that is done one after another, beside what gives it. After one that fails nothing more is done. */
export class InTurn {
  private readonly waiting: Promise<void>[] = [];
  private last: Promise<void> = Promise.resolve();

  /** @param aheadMax of so many works the end is not awaited before more is given */
  constructor(private readonly aheadMax: number) {}

  add(work: () => Promise<void>): void {
    const before = this.last;
    this.last = (async () => {
      await before;
      await work();
    })();
    // Whoever drains or ends gets the rejection.
    this.last.catch(() => undefined);
    this.waiting.push(this.last);
  }

  /** Resolves when no more than `aheadMax` works are left; rejects if one has failed. */
  async drain(): Promise<void> {
    while (this.waiting.length > this.aheadMax) {
      const first = this.waiting[0];
      await first;
      // Another who drains may have taken it away.
      if (this.waiting[0] === first) void this.waiting.shift();
    }
  }

  /** Resolves when all is done. */
  end(): Promise<void> {
    return this.last;
  }
}
