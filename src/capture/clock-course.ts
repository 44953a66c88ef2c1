import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";

/** A clock that differs from its own course by more than this was set. */
const clockStepMs = 1000;

/** Watches whether the machine's clock is set, by the monotonic one. */
export class ClockCourse {
  /** The wall clock less the monotonic one, until somebody sets the former. */
  private offset: number;
  /** What the clock showed at the last look, and around the last step forward. */
  private last: Instant;
  /** By how much the clock was set between the last two looks, in whole ms. */
  stepMs = 0;
  private stepForward: { from: Instant; to: Instant } | undefined;

  constructor(private readonly clock: Clock) {
    this.offset = this.currentOffset();
    this.last = clock.now();
  }

  /**
   * Looks at the clock. If it was set back behind `logTime`, gives the instant since which labels are too late: now;
   * or, if that undoes a step forward, that step.
   */
  setBackSince(logTime: Instant): Instant | undefined {
    const now = this.clock.now();
    const step = this.currentOffset() - this.offset;
    let since: Instant | undefined;
    this.stepMs = Math.abs(step) > clockStepMs ? Math.round(step) : 0;
    if (this.stepMs !== 0) {
      this.offset += step;
      if (step > 0) this.stepForward = { from: this.last, to: now };
      else if (logTime > now) since = this.mislabelledSince(Math.min(now, this.last + this.stepMs));
    }
    this.last = now;
    return since;
  }

  private mislabelledSince(now: Instant): Instant {
    const forward = this.stepForward;
    this.stepForward = undefined;
    return forward && forward.to > now ? Math.min(now, forward.from) : now;
  }

  private currentOffset(): number {
    return this.clock.now() - this.clock.monotonicMs();
  }
}
