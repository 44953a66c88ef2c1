/** Which pieces of the log can be folded together. */
import type { Instant } from "../instant.js";
import type { LogView } from "../repository/log/log-view.js";
import type { FoldedPiece, LogPiece, SegmentPiece } from "../repository/log/pieces.js";
import { isOnGrid } from "../repository/registers/keep-policy.js";

/** Runs of segments that follow each other with no hole and no folded segment between them. */
export function runsOf(view: LogView): SegmentPiece[][] {
  const holes = view.holes();
  const runs: SegmentPiece[][] = [];
  let before: LogPiece | undefined;
  for (const piece of view.pieces) {
    const previous = before;
    before = piece;
    if (piece.kind === "folded") continue;
    const isJoined =
      previous?.kind === "segment" &&
      !holes.some(({ from, to }) => from > previous.to && to < piece.from);
    if (isJoined) runs.at(-1)!.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

/** The number of the span that a piece ends in. */
export const spanOf = (piece: LogPiece, spanMs: number) => Math.floor(piece.to / spanMs);

/** True if one folded segment follows another directly, in the same span and at the same resolution. */
export function isNeighbour(before: FoldedPiece, piece: FoldedPiece, spanMs: number): boolean {
  return (
    piece.manifest.previous?.checksum === before.manifest.lastSegment.checksum &&
    piece.manifest.resolutionMs === before.manifest.resolutionMs &&
    spanOf(before, spanMs) === spanOf(piece, spanMs)
  );
}

/** The pinned instants that the pieces still hold, in order. An earlier thinning may have removed some. */
export function keptOf(pieces: FoldedPiece[], pinned: Instant[]): Instant[] {
  const isHeld = (pin: Instant) =>
    pieces.some(({ from, to, manifest: { resolutionMs, kept } }) => {
      const isShown = resolutionMs === 1 || isOnGrid(pin, resolutionMs) || kept.includes(pin);
      return from <= pin && pin <= to && isShown;
    });
  return [...new Set(pinned)].filter(isHeld).sort((a, b) => a - b);
}
