/**
 * A signal that aborts at the first SIGINT or SIGTERM; the second one ends the process at once.
 * @param tell called at the first one, with its name
 */
export function stopOnSignals(tell: (signal: string) => void): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(signal === "SIGINT" ? 130 : 143);
      tell(signal);
      stop.abort(new Error(`received ${signal}`));
    });
  }
  return stop.signal;
}
