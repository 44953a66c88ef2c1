import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { openSegment, segmentVersions } from "./log.js";
import { parseSegmentName, type SegmentName } from "./names.js";
import type { Totals } from "./segment.js";

export type Counts = Omit<Totals, "bytes">;

export const noTotals: Totals = { changes: 0, inserts: 0, deletes: 0, bytes: 0 };

export function addTotals(a: Totals, b: Totals): Totals {
  return {
    changes: a.changes + b.changes,
    inserts: a.inserts + b.inserts,
    deletes: a.deletes + b.deletes,
    bytes: a.bytes + b.bytes,
  };
}

/**
 * What the log holds of each table, from its beginning up to the end of the segment that covers `instant`.
 * Reads, per epoch, one checkpoint and the segments after it: a minute's worth at most.
 */
export async function totalsAt(
  store: ObjectStore,
  segments: SegmentName[],
  instant: Instant,
): Promise<Map<string, Totals>> {
  const upTo = segments.filter(({ from }) => from <= instant);
  const lastOfEpoch = new Map(upTo.map((segment) => [segment.epoch, segment]));
  const totals = new Map<string, Totals>();
  for (const last of lastOfEpoch.values()) {
    for (const [table, of] of await epochTotals(store, upTo, last)) {
      totals.set(table, addTotals(totals.get(table) ?? noTotals, of));
    }
  }
  return totals;
}

/** What the log holds of one table up to and including `instant`, to the millisecond. */
export async function countsAt(
  store: ObjectStore,
  segments: SegmentName[],
  table: string,
  instant: Instant,
): Promise<Counts> {
  const upToSegment = (await totalsAt(store, segments, instant)).get(table) ?? noTotals;
  const { changes, inserts, deletes } = upToSegment;
  const counts = { changes, inserts, deletes };
  const last = segments.filter(({ from }) => from <= instant).at(-1);
  if (last === undefined || last.to <= instant) return counts;
  // The segment goes on after the instant: what came then is taken off again.
  for await (const version of segmentVersions(await openSegment(store, last.name), table)) {
    if (version.time <= instant) continue;
    counts.changes -= 1;
    if (version.document === null) counts.deletes -= 1;
    else if (version.previous === null) counts.inserts -= 1;
  }
  return counts;
}

async function epochTotals(
  store: ObjectStore,
  segments: SegmentName[],
  last: SegmentName,
): Promise<Map<string, Totals>> {
  const { footer } = (await openSegment(store, last.name)).index;
  const linked = footer.links.checkpoint && parseSegmentName(footer.links.checkpoint);
  const checkpoint = footer.checkpoint || !linked ? last : linked;
  // The first segment of an epoch is always a checkpoint; one of an earlier epoch counts nothing here.
  const first = checkpoint.epoch === last.epoch ? checkpoint.sequence : 1;
  const totals = new Map<string, Totals>();
  for (const { epoch, sequence, name } of segments) {
    if (epoch !== last.epoch || sequence < first || sequence > last.sequence) continue;
    const segment = await openSegment(store, name);
    for (const [table, of] of Object.entries(segment.index.footer.totals)) totals.set(table, of);
  }
  return totals;
}
