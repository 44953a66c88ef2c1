/** What the names of operations' manifests say: most questions are answered by the listing, without reading any. */
import { operationsPrefix, parseOperationName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";

/** One round of an operation. */
export interface NamedOperation {
  /** The name of its manifest. */
  name: string;
  id: string;
  made: Instant;
  round: number;
}

/** All rounds of all operations, oldest first. */
export async function listOperationNames(store: ObjectStore): Promise<NamedOperation[]> {
  const rounds: NamedOperation[] = [];
  for await (const { name } of store.list(operationsPrefix)) {
    const named = parseOperationName(name);
    if (named) rounds.push({ name, id: named.id, made: named.made, round: named.round });
  }
  return rounds;
}
