/**
 * Delivers what an earlier process has left on the spool.
 *
 * Invariant: nothing is delivered but whole segments of this repository, in a sealed one signed by a key that counts. A
 * spool lies outside of the store, on a disk that may fail, and where others may write. Break it and the log has what
 * nobody has captured, or damage in its middle.
 */
import type { Clock } from "../clock.js";
import { damaged, UnusableObject } from "../errors.js";
import type { Repository } from "../format/description.js";
import { parseSegmentName } from "../format/names.js";
import type { SegmentFooter } from "../format/segment.js";
import { checkStoredForm } from "../format/whole-object.js";
import { isDisowned, listClaims } from "../repository/log/claims.js";
import { openSegment } from "../repository/log/log.js";
import { isAccountedFor } from "../repository/log/log-view.js";
import { MemoryStore } from "../storage/memory-store.js";
import { isOfOneObject } from "../storage/object-store.js";
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
    const read = await readSpooled(repository, name, bytes);
    if (typeof read === "string") {
      // It was delivered before it was damaged here.
      if (segment && (await target.size(name)) !== undefined) return "there";
      kept.set(segment?.epoch, { name, what: read, segments: 1 });
      return "kept";
    }
    const { previous } = read;
    const isContinued = previous === null || (await isAccountedFor(store, previous.name));
    return isContinued && !isDisowned(segment!, claims) ? "delivered" : "dropped";
  };
  const { delivered, there, dropped } = await shipSpool(target, spool.store, fateOf);
  if (delivered + there > 0) observer.spoolDelivered(delivered + there);
  if (dropped > 0) observer.spoolDropped(dropped);
  for (const one of kept.values()) observer.spoolKept(one);
}

/** The footer of a segment from the spool; or what is wrong with it, if it is none of this repository's. */
async function readSpooled(
  { store, description: { id } }: Repository,
  name: string,
  bytes: Buffer,
): Promise<SegmentFooter | string> {
  try {
    if (!parseSegmentName(name)) throw damaged(name, "its name is not that of a segment");
    checkStoredForm(store, name, bytes);
    // Its own writer may run, and take it from the spool meanwhile.
    const alone = new MemoryStore();
    await alone.put(name, bytes);
    const { footer } = (await openSegment(store.sealing?.reading(alone) ?? alone, name)).index;
    if (footer.repository === id) return footer;
    throw damaged(name, `it belongs to another repository, ${footer.repository}`);
  } catch (error) {
    if (!isOfOneObject(error)) throw error;
    return error instanceof UnusableObject ? error.what : error.message;
  }
}
