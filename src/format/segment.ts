import * as v from "valibot";
import {
  byName,
  count,
  fields,
  flag,
  instant,
  list,
  measure,
  type Of,
  objectName,
  ordinal,
  reference,
  text,
  whole,
} from "./fields.js";

/**
 * Names of the streams that lie in the log beside the tables. Table ids are UUIDs, so they are never equal to these.
 */
export const systemStreams = { catalog: "catalog", coverage: "coverage" } as const;
export type SystemStream = keyof typeof systemStreams;

export const isSystemStream = (table: string) => Object.hasOwn(systemStreams, table);

/** A reference to another object: its name and the checksum in its trailer. */
export type ObjectReference = Of<typeof reference>;

export const totals = fields({
  changes: count,
  inserts: count,
  deletes: count,
  /** Bytes of lines, before compression. */
  bytes: count,
});
/** What an epoch's segments hold of one table, from the epoch's first segment on. */
export type Totals = Of<typeof totals>;

const link = v.nullable(objectName);

const sentRequests = fields({
  since: instant,
  puts: count,
  gets: count,
  heads: count,
  lists: count,
  deletes: count,
  bytesUp: count,
  bytesDown: count,
});
/** What a process has sent to the repository's store since it began. */
export type SentRequests = Of<typeof sentRequests>;

/** docs/format.md §5. */
export const segmentFooter = fields({
  /** Id of the repository. */
  repository: text,
  epoch: ordinal,
  /** Counts the segments of the epoch from 1. */
  sequence: ordinal,
  /** The closed interval of capture times that this segment covers. It begins right after the segment before. */
  from: instant,
  to: instant,
  /** The segment before it, in this epoch or the last of an earlier one; null for the repository's first segment. */
  previous: v.nullable(reference),
  /** The instant up to which capture is proven complete, for every watched table that `lagging` does not name. */
  frontier: instant,
  /** By table: the same for tables whose capture is proven up to another instant. */
  lagging: byName(instant),
  /** The span between two proofs is exact if they were at most this many ms apart; else it is late. */
  proofBoundMs: count,
  /** The source's clock minus ours, in ms, as last measured; null before the first measurement. */
  serverClock: v.nullable(fields({ offsetMs: measure, uncertaintyMs: measure })),
  /** By how many ms the log's time runs ahead of the writer's clock, because that clock was set back; usually 0. */
  clockAheadMs: count,
  /**
   * The log's time before and after each time the writer's clock was set and the log's time followed. Absent if none.
   */
  clockSteps: v.exactOptional(list(fields({ before: instant, after: instant }))),
  /**
   * By how many ms the writer's clock is set off the log's time, unconfirmed by the source's clock; absent if by none.
   */
  clockWaitedOutMs: v.exactOptional(whole),
  /**
   * Since when, and by how many ms at most, the log's time is over a second ahead of the source's clock; else absent.
   */
  aheadOfSource: v.exactOptional(fields({ since: instant, ms: count })),
  /** True in the last segment of a writer that ended in order. */
  closed: flag,
  /** In a writer's last segment: the wish (docs/format.md §13.5) that it had answered before the segment began. */
  handedTo: v.exactOptional(text),
  /** The latest segments before this one that hold catalog records, coverage records, and the totals of all tables. */
  links: fields({ catalog: link, coverage: link, checkpoint: link }),
  /**
   * Totals of all tables if `checkpoint`; else of those that changed in the last `totalsReach` segments, this one
   * included.
   */
  totals: byName(totals),
  checkpoint: flag,
  /** In checkpoints: what the writer's process has sent to the repository's store. Absent if it did not count. */
  requests: v.exactOptional(sentRequests),
});
/** The content of a segment's footer. */
export type SegmentFooter = Of<typeof segmentFooter>;

/**
 * How many segments the totals of a segment cover, itself included: the greatest power of two that divides its distance
 * from the checkpoint. A reader that goes back by this many each time finds all totals within a few reads.
 */
export function totalsReach(sequence: number, checkpoint: number): number {
  const distance = sequence - checkpoint;
  return distance & -distance;
}

/** The links of the segment that follows the segment `name`, whose own links are `links` and which holds `streams`. */
export function linksAfter(
  links: SegmentFooter["links"],
  name: string,
  streams: ReadonlySet<string>,
  checkpoint: boolean,
): SegmentFooter["links"] {
  return {
    catalog: streams.has("catalog") ? name : links.catalog,
    coverage: streams.has("coverage") ? name : links.coverage,
    checkpoint: checkpoint ? name : links.checkpoint,
  };
}
