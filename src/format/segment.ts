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

/** Names of the streams that live in the log beside the tables. Table ids are UUIDs, so they cannot collide. */
export const systemStreams = { catalog: "catalog", coverage: "coverage" } as const;
export type SystemStream = keyof typeof systemStreams;

/** Reference to another object: its name and the checksum in its trailer. */
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

/** docs/format.md §5. */
export const segmentFooter = fields({
  /** Id of the repository. */
  repository: text,
  epoch: ordinal,
  /** Counts the segments of the epoch from 1. */
  sequence: ordinal,
  /** The closed interval of capture times that this segment covers; begins right after the segment before. */
  from: instant,
  to: instant,
  /** The segment before: of this epoch, or the last of an earlier one; null for the first of a repository. */
  previous: v.nullable(reference),
  /** The instant up to which capture is proven complete, for every watched table that `lagging` does not name. */
  frontier: instant,
  lagging: byName(instant),
  /** What lies between two proofs is exact if they were no farther apart than this, in ms; else it is late. */
  proofBoundMs: count,
  /** The source's clock less ours, in ms, as last measured; null before the first measurement. */
  serverClock: v.nullable(fields({ offsetMs: measure, uncertaintyMs: measure })),
  /** How far the log's time runs ahead of the writer's clock, because that clock has jumped back; 0 as a rule. */
  clockAheadMs: count,
  /** Where the writer's clock was set, and the log's time followed: `before`, and `after`. Absent if nowhere. */
  clockSteps: v.exactOptional(list(fields({ before: instant, after: instant }))),
  /** How far the writer's clock is set off the log's time, which the source's clock does not confirm; absent if it is not. */
  clockWaitedOutMs: v.exactOptional(whole),
  /** By how much, and since when, the log's time is ahead of the source's clock by more than a second; absent if it is not. */
  aheadOfSource: v.exactOptional(fields({ since: instant, ms: count })),
  /** True in the last segment of a writer that ended in order. */
  closed: flag,
  /** The latest segment before this one that holds catalog records, coverage records, or all totals. */
  links: fields({ catalog: link, coverage: link, checkpoint: link }),
  /**
   * Totals of the tables that changed in this segment and in so many before it, see totalsReach; of all tables if
   * `checkpoint`.
   */
  totals: byName(totals),
  checkpoint: flag,
});
/** What the footer of a segment says. */
export type SegmentFooter = Of<typeof segmentFooter>;

/**
 * How many segments the totals of a segment speak of, itself included: the greatest power of two that divides its
 * distance from the checkpoint. So a segment, and those that lie so far before each other, tell all within a few reads.
 */
export function totalsReach(sequence: number, checkpoint: number): number {
  const distance = sequence - checkpoint;
  return distance & -distance;
}

/** The links of the segment that follows the one called `name`, which has `links` itself and holds `streams`. */
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
