/** Finding the records of a system stream: by the links in the footers, as far back as the newest folded segment. */
import { damaged } from "../../errors.js";
import { type Place, parseSegmentName } from "../../format/names.js";
import type { SystemStream } from "../../format/segment.js";
import { byPlaceInLog, openSegment, type Segment } from "./log.js";
import { holds, type LogView } from "./log-view.js";
import { type FoldedPiece, type LogPiece, type SegmentPiece } from "./pieces.js";

/** Told the name of a missing object. */
export type OnLost = (name: string) => void | Promise<void>;

/** Throws, naming the object. */
export function refusing(view: LogView): OnLost {
  return async (name) => {
    throw await view.missing(name);
  };
}

/**
 * What holds the records of a stream up to and including the piece at `index`, newest first. A folded segment holds
 * all that came before it too, so it is the last one.
 * @param onLost told of a missing object that holds some; if it does not throw, what came before is left out
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
 * The segments of a run of neighbouring pieces that hold records of a stream, newest first; and the name of the object
 * that held the last record before them, if it is missing.
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
    piece = view.pieces.find((one) => holds(one, target));
    if (!piece && !foldedBetween(view, segment, target)) return { holders, lost: target.name };
  }
  return { holders, lost: undefined };
}

function linkOf(segment: Segment, stream: SystemStream): (Place & { name: string }) | undefined {
  const link = segment.index.footer.links[stream];
  if (link === null) return undefined;
  const target = parseSegmentName(link);
  if (!target || byPlaceInLog(target, segment.index.footer) >= 0) {
    throw damaged(segment.name, `its link ${link} is not before it`);
  }
  return target;
}

/** The piece to go on with: the folded segment before `segment`, if that reaches as far, else the linked one. */
function holderOf(view: LogView, segment: Segment, target: Place): LogPiece | undefined {
  return foldedBetween(view, segment, target) ?? view.pieces.find((one) => holds(one, target));
}

function foldedBetween(view: LogView, segment: Segment, target: Place): LogPiece | undefined {
  return view.pieces.findLast(
    (one) =>
      one.kind === "folded" &&
      byPlaceInLog(one.last, segment.index.footer) < 0 &&
      byPlaceInLog(target, one.last) <= 0,
  );
}
