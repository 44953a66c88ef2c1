/** What the processes that capture have sent to the repository's store, as they state it. */
import { isDamage } from "../errors.js";
import type { SentRequests } from "../format/segment.js";
import { openSegment } from "./log/log.js";
import type { LogView } from "./log/log-view.js";

/**
 * As the newest checkpoint of the last writer states it, which is about a minute old. Undefined if it states nothing,
 * or its segments are gone.
 */
export async function requestsSent(log: LogView): Promise<SentRequests | undefined> {
  const last = log.believed.segments.at(-1);
  if (!last) return undefined;
  try {
    const { footer } = (await openSegment(log.store, last.name)).index;
    const { checkpoint } = footer.links;
    if (footer.checkpoint || checkpoint === null) return footer.requests;
    const { index } = await openSegment(log.store, checkpoint);
    return index.footer.epoch === footer.epoch ? index.footer.requests : undefined;
  } catch (error) {
    // It was folded, and deleted, or cannot be read: others tell of damage.
    if (!isDamage(error)) throw error;
    return undefined;
  }
}
