/** Follows what folds find: evidence that changes of a table were missed. */
import type { Clock } from "../clock.js";
import { type Evidence, listEvidence } from "../repository/evidence.js";
import type { ObjectStore } from "../storage/object-store.js";

const pollMs = 15_000;

/** Tells of evidence that is found until the signal aborts. What was there before, a start repairs by itself. */
export async function followEvidence(
  store: ObjectStore,
  clock: Clock,
  signal: AbortSignal,
  onFound: (evidence: Evidence) => void,
): Promise<void> {
  const before = await whenRead(() => listEvidence(store), clock, signal);
  const known = new Set(before.map(idOf));
  while (!signal.aborted) {
    await clock.sleep(pollMs, signal).catch(() => undefined);
    // The store may fail for a while; then evidence is read later.
    const found = signal.aborted ? [] : await listEvidence(store).catch(() => []);
    for (const evidence of found) {
      if (known.has(idOf(evidence))) continue;
      known.add(idOf(evidence));
      onFound(evidence);
    }
  }
}

/** What `read` gives as soon as it does not fail; nothing if the signal aborts first. */
async function whenRead<T>(
  read: () => Promise<T[]>,
  clock: Clock,
  signal: AbortSignal,
): Promise<T[]> {
  while (!signal.aborted) {
    try {
      return await read();
    } catch {
      await clock.sleep(pollMs, signal).catch(() => undefined);
    }
  }
  return [];
}

function idOf({ table, at, sequence }: Evidence): string {
  return `${table} ${at} ${sequence}`;
}
