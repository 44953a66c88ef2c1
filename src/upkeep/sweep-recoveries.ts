/**
 * Finds the recoveries that have ended long ago.
 *
 * Invariant: the event that says that a recovery has ended is deleted when nothing else of it is left. Break it and the
 * recovery seems to run, and is carried out once more.
 */
import {
  numberedName,
  parseRecoveryName,
  parseRecoveryPlanName,
  recoveriesPrefix,
  recoveryPrefix,
} from "../format/names.js";
import type { Instant } from "../instant.js";
import { isOver } from "../recoveries/changes.js";
import { readEvent } from "../recoveries/events.js";
import { isOfOneObject, type ObjectStore, type StoredObject } from "../storage/object-store.js";
import type { IsPast } from "./leftovers.js";

/** How long a recovery that has ended can be looked at. Longer than what it did can be taken back by default. */
const keptMs = 90 * 86_400_000;

/**
 * The objects of recoveries that can be deleted: of each all but the last event, and that one if it is all there is.
 * @param aged the instant from which the age of the history is counted back: a wrong clock must not end what is kept
 */
export async function sweepRecoveries(
  store: ObjectStore,
  aged: Instant,
  isPast: IsPast,
): Promise<StoredObject[]> {
  const all = new Map<string, { number: number; objects: StoredObject[] }>();
  for await (const object of store.list(recoveriesPrefix)) {
    const { id, number = 0 } = namedBy(object.name);
    if (id === undefined) continue;
    const known = all.get(id) ?? { number: 0, objects: [] };
    known.number = Math.max(known.number, number);
    known.objects.push(object);
    all.set(id, known);
  }
  const swept: StoredObject[] = [];
  for (const [id, { number, objects }] of all) {
    if (number === 0 || !(await isForgotten(store, id, number, aged, isPast))) continue;
    const last = numberedName(recoveryPrefix(id), number);
    swept.push(...objects.filter(({ name }) => name !== last || objects.length === 1));
  }
  return swept;
}

function namedBy(name: string): { id?: string | undefined; number?: number } {
  return parseRecoveryName(name) ?? { id: parseRecoveryPlanName(name) };
}

async function isForgotten(
  store: ObjectStore,
  id: string,
  number: number,
  aged: Instant,
  isPast: IsPast,
): Promise<boolean> {
  try {
    const { state, at } = await readEvent(store, id, number);
    return isOver(state) && at + keptMs < aged && isPast(at + keptMs);
  } catch (error) {
    // It may be put back.
    if (!isOfOneObject(error)) throw error;
    return false;
  }
}
