/** When the keys of a repository were added. */
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type KeySet, readKeySet } from "./key-set.js";

/** Since when each key of the newest set has been there without a break, by its recipient. */
export async function keysSince(store: ObjectStore, set: KeySet): Promise<Map<string, Instant>> {
  const since = new Map<string, Instant>();
  let kept = new Set(set.keys.map(({ recipient }) => recipient));
  for (let one = set; kept.size > 0; one = await readKeySet(store, one.number - 1)) {
    const there = new Set(one.keys.map(({ recipient }) => recipient));
    kept = new Set([...kept].filter((recipient) => there.has(recipient)));
    for (const recipient of kept) since.set(recipient, one.at);
    if (one.number === 1) break;
  }
  return since;
}
