/** Delivers what an earlier process has left on the spool. */
import type { Clock } from "../clock.js";
import { UnusableObject } from "../errors.js";
import type { Repository } from "../format/description.js";
import { parseSegmentName } from "../format/names.js";
import { isDisowned, listClaims } from "../repository/log/claims.js";
import { openSegment } from "../repository/log/log.js";
import { isAccountedFor } from "../repository/log/log-view.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Spool, shipSpool } from "./shipper.js";

export interface SpoolObserver {
  /** Segments that an earlier process had left on the spool are in the repository now. */
  spoolDelivered(segments: number): void;
  /** Segments on the spool were dropped, because they do not continue the log that is in the repository. */
  spoolDropped(segments: number): void;
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
  const claims = await listClaims(store);
  const isUseless = async (name: string) => {
    const segment = parseSegmentName(name);
    if (!segment || isDisowned(segment, claims)) return true;
    return !(await isContinued(store, store.sealing?.reading(spool.store) ?? spool.store, name));
  };
  const target = store.sealing?.below ?? store;
  const { delivered, dropped } = await shipSpool(target, spool.store, isUseless);
  if (delivered > 0) observer.spoolDelivered(delivered);
  if (dropped > 0) observer.spoolDropped(dropped);
}

/** True if the log has the segment that a segment on the spool follows. */
async function isContinued(store: ObjectStore, spool: ObjectStore, name: string): Promise<boolean> {
  try {
    const { previous } = (await openSegment(spool, name)).index.footer;
    return previous === null || (await isAccountedFor(store, previous.name));
  } catch (error) {
    // A segment that cannot be read is delivered as it is: the log then names it as damaged.
    if (error instanceof UnusableObject) return true;
    throw error;
  }
}
