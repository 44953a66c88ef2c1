import { type Datum, maxval, minval } from "./datum.js";
import { primaryCode, secondaryCode } from "./key-code.js";
import { logicError } from "./reql-error.js";

/** A range of an index's values. `index` is undefined for the primary key. Codes are those of key-code.ts. */
export interface IndexRange {
  readonly index: string | undefined;
  readonly lower: string;
  readonly lowerOpen: boolean;
  readonly upper: string;
  readonly upperOpen: boolean;
}

/** Codes begin with a letter; `@` is below and `[` above them all. */
export const wholeRange: IndexRange = {
  index: undefined,
  lower: "@",
  lowerOpen: false,
  upper: "[",
  upperOpen: false,
};

export function inRange(code: string, range: IndexRange): boolean {
  if (range.lowerOpen ? code <= range.lower : code < range.lower) return false;
  return range.upperOpen ? code < range.upper : code <= range.upper;
}

/** True if no code can lie in it. */
export function isEmpty({ lower, lowerOpen, upper, upperOpen }: IndexRange): boolean {
  return lower > upper || (lower === upper && (lowerOpen || upperOpen));
}

export function isWhole(range: IndexRange): boolean {
  return range.lower === "@" && range.upper === "[";
}

/** @throws {ReqlError} for bounds that cannot be keys */
export function rangeBetween(
  index: string | undefined,
  lower: Datum,
  upper: Datum,
  open: { lower: boolean; upper: boolean },
): IndexRange {
  const code = index === undefined ? primaryCode : indexBound;
  return {
    index,
    lower: lower === minval ? "@" : code(lower),
    lowerOpen: open.lower,
    upper: upper === maxval ? "[" : code(upper),
    upperOpen: open.upper,
  };
}

function indexBound(value: Datum): string {
  const code = secondaryCode(value);
  if (code === undefined) {
    throw logicError("Secondary keys must be a number, string, bool, pseudotype, or array.");
  }
  return code;
}
