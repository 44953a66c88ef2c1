import { linksAfter, type SegmentFooter } from "../../format/segment.js";
import { lastSegment } from "./log.js";
import type { LogView } from "./log-view.js";

/** The facts about the last segment of the log. An epoch claim names it, and the new writer continues from it. */
export interface LogEnd
  extends Pick<
    SegmentFooter,
    | "epoch"
    | "to"
    | "frontier"
    | "lagging"
    | "proofBoundMs"
    | "closed"
    | "handedTo"
    | "serverClock"
    | "clockAheadMs"
    | "clockSteps"
    | "clockWaitedOutMs"
    | "aheadOfSource"
  > {
  name: string;
  checksum: string;
  /** The links that the next segment has to have. */
  links: SegmentFooter["links"];
}

/**
 * The end of the log; undefined if there is no log yet. If a folded segment stands for the last segment, the end comes
 * from the folded segment, even if the last segment is already deleted: a claim that named an earlier segment would
 * disown the whole folded segment.
 */
export async function endOfLog(view: LogView): Promise<LogEnd | undefined> {
  const end = view.pieces.at(-1);
  if (end?.kind === "folded") {
    const { lastSegment: last, epochs } = end.manifest;
    // The folded segment holds these records, wherever they were. So its last segment's name does for each link.
    const links = { catalog: last.name, coverage: last.name, checkpoint: last.name };
    return { ...epochs.at(-1)!, ...last, links };
  }
  const last = await lastSegment(view.store, [...view.claims]);
  if (!last) return undefined;
  const { name, checksum } = last;
  const { frames, footer } = last.index;
  const streams = new Set(frames.map((frame) => frame.table ?? ""));
  const links = linksAfter(footer.links, name, streams, footer.checkpoint);
  return { ...footer, name, checksum, links };
}
