/** What must be there at an instant: what was acknowledged so long before that it has come, by what the repository promises. */
import type { Delivery } from "./delivery.js";
import type { FaultWindow } from "./faults.js";

/** What was acknowledged so long before an exact instant is there. */
export const boundMs = 2000;
/** Labels are whole ms. */
const roundingMs = 1;
/** What waited while changes were held up has come so long after. */
const settlesMs = 1000;

/** Tells of what was acknowledged at a moment whether it has come for sure. */
export type IsDue = (atMs: number) => boolean;

export class Due {
  constructor(
    private readonly windows: readonly FaultWindow[],
    private readonly delivery: Delivery,
  ) {}

  /** At an instant that is exact, or late by so much. */
  within(moment: number, lateMs = 0): IsDue {
    return (atMs) => atMs + boundMs + lateMs + roundingMs < moment;
  }

  /** The same of a change of a table: it comes at once where nothing holds it up. */
  onFeed(moment: number, lateMs: number): IsDue {
    const isHeldUp = this.windows.some(
      ({ holdsUp, fromMs, toMs }) =>
        holdsUp && fromMs <= moment && toMs + settlesMs + boundMs >= moment,
    );
    const isDue = this.within(moment, lateMs);
    if (isHeldUp || lateMs > 0) return isDue;
    return (atMs) => isDue(atMs) || this.delivery.latestMs(atMs) + roundingMs < moment;
  }

  /** True if nobody could be asked of a table, or has been since: what was known of it stays. */
  isHidden(table: string, moment: number): boolean {
    return this.windows.some(
      ({ hides, fromMs, toMs }) =>
        hides === table && fromMs <= moment && moment <= toMs + boundMs + settlesMs,
    );
  }
}
