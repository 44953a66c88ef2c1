import { type Datum, type DatumObject, isArray, record, withField } from "./datum.js";

/** The counts that every write answers with. */
export const emptyStats: DatumObject = record({
  deleted: 0,
  errors: 0,
  inserted: 0,
  replaced: 0,
  skipped: 0,
  unchanged: 0,
});

/** Adds counts, joins lists of changes, keeps the first error. */
export function mergeStats(left: DatumObject, right: DatumObject): DatumObject {
  let merged = left;
  for (const [name, value] of right) {
    const before = merged.get(name);
    merged = withField(merged, name, before === undefined ? value : mergeStat(before, value));
  }
  return merged;
}

function mergeStat(left: Datum, right: Datum): Datum {
  if (typeof left === "number" && typeof right === "number") return left + right;
  if (isArray(left) && isArray(right)) return [...left, ...right];
  return left;
}
