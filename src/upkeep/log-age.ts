/**
 * How old the history is. Tiers count its age, and what is too old is deleted for good. So history ages by the log:
 * neither a wrong clock nor a stopped capture may make it older than the log says.
 */
import { isDamage } from "../errors.js";
import type { SegmentFooter } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { openSegment } from "../repository/log/log.js";
import type { LogView } from "../repository/log/log-view.js";
import type { LogPiece } from "../repository/log/pieces.js";
import type { ObjectStore } from "../storage/object-store.js";

export interface LogAge {
  /** The instant from which ages are counted back. */
  aged: Instant;
  /** At least how far the machine's clock is ahead of the source's, in whole ms, as last measured; 0 if it is not. */
  leadMs: number;
}

/** At most so many of the last pieces are searched for a measurement: a capture that has just begun made none yet. */
const lookedAtMax = 10;

/**
 * Ages are counted back from the end of the log. A running capture writes a segment at least every ten seconds, so its
 * history ages as time goes by; the history of a stopped capture does not age. A clock that was ahead may have labelled
 * the end with a time that is still to come by the slower of this machine's and the source's clock: then ages are
 * counted back from the present time of the slower clock.
 * @param agesBeyondLogMs at most how much further history ages once the log has ended
 */
export async function ageOfLog(
  { pieces, store }: LogView,
  now: Instant,
  agesBeyondLogMs = 0,
): Promise<LogAge> {
  const end = pieces.at(-1);
  if (!end) return { aged: 0, leadMs: 0 };
  const leadMs = await leadOf(store, pieces);
  return { aged: Math.min(now - leadMs, end.to + agesBeyondLogMs), leadMs };
}

async function leadOf(store: ObjectStore, pieces: LogPiece[]): Promise<number> {
  for (const piece of pieces.slice(-lookedAtMax).reverse()) {
    const clock = await clockIn(store, piece);
    if (clock) return Math.max(0, Math.ceil(-(clock.offsetMs + clock.uncertaintyMs)));
  }
  return 0;
}

async function clockIn(store: ObjectStore, piece: LogPiece): Promise<SegmentFooter["serverClock"]> {
  if (piece.kind === "folded") return piece.manifest.epochs.at(-1)?.serverClock ?? null;
  try {
    return (await openSegment(store, piece.name)).index.footer.serverClock;
  } catch (error) {
    // Another piece will do. The damage itself is for verify to name.
    if (isDamage(error)) return null;
    throw error;
  }
}
