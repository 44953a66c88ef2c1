/** Which segments and folded segments a reader reads, of those that hold the same. */
import { byPlaceInLog, follows } from "./log.js";
import type { FoldedName, Place, SegmentName } from "./names.js";

export type Named = SegmentName | FoldedName;

export const firstPlace = (one: Named): Place => ("resolutionMs" in one ? one.first : one);
export const lastPlace = (one: Named): Place => ("resolutionMs" in one ? one.last : one);

/**
 * The fewest pieces, in order, that hold all places that any of them holds: at each place the folded segment that
 * reaches farthest, else the segment itself. Of two that reach as far, the coarser: it is the newer one.
 */
export function coverOf(segments: SegmentName[], folded: FoldedName[]): Named[] {
  const cover: Named[] = [];
  let at: Place = { epoch: 0, sequence: 0 };
  let next = 0;
  for (;;) {
    while (next < segments.length && byPlaceInLog(segments[next]!, at) <= 0) next += 1;
    const segment = segments[next];
    let best: Named | undefined = segment;
    for (const one of folded) {
      if (byPlaceInLog(one.last, at) > 0 && (!best || isBetter(one, best, at))) best = one;
    }
    if (!best) return cover;
    cover.push(best);
    at = lastPlace(best);
  }
}

function isBetter(one: FoldedName, best: Named, at: Place): boolean {
  const begin = (of: Named) => (byPlaceInLog(firstPlace(of), at) > 0 ? firstPlace(of) : at);
  const byBegin = byPlaceInLog(begin(one), begin(best));
  if (byBegin !== 0) return byBegin < 0;
  const byEnd = byPlaceInLog(one.last, lastPlace(best));
  if (byEnd !== 0) return byEnd > 0;
  return !("resolutionMs" in best) || one.resolutionMs > best.resolutionMs;
}

/** True if the cover holds all that `name` stands for, without a gap. */
export function isCovered(name: FoldedName, cover: Named[]): boolean {
  const within = cover.filter(
    (one) =>
      byPlaceInLog(lastPlace(one), name.first) >= 0 &&
      byPlaceInLog(firstPlace(one), name.last) <= 0,
  );
  let before: Place | undefined;
  for (const one of within) {
    const first = firstPlace(one);
    const joins = before
      ? byPlaceInLog(first, before) <= 0 || follows(before, first) || first.sequence === 1
      : byPlaceInLog(first, name.first) <= 0;
    if (!joins) return false;
    before = lastPlace(one);
  }
  return before !== undefined && byPlaceInLog(before, name.last) >= 0;
}
