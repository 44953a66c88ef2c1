/** How often a process that has nothing to tell says so. */
import type { ObjectStore } from "../../storage/object-store.js";

/** How often a capture puts a segment when nothing changes, in ms, unless its ticks are longer. */
export const idleSegmentMs = 10_000;
/** The same in a store that charges for requests: more than a minute, so that maintenance fits in a put a minute. */
const idleSegmentChargedMs = 70_000;

/** How often a capture puts a segment into this store when nothing changes, in ms. */
export function idlePaceMs({ chargesRequests }: Pick<ObjectStore, "chargesRequests">): number {
  return chargesRequests ? idleSegmentChargedMs : idleSegmentMs;
}
