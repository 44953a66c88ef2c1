/** Pauses between tries, each twice as long as the one before, up to a bound. */
export class Backoff {
  private ms: number;

  constructor(
    private readonly firstMs: number,
    private readonly lastMs: number,
  ) {
    this.ms = firstMs;
  }

  /** The pause before the next try. */
  next(): number {
    const { ms } = this;
    this.ms = Math.min(2 * ms, this.lastMs);
    return ms;
  }

  /** Goes back to the first pause, after a try that was of use. */
  reset(): void {
    this.ms = this.firstMs;
  }
}
