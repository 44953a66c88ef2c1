/**
 * Finds the records of operations whose time is over, and parts of operations that were cut short while they were
 * recorded.
 */
import { isDamage } from "../errors.js";
import { operationManifestName, operationsPrefix, parseOperationName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { readOperation, recordingMsMax } from "../repository/records/operations.js";
import type { ObjectStore, StoredObject } from "../storage/object-store.js";
import type { IsPast } from "./leftovers.js";

/**
 * The objects of operations that can be deleted.
 * @param store where operations are
 * @param aged the instant from which the age of the history is counted back: a wrong clock must not end what is kept
 */
export async function sweepOperations(
  store: ObjectStore,
  aged: Instant,
  isPast: IsPast,
): Promise<StoredObject[]> {
  const rounds = new Map<string, StoredObject[]>();
  for await (const object of store.list(operationsPrefix)) {
    const prefix = object.name.slice(0, object.name.lastIndexOf("/") + 1);
    rounds.set(prefix, [...(rounds.get(prefix) ?? []), object]);
  }
  const swept: StoredObject[] = [];
  for (const [prefix, objects] of rounds) {
    if (await isOver(store, prefix, objects, aged, isPast)) swept.push(...objects);
  }
  return swept;
}

async function isOver(
  store: ObjectStore,
  prefix: string,
  objects: readonly StoredObject[],
  aged: Instant,
  isPast: IsPast,
): Promise<boolean> {
  const manifest = operationManifestName(prefix);
  const named = parseOperationName(manifest);
  if (!named) return false;
  const over = (at: Instant) => at < aged && isPast(at);
  // No round ends before it was begun. So it is not worth a request before that.
  if (!over(named.made)) return false;
  if (!objects.some(({ name }) => name === manifest)) {
    // A lost manifest has an end beside it, or is one that was listed too late: what it names stays.
    const isLost = objects.some(({ name }) => !name.endsWith(".zst"));
    const isThere = async () => (await store.size(manifest)) !== undefined;
    // Twice as long as recording may take, because the clocks of two machines may differ.
    return over(named.made + 2 * recordingMsMax) && !isLost && !(await isThere());
  }
  try {
    return over((await readOperation(store, manifest)).until);
  } catch (error) {
    // It may be put back, or repaired from a copy.
    if (!isDamage(error)) throw error;
    return false;
  }
}
