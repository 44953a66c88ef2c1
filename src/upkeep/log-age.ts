/**
 * How old the history is. Tiers count its age, and what is too old is gone for good; so neither a clock that is wrong
 * nor a capture that is down may make it older than the log says: it ages by the log.
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
  /** How far the machine's clock is ahead of the source's, in whole ms, as capture measured it last; 0 if it is not. */
  leadMs: number;
}

/** A capture that has just begun has not measured the source's clock yet: what was measured before it counts. */
const lookedAtMax = 10;

/**
 * Ages are counted from the end of the log: a capture that runs writes a segment every ten seconds, so its history ages as
 * time goes by, and one that is stopped ages no more. Nor do they go by an end that is still to come by the slower of two
 * clocks, this machine's and the source's, because the clock that labelled it was ahead.
 * @param agesBeyondLogMs how much older history gets once the log has ended
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
    // Others say it too; verify names it.
    if (isDamage(error)) return null;
    throw error;
  }
}
