import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";
import type { Source } from "../rethinkdb/source.js";
import { clocksDifferMsMax } from "./log-clock.js";

/** Clocks that differ by less are left alone. */
const leastMs = 100;
/** A source that answers slowly, or a clock that was set meanwhile, is asked so often for an answer that is sure. */
const asksMax = 5;

/** A machine's clock that shows another time, which goes on as the machine's does. */
export class ShiftedClock implements Clock {
  constructor(
    private readonly clock: Clock,
    /** By how much it is ahead of the machine's. */
    readonly byMs: number,
  ) {}

  now(): Instant {
    return this.clock.now() + this.byMs;
  }

  monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.clock.sleep(ms, signal);
  }
}

/**
 * A clock that shows the source's time. Processes that share the lanes of a repository run on several machines: an
 * instant has to be the same one in every lane, so their logs go by the one clock that all of them can ask. It is true
 * as long as the machine's is not set: what labels by it must look after that from the moment when it is made.
 * Rejects as `serverClock` does.
 * @param clock the machine's, by which the source says its time
 */
export async function clockOfSource(
  source: Pick<Source, "serverClock">,
  clock: Clock,
): Promise<ShiftedClock> {
  let answer = await source.serverClock();
  for (let asks = 1; answer.uncertaintyMs > leastMs && asks < asksMax; asks += 1)
    answer = await source.serverClock();
  const { offsetMs, uncertaintyMs } = answer;
  const differsMs = Math.abs(offsetMs);
  // If they differ by more, one of them is wrong, and the capture refuses to begin.
  const mayFollow = differsMs > leastMs + uncertaintyMs && differsMs <= clocksDifferMsMax;
  return new ShiftedClock(clock, mayFollow ? Math.round(offsetMs) : 0);
}
