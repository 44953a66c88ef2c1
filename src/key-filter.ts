/** Which keys of a table are wanted. A reader of sorted objects passes over what cannot hold one of them. */
import type { OrderCode } from "./key-order.js";

export interface KeyFilter {
  has(code: OrderCode): boolean;
  /** True if a wanted key may lie from `first` up to and including `last`. */
  meets(first: OrderCode, last: OrderCode): boolean;
}

/** These keys. Their order, and whether one comes twice, does not matter. */
export function theseKeys(codes: Iterable<OrderCode>): KeyFilter {
  const sorted = [...new Set(codes)].sort();
  const wanted = new Set(sorted);
  return {
    has: (code) => wanted.has(code),
    meets: (first, last) => {
      let [low, high] = [0, sorted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted[middle]! < first) low = middle + 1;
        else high = middle;
      }
      return low < sorted.length && sorted[low]! <= last;
    },
  };
}

/** The keys from `from` up to and including `to`; a bound that is not given is none. None, if `from` is after `to`. */
export function keysBetween(from: OrderCode | undefined, to: OrderCode | undefined): KeyFilter {
  if (from !== undefined && to !== undefined && from > to) return theseKeys([]);
  return {
    has: (code) => (from === undefined || code >= from) && (to === undefined || code <= to),
    meets: (first, last) =>
      (from === undefined || last >= from) && (to === undefined || first <= to),
  };
}

/** The frames of a sorted object that may hold wanted keys. A key's versions may go on in the next frame. */
export function wantedFrames<F extends { firstKey?: string }>(
  frames: readonly F[],
  lastKey: string,
  filter: KeyFilter | undefined,
  codeOf: (key: string) => OrderCode,
): F[] {
  if (!filter) return [...frames];
  return frames.filter(({ firstKey }, i) => {
    const next = frames[i + 1]?.firstKey ?? lastKey;
    return filter.meets(codeOf(firstKey ?? ""), codeOf(next));
  });
}
