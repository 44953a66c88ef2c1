import type { DatumObject } from "./datum.js";
import { type IndexRange, inRange } from "./index-range.js";
import type { SelectionTable } from "./selection-table.js";
import type { Transform } from "./sequence.js";

/** What a changefeed watches: a table, a range of one of its indexes, and what is done to each row. */
export interface ChangeSpec {
  readonly table: SelectionTable;
  readonly range: IndexRange;
  readonly transforms: readonly Transform[];
  /** Watches this one key, missing or not. */
  readonly point?: boolean;
  /** Of the range only these values of the index: those of `getAll`, in order. */
  readonly codes?: ReadonlySet<string>;
  /** Further ranges of the primary key, each read by itself: those of a union. */
  readonly more?: readonly IndexRange[];
}

/** Whether a document with this primary key's code is among what is watched. */
export function watches(
  { table, range, codes, more = [] }: ChangeSpec,
  code: string,
  document: DatumObject,
): boolean {
  const values =
    range.index === undefined ? [code] : (table.indexCodes(range.index, document) ?? []);
  const isIn = (value: string) => [range, ...more].some((one) => inRange(value, one));
  return values.some((value) => isIn(value) && (codes?.has(value) ?? true));
}
