/** Asks the source for its clock: every so often, and at once when ours was set. */
import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";
import type { Source } from "../rethinkdb/source.js";
import type { LogClock, Mislabelled } from "./log-clock.js";
import { isTransient } from "./transient.js";

/** How often the clocks are compared. */
const compareMs = 30_000;
/** How often they are compared while the source has yet to say which of two times is right. */
const compareAgainMs = 1000;

export interface ComparedClocks {
  source: Pick<Source, "serverClock">;
  logClock: LogClock;
  clock: Clock;
  /** The last label that was given. */
  logTime: () => Instant;
  /** Called with what was mislabelled, when a clock that was set is followed. */
  onMislabelled: (labels: Mislabelled) => void;
}

/** Compares the clocks until the signal aborts. */
export async function followServerClock(
  { source, logClock, clock, logTime, onMislabelled }: ComparedClocks,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const labels = await compareClocks(source, logClock, logTime);
    if (labels) onMislabelled(labels);
    const pause = new AbortController();
    const { isSettled } = logClock;
    if (isSettled) logClock.onStep = () => pause.abort(new Error("the clock was set"));
    const pauseMs = isSettled ? compareMs : compareAgainMs;
    const ended = AbortSignal.any([signal, pause.signal]);
    await clock.sleep(pauseMs, ended).catch(() => undefined);
    logClock.onStep = () => undefined;
  }
}

/** What was mislabelled, if a clock that was set is followed; undefined also if the source cannot say its time now. */
export async function compareClocks(
  source: Pick<Source, "serverClock">,
  logClock: LogClock,
  logTime?: () => Instant,
): Promise<Mislabelled | undefined> {
  try {
    return await logClock.compare(() => source.serverClock(), logTime);
  } catch (error) {
    if (!isTransient(error)) throw error;
    return undefined;
  }
}
