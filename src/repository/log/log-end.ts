import { linksAfter, type SegmentFooter } from "../../format/segment.js";
import { lastSegment } from "./log.js";
import type { LogView } from "./log-view.js";

/** The last segment of the log: what a claim continues, and a writer goes on from. */
export interface LogEnd
  extends Pick<
    SegmentFooter,
    | "epoch"
    | "to"
    | "proofBoundMs"
    | "closed"
    | "serverClock"
    | "clockAheadMs"
    | "clockSteps"
    | "clockWaitedOutMs"
    | "aheadOfSource"
  > {
  name: string;
  checksum: string;
  /** Those of the segment that comes next. */
  links: SegmentFooter["links"];
}

/**
 * Undefined if there is no log yet. Where a folded segment stands for the last segment, that need not be there any more:
 * a claim that went on from less would disown the whole folded segment.
 */
export async function endOfLog(view: LogView): Promise<LogEnd | undefined> {
  const end = view.pieces.at(-1);
  if (end?.kind === "folded") {
    const { lastSegment: last, epochs } = end.manifest;
    // What those records are is in the folded segment, wherever in it they were.
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
