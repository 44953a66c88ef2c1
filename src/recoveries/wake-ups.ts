/** Waiting for recoveries to change. */
import type { Clock } from "../clock.js";
import type { Waker } from "../coordination/wake.js";

/** The subject of wake-ups about recoveries. */
export const recoveriesSubject = "recoveries";

/** Waits until a wake-up, the end of the time, or the signal's abort. Never rejects. */
export async function pause(
  clock: Clock,
  waker: Waker,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const woken = new AbortController();
  const end = waker.onWake(recoveriesSubject, () => woken.abort(new Error("woken")));
  await clock.sleep(ms, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
  end();
}
