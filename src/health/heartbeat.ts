/**
 * A heartbeat for a monitor outside: sent only while a probe has lately travelled the whole way, from the source to
 * the store. So it stops by itself, whatever has stopped: the source, the store, this process, or the whole machine.
 */
import type { Clock } from "../clock.js";
import type { Facts } from "./facts.js";
import { healthOf, isProvenLately } from "./health.js";

export interface HeartbeatOptions {
  clock: Clock;
  /** True in the process that sends it. */
  isFirst: () => boolean;
  /** Sends it; rejects if the monitor does not take it. */
  send: (signal: AbortSignal) => Promise<void>;
}

/** Not more often: monitors count in minutes. */
const everyMs = 60_000;
/** How often it is looked whether one is due, and may be sent. */
const lookEveryMs = 1000;

/** Sends heartbeats until the signal aborts. One that the monitor does not take is tried again a minute later. */
export async function keepBeating(
  facts: Facts,
  { clock, isFirst, send }: HeartbeatOptions,
  signal: AbortSignal,
): Promise<void> {
  facts.work("heartbeat").everyMs = everyMs;
  let dueMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const nowMs = clock.monotonicMs();
    if (nowMs >= dueMs && isFirst() && mayBeat(facts, clock)) {
      dueMs = nowMs + everyMs;
      await send(signal).then(
        () => facts.succeeded("heartbeat"),
        (error: unknown) => {
          if (!signal.aborted) facts.failed("heartbeat", error);
        },
      );
    }
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
  }
}

function mayBeat(facts: Facts, clock: Clock): boolean {
  const now = clock.now();
  return isProvenLately(facts, now) && healthOf(facts, now).healthy;
}
