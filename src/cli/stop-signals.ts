import { constants } from "node:os";

/**
 * A signal that aborts at the first SIGINT or SIGTERM; the second one ends the process at once.
 * @param tell called at the first one, with its name
 * @param signals other ones than these two
 */
export function stopOnSignals(
  tell: (signal: string) => void,
  signals: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"],
): AbortSignal {
  const stop = new AbortController();
  for (const signal of signals) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
      tell(signal);
      stop.abort(new Error(`received ${signal}`));
    });
  }
  return stop.signal;
}
