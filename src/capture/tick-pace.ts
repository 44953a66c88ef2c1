/** The length of ticks: as short as wanted, unless the store takes longer than that to make a segment durable. */

export interface TickBounds {
  minMs: number;
  /** Equal to `minMs` if the length is not to be adapted. */
  maxMs: number;
}

export interface PaceChange {
  fromMs: number;
  toMs: number;
  reason: string;
}

/** How many segments are looked at before the length is changed, so that one slow put changes nothing. */
const segmentsPerLook = 8;
/** So many segments in a row that take longer than the longest tick are enough: eight of them may take minutes. */
const slowSegments = 2;

export class TickPace {
  tickMs: number;
  private shipped: number[] = [];

  constructor(private readonly bounds: TickBounds) {
    this.tickMs = bounds.minMs;
  }

  /** Takes how long a segment took to become durable. Returns the change of the length that follows, if one does. */
  note(shipMs: number): PaceChange | undefined {
    const { minMs, maxMs } = this.bounds;
    if (minMs === maxMs) return undefined;
    this.shipped.push(shipMs);
    const last = this.shipped.slice(-slowSegments);
    if (this.tickMs < maxMs && last.length === slowSegments && last.every((ms) => ms > maxMs)) {
      this.shipped = [];
      const leastMs = Math.round(Math.min(...last));
      return this.change(maxMs, `${slowSegments} segments in a row took ${leastMs} ms or longer`);
    }
    if (this.shipped.length < segmentsPerLook) return undefined;
    const typicalMs = median(this.shipped);
    this.shipped = [];
    const took = `a segment takes ${Math.round(typicalMs)} ms to become durable`;
    if (typicalMs > this.tickMs && this.tickMs < maxMs) {
      return this.change(Math.min(maxMs, 2 * this.tickMs), took);
    }
    if (typicalMs < this.tickMs / 4 && this.tickMs > minMs) {
      return this.change(Math.max(minMs, this.tickMs / 2), `${took} only`);
    }
    return undefined;
  }

  private change(toMs: number, reason: string): PaceChange {
    const fromMs = this.tickMs;
    this.tickMs = toMs;
    return { fromMs, toMs, reason };
  }
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
