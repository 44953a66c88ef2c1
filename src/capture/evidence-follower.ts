/** Follows what maintenance finds: evidence that a change of a table was missed, or that a table is damaged. */
import type { Clock } from "../clock.js";
import { UnusableObject } from "../errors.js";
import {
  type DamageEvidence,
  type Evidence,
  evidenceNames,
  readEvidence,
} from "../repository/evidence.js";
import type { ObjectStore } from "../storage/object-store.js";

const pollMs = 15_000;

/**
 * Tells of each piece of evidence that is found until the signal aborts. Not of what was there before: the walk with which
 * a capture begins repairs that. What cannot be read keeps nobody from what can.
 */
export async function followEvidence(
  store: ObjectStore,
  clock: Clock,
  onFound: (evidence: Evidence | DamageEvidence) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let known: Set<string> | undefined;
  while (!signal.aborted) {
    // The store may fail for a while; then evidence is read later.
    const names = await evidenceNames(store).catch(() => undefined);
    if (signal.aborted) return;
    if (names && !known) known = new Set(names);
    for (const name of names ?? []) {
      if (!known!.has(name) && (await isTold(store, name, onFound))) known!.add(name);
      if (signal.aborted) return;
    }
    await clock.sleep(pollMs, signal).catch(() => undefined);
  }
}

/** False if the store fails: then it is tried again. */
async function isTold(
  store: ObjectStore,
  name: string,
  onFound: (evidence: Evidence | DamageEvidence) => Promise<void>,
): Promise<boolean> {
  try {
    await onFound(await readEvidence(store, name));
    return true;
  } catch (error) {
    return error instanceof UnusableObject;
  }
}
