import type { Instant } from "../instant.js";
import { listOperationNames } from "../repository/records/operation-names.js";
import {
  readOperation,
  readOperationEnd,
  recordingMsMax,
} from "../repository/records/operations.js";
import type { ObjectStore } from "../storage/object-store.js";

/** One without an end was killed, or still writes; after so long, in ms, it is taken for killed. */
const unendedMsMax = 3_600_000;

/**
 * How many documents of a table were written by operations, such as undo and rewind, that may have been under way
 * between two instants. An operation is recorded before it writes.
 */
export async function writtenBetween(
  store: ObjectStore,
  table: string,
  from: Instant,
  to: Instant,
): Promise<number> {
  let documents = 0;
  for (const named of await listOperationNames(store)) {
    if (named.made > to || named.made < from - recordingMsMax) continue;
    const operation = await readOperation(store, named.name);
    if (operation.table !== table || operation.begun > to) continue;
    const ended = (await readOperationEnd(store, named))?.ended ?? operation.begun + unendedMsMax;
    if (ended < from) continue;
    documents += operation.documents;
  }
  return documents;
}
