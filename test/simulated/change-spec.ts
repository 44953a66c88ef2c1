import type { IndexRange } from "./index-range.js";
import type { SelectionTable } from "./selection-table.js";
import type { Transform } from "./sequence.js";

/** What a changefeed watches: a table, a range of one of its indexes, and what is done to each row. */
export interface ChangeSpec {
  readonly table: SelectionTable;
  readonly range: IndexRange;
  readonly transforms: readonly Transform[];
  /** Watches this one key, missing or not. */
  readonly point?: boolean;
}
