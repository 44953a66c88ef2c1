/** Segments that an earlier process has left outside of the repository: on a spool, or in a copy alone. */
import { damaged, UnusableObject } from "../../errors.js";
import type { Repository } from "../../format/description.js";
import { parseSegmentName } from "../../format/names.js";
import { checkStoredForm } from "../../format/whole-object.js";
import { MemoryStore } from "../../storage/memory-store.js";
import { isOfOneObject } from "../../storage/object-store.js";
import { openSegment, type Segment } from "./log.js";

/**
 * A segment that lies elsewhere, from its bytes as they are stored; or what is wrong with it, if it is none of this
 * repository's, or in a sealed one not signed by a key that counts.
 */
export async function readLeft(
  { store, description: { id } }: Repository,
  name: string,
  bytes: Buffer,
): Promise<Segment | string> {
  try {
    if (!parseSegmentName(name)) throw damaged(name, "its name is not that of a segment");
    checkStoredForm(store, name, bytes);
    // Its own writer may run, and take it away meanwhile.
    const alone = new MemoryStore();
    await alone.put(name, bytes);
    const segment = await openSegment(store.sealing?.reading(alone) ?? alone, name);
    const { repository } = segment.index.footer;
    if (repository === id) return segment;
    throw damaged(name, `it belongs to another repository, ${repository}`);
  } catch (error) {
    if (!isOfOneObject(error)) throw error;
    return error instanceof UnusableObject ? error.what : error.message;
  }
}
