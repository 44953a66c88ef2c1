/** Follows what folds find: evidence that a change of a table was missed. */
import type { Clock } from "../clock.js";
import { type Evidence, listReadableEvidence } from "../repository/evidence.js";
import type { ObjectStore } from "../storage/object-store.js";

const pollMs = 15_000;

/**
 * Tells of each piece of evidence that is found until the signal aborts. Not of what was there before: the walk with which
 * a capture begins repairs that. What cannot be read keeps nobody from what can.
 */
export async function followEvidence(
  store: ObjectStore,
  clock: Clock,
  onFound: (evidence: Evidence) => void,
  signal: AbortSignal,
): Promise<void> {
  let known: Set<string> | undefined;
  while (!signal.aborted) {
    // The store may fail for a while; then evidence is read later.
    const read = await listReadableEvidence(store).catch(() => undefined);
    if (signal.aborted) return;
    for (const evidence of read ?? []) {
      if (known && !known.has(idOf(evidence))) onFound(evidence);
    }
    if (read) known = new Set([...(known ?? []), ...read.map(idOf)]);
    await clock.sleep(pollMs, signal).catch(() => undefined);
  }
}

function idOf({ table, at, sequence }: Evidence): string {
  return `${table} ${at} ${sequence}`;
}
