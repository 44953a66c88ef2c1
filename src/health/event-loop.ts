/** How late timers fire: what else the process does holds up its ticks by as much. */
import type { Clock } from "../clock.js";

/** Ten times a second: what holds up a tick of a second is met, and the timers themselves cost nothing. */
const probeMs = 100;

/** Tells how late each timer fired, in milliseconds, until the signal aborts. */
export async function probeEventLoop(
  clock: Clock,
  onDelay: (ms: number) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const setMs = clock.monotonicMs();
    await clock.sleep(probeMs, signal).catch(() => undefined);
    if (!signal.aborted) onDelay(Math.max(0, clock.monotonicMs() - setMs - probeMs));
  }
}
