/** The order of places in the log. */
import type { Place } from "../../format/names.js";

export function byPlaceInLog(a: Place, b: Place): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/** True if `b` is the place right after `a` in one epoch. */
export function follows(a: Place, b: Place): boolean {
  return a.epoch === b.epoch && a.sequence + 1 === b.sequence;
}
