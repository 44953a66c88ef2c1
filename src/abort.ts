/**
 * Waiting for an AbortSignal. Never race one of these promises in a loop against something else: as long as the signal
 * does not abort, each race keeps its result alive.
 */

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Rejects with the signal's reason when it aborts. */
export async function rejectedOnAbort(signal: AbortSignal): Promise<never> {
  await aborted(signal);
  throw signal.reason;
}
