/**
 * Whether the leases of this process were renewed in time, as it knows itself: it counts from before each renewal was
 * sent, by its monotonic clock.
 *
 * Invariant: no moment at which another process may have taken this one for gone counts as held. Break it and a process
 * goes on in lanes that are another's without looking; readers do not believe what it writes there, but it takes a
 * while to notice.
 */
import type { Clock } from "../../clock.js";

export class HeldLease {
  private untilMs = Number.NEGATIVE_INFINITY;
  private fromMs = Number.POSITIVE_INFINITY;

  constructor(private readonly clock: Clock) {}

  /**
   * A renewal has succeeded.
   * @param sentMs when it was about to be sent, by the monotonic clock
   * @param forMs how long after it the others take this process for gone
   */
  renewed(sentMs: number, forMs: number): void {
    const now = this.clock.monotonicMs();
    if (now > this.untilMs) this.fromMs = now;
    this.untilMs = sentMs + forMs;
  }

  /** Since when the leases have been held without a break, by the monotonic clock; undefined while they may be lost. */
  sinceMs(): number | undefined {
    return this.clock.monotonicMs() <= this.untilMs ? this.fromMs : undefined;
  }
}
