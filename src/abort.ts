/**
 * Promises of an AbortSignal. MUST NOT be raced in a loop against other promises: until the signal aborts, each race
 * keeps its result in memory.
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

/**
 * The outcome of `work`; or the signal's reason, as soon as it aborts. For work that sees the signal late or never,
 * such as getting a token.
 */
export async function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (!signal) return work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
  }
}

/**
 * Has a controller abort when the signal does; returns what ends that. What AbortSignal.any makes leaves some bytes in
 * each of its signals for as long as that lives, which adds up in one that lives as long as the process.
 */
export function abortWith(signal: AbortSignal, controller: AbortController): () => void {
  const onAbort = () => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}
