import type { Datum } from "./datum.js";
import { jsonText } from "./json-text.js";

export interface BatchLimits {
  readonly rowsMin: number;
  readonly rowsMax: number;
  readonly bytesMax: number;
}

export const defaultBatchLimits = { rowsMin: 1, rowsMax: Infinity, bytesMax: 1024 * 1024 };
export const defaultFirstScaledown = 4;

/** The limits of a stream's first batch, which is smaller so that it comes soon. */
export function firstBatchLimits(limits: BatchLimits, scaledown: number): BatchLimits {
  const scaled = (limit: number) => Math.max(1, Math.floor(limit / scaledown));
  return {
    rowsMin: scaled(limits.rowsMin),
    rowsMax: limits.rowsMax === Infinity ? Infinity : scaled(limits.rowsMax),
    bytesMax: scaled(limits.bytesMax),
  };
}

/** The elements of one response, as text. */
export class Batch {
  readonly texts: string[] = [];
  readonly #limits: BatchLimits;
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get full(): boolean {
    const { rowsMin, rowsMax, bytesMax } = this.#limits;
    const rows = this.texts.length;
    return rows >= rowsMax || (this.#bytes >= bytesMax && rows >= rowsMin);
  }

  get empty(): boolean {
    return this.texts.length === 0;
  }

  add(datum: Datum): void {
    const text = jsonText(datum);
    this.texts.push(text);
    this.#bytes += text.length;
  }
}
