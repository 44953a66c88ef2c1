/** Waiting for recoveries to change. */
import { abortWith } from "../abort.js";
import type { Clock } from "../clock.js";
import type { Waker } from "../coordination/wake.js";

/** The subject of wake-ups about recoveries. */
export const recoveriesSubject = "recoveries";

/**
 * Wake-ups about recoveries, heard from when this is made until its `end`: one that comes while the recoveries are
 * looked at ends the next wait at once.
 */
export class WakeUps {
  /** Hears none any more. */
  readonly end: () => void;
  private woken = new AbortController();

  constructor(
    private readonly clock: Clock,
    waker: Waker,
  ) {
    this.end = waker.onWake(recoveriesSubject, () => this.woken.abort(new Error("woken")));
  }

  /** Waits until a wake-up since the last wait, the end of the time, or the signal's abort. Never rejects. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const { woken } = this;
    const forget = abortWith(signal, woken);
    await this.clock.sleep(ms, woken.signal).catch(() => undefined);
    forget();
    this.woken = new AbortController();
  }
}
