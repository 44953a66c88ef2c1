/**
 * Delivers what an earlier process has left on the spool.
 *
 * Invariant: nothing is delivered but whole segments of this repository, in a sealed one signed by a key that counts. A
 * spool lies outside of the store, on a disk that may fail, and where others may write. Break it and the log has what
 * nobody has captured, or damage in its middle.
 */
import type { Clock } from "../clock.js";
import type { Repository } from "../format/description.js";
import { parseSegmentName } from "../format/names.js";
import { isDisowned, listClaims } from "../repository/log/claims.js";
import { readLeft } from "../repository/log/left-segment.js";
import { isAccountedFor } from "../repository/log/log-view.js";
import { type Fate, type Spool, shipSpool } from "./shipper.js";

/** A segment that stays on the spool because it cannot be believed. */
export interface KeptSegment {
  name: string;
  /** A sentence without its subject: "its signature is wrong". */
  what: string;
  /** How many stay because of it: itself, and those of its epoch that follow it. */
  segments: number;
}

export interface SpoolObserver {
  /** Segments that an earlier process had left on the spool are in the repository now. */
  spoolDelivered(segments: number): void;
  /** Segments on the spool were dropped, because they do not continue the log that is in the repository. */
  spoolDropped(segments: number): void;
  /** A segment on the spool is not what a capture of this repository wrote, and was not delivered. */
  spoolKept(kept: KeptSegment): void;
}

/** A file that was left half-written so long ago is from a process that was killed, not from one that still runs. */
const leftoverMs = 86_400_000;

/** Delivers first what an earlier process could not deliver, so that the new epoch continues it. */
export async function deliverSpool(
  repository: Repository,
  spool: Spool,
  clock: Clock,
  observer: SpoolObserver,
): Promise<void> {
  await spool.store.tidy?.(clock.now() - leftoverMs);
  const { store } = repository;
  const target = store.sealing?.below ?? store;
  const claims = await listClaims(store);
  /** By epoch: what is kept of it. */
  const kept = new Map<number | undefined, KeptSegment>();
  const fateOf = async (name: string, bytes: Buffer): Promise<Fate> => {
    const segment = parseSegmentName(name);
    const wrong = kept.get(segment?.epoch);
    if (wrong) {
      wrong.segments += 1;
      return "kept";
    }
    const read = await readLeft(repository, name, bytes);
    if (typeof read === "string") {
      // It was delivered before it was damaged here.
      if (segment && (await target.size(name)) !== undefined) return "there";
      kept.set(segment?.epoch, { name, what: read, segments: 1 });
      return "kept";
    }
    const { previous } = read.index.footer;
    const isContinued = previous === null || (await isAccountedFor(store, previous.name));
    return isContinued && !isDisowned(segment!, claims) ? "delivered" : "dropped";
  };
  const { delivered, there, dropped } = await shipSpool(target, spool.store, fateOf);
  if (delivered + there > 0) observer.spoolDelivered(delivered + there);
  if (dropped > 0) observer.spoolDropped(dropped);
  for (const one of kept.values()) observer.spoolKept(one);
}
