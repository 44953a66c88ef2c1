import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";
import type { Source } from "../rethinkdb/source.js";
import { clocksDifferMsMax } from "./log-clock.js";
import { isTransient } from "./transient.js";

/** Clocks that differ by less are left alone. */
const leastMs = 100;

/** A machine's clock that shows another time, which goes on as the machine's does. */
class ShiftedClock implements Clock {
  constructor(
    private readonly clock: Clock,
    private readonly byMs: number,
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
 * instant has to be the same one in every lane, so their logs go by the one clock that all of them can ask.
 */
export async function clockOfSource(
  source: Pick<Source, "serverClock">,
  clock: Clock,
): Promise<Clock> {
  try {
    const { offsetMs, uncertaintyMs } = await source.serverClock();
    const differsMs = Math.abs(offsetMs);
    // If they differ by more, one of them is wrong, and the capture refuses to begin.
    const mayFollow = differsMs > leastMs + uncertaintyMs && differsMs <= clocksDifferMsMax;
    return mayFollow ? new ShiftedClock(clock, Math.round(offsetMs)) : clock;
  } catch (error) {
    // A source that cannot say its time now cannot be captured either.
    if (isTransient(error)) return clock;
    throw error;
  }
}
