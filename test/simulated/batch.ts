import type { Datum } from "./datum.js";
import { jsonText } from "./json-text.js";

export interface BatchLimits {
  readonly rowsMin: number;
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** What the limits of rows and bytes are divided by; more than one for a stream's first batch, so that it comes soon. */
  readonly divisor: number;
}

export const defaultBatchLimits = {
  rowsMin: 1,
  rowsMax: Infinity,
  bytesMax: 1024 * 1024,
  divisor: 1,
};
export const defaultFirstScaledown = 4;

/** What the server adds to a shard's share, because rows are not spread evenly. */
const SHARE_EXTRA = 32;

/** The limits of what one of several shards reads for a batch: somewhat more than its part. */
export function shardLimits(limits: BatchLimits, shards: number): BatchLimits {
  const share = (limit: number) =>
    limit === Infinity
      ? Infinity
      : Math.min(limit, Math.floor((limit * 8) / (7 * shards)) + SHARE_EXTRA);
  return {
    ...limits,
    rowsMax: Math.max(limits.rowsMin, share(limits.rowsMax)),
    bytesMax: share(limits.bytesMax),
  };
}

/** The elements of one response, or of a step towards it. */
export class Batch {
  readonly items: Datum[] = [];
  readonly texts: string[] = [];
  readonly limits: BatchLimits;
  #rows = 0;
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.limits = limits;
  }

  get full(): boolean {
    const { rowsMin, rowsMax, bytesMax, divisor } = this.limits;
    const scaled = (limit: number) => Math.max(1, Math.floor(limit / divisor));
    if (this.#rows >= scaled(rowsMax)) return true;
    return this.#bytes >= scaled(bytesMax) && this.#rows >= scaled(rowsMin);
  }

  get empty(): boolean {
    return this.items.length === 0;
  }

  add(datum: Datum): void {
    this.addUncounted(datum);
    this.#rows += 1;
    this.#bytes += this.texts.at(-1)!.length;
  }

  /** Adds what the limits do not count. */
  addUncounted(datum: Datum): void {
    this.items.push(datum);
    this.texts.push(jsonText(datum));
  }
}
