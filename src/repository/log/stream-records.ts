/** Finds the records of a system stream by the links in the footers, back to the newest folded segment. */
import { damaged } from "../../errors.js";
import { type Place, parseSegmentName } from "../../format/names.js";
import type { SystemStream } from "../../format/segment.js";
import { openSegment, type Segment } from "./log.js";
import { contains, type LogView } from "./log-view.js";
import { type FoldedPiece, type LogPiece, type SegmentPiece } from "./pieces.js";
import { byPlaceInLog } from "./places.js";

/** Called with the name of a missing object. */
export type OnLost = (name: string) => void | Promise<void>;

/** An `OnLost` that throws an error which names the object. */
export function refusing(view: LogView): OnLost {
  return async (name) => {
    throw await view.missing(name);
  };
}

/**
 * Yields the objects that hold records of a stream up to and including the piece at `index`, newest first. A folded
 * segment also holds all records before it, so it is the last one.
 * @param onLost called for a missing object that held records; if it does not throw, older records are left out
 */
export async function* recordHolders(
  view: LogView,
  stream: SystemStream,
  index: number,
  onLost: OnLost,
): AsyncGenerator<Segment | FoldedPiece> {
  let piece: LogPiece | undefined = view.pieces[index];
  while (piece?.kind === "segment") {
    const segment = await openSegment(view.store, piece.name);
    if (segment.index.frames.some((frame) => frame.table === stream)) yield segment;
    const target = linkOf(segment, stream);
    if (!target) return;
    piece = holderOf(view, segment, target);
    if (!piece) await onLost(target.name);
  }
  if (piece) yield piece;
}

/**
 * Returns the segments of a run of neighbouring segments that hold records of a stream, newest first. `lost` names the
 * object that held the next older record, if it is missing.
 */
export async function holdersInRun(
  view: LogView,
  stream: SystemStream,
  run: SegmentPiece[],
): Promise<{ holders: Segment[]; lost: string | undefined }> {
  const holders: Segment[] = [];
  let piece: LogPiece | undefined = run.at(-1);
  while (piece?.kind === "segment" && run.includes(piece)) {
    const segment = await openSegment(view.store, piece.name);
    if (segment.index.frames.some((frame) => frame.table === stream)) holders.push(segment);
    const target = linkOf(segment, stream);
    if (!target) return { holders, lost: undefined };
    piece = view.pieces.find((one) => contains(one, target));
    if (!piece && !foldedBetween(view, segment, target)) return { holders, lost: target.name };
  }
  return { holders, lost: undefined };
}

function linkOf(segment: Segment, stream: SystemStream): (Place & { name: string }) | undefined {
  const link = segment.index.footer.links[stream];
  if (link === null) return undefined;
  const target = parseSegmentName(link);
  if (!target || byPlaceInLog(target, segment.index.footer) >= 0) {
    throw damaged(segment.name, `its link names ${link}, which is not before it`);
  }
  return target;
}

/**
 * The next piece to read: a folded segment before `segment` that reaches to `target`, else the piece that holds
 * `target`.
 */
function holderOf(view: LogView, segment: Segment, target: Place): LogPiece | undefined {
  return foldedBetween(view, segment, target) ?? view.pieces.find((one) => contains(one, target));
}

function foldedBetween(view: LogView, segment: Segment, target: Place): LogPiece | undefined {
  return view.pieces.findLast(
    (one) =>
      one.kind === "folded" &&
      byPlaceInLog(one.last, segment.index.footer) < 0 &&
      byPlaceInLog(target, one.last) <= 0,
  );
}
