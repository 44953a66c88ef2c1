/** How fast a restore writes, so that a target which serves others goes on serving them. */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { sizeBytes } from "../size.js";

export interface MaxRate {
  of: "documents" | "bytes";
  perSecond: number;
}

/** `5000` documents a second; `10MiB` bytes a second. Throws, with code "usage", for anything else. */
export function parseMaxRate(text: string): MaxRate {
  const isCount = /^\d+$/.test(text);
  const perSecond = isCount ? Number(text) : sizeBytes(text);
  if (perSecond !== undefined && perSecond > 0 && Number.isSafeInteger(perSecond)) {
    return { of: isCount ? "documents" : "bytes", perSecond };
  }
  throw new ThinkbackError("usage", `--max-rate ${text} is not a rate`, {
    hint: "give documents a second, such as 5000, or bytes a second with a unit, such as 10MiB",
  });
}

/** The share of the time in which a gentle restore writes: it rests as long as the target took. */
const restPerWork = 1;

/** One pace for all writes of a restore. */
export class Pace {
  /** At most so much in one batch: what is written within a second. */
  readonly documentsMax: number;
  readonly bytesMax: number;
  /** When the next write may begin, by the monotonic clock. */
  private nextMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly maxRate: MaxRate | undefined,
    readonly isGentle: boolean,
    private readonly signal: AbortSignal,
  ) {
    const { of, perSecond } = maxRate ?? {};
    this.documentsMax = of === "documents" ? perSecond! : Number.POSITIVE_INFINITY;
    this.bytesMax = of === "bytes" ? perSecond! : Number.POSITIVE_INFINITY;
  }

  /** Does a write when it may begin. Rejects with the signal's reason if it aborts before. */
  async write(documents: number, bytes: number, send: () => Promise<void>): Promise<void> {
    const now = this.clock.monotonicMs();
    const waitMs = this.nextMs - now;
    if (this.maxRate) {
      const { of, perSecond } = this.maxRate;
      const amount = of === "documents" ? documents : bytes;
      this.nextMs = Math.max(now, this.nextMs) + (1000 * amount) / perSecond;
    }
    if (waitMs > 0) await this.clock.sleep(waitMs, this.signal);
    const began = this.clock.monotonicMs();
    await send();
    if (!this.isGentle) return;
    await this.clock.sleep(restPerWork * (this.clock.monotonicMs() - began), this.signal);
  }
}
