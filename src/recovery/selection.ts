/** Which documents a command is about: some keys, and what their fields must be. */
import { type KeyFilter, keysBetween, theseKeys } from "../key-filter.js";
import { orderCode } from "../key-order.js";

/** Everything, if it has no member. */
export interface Selection {
  filter?: KeyFilter;
  /** JSON texts of the keys, if these alone are selected; `filter` has the same. */
  keys?: readonly Buffer[];
  /** Asked about a document's text. */
  matches?: (document: Buffer) => boolean;
  /** What shows, of the documents so far, that the selection is mistyped: one sentence each. */
  doubts?: () => string[];
}

/** True if one of a document's versions is selected: a change may move a document into a selection, or out of it. */
export function selectsAny({ matches }: Selection, versions: readonly (Buffer | null)[]): boolean {
  return !matches || versions.some((version) => version !== null && matches(version));
}

/** @param keys JSON texts of primary keys */
export const selectKeys = (keys: readonly Buffer[]): Selection => {
  return { filter: theseKeys(keys.map(orderCode)), keys };
};

/** From a key up to and including another one; JSON texts, undefined for no bound. */
export const selectBetween = (from: Buffer | undefined, to: Buffer | undefined): Selection => {
  return { filter: keysBetween(from && orderCode(from), to && orderCode(to)) };
};

/** What both select. @param only keys that are looked at again */
export function and(selection: Selection, only: Selection | undefined): Selection {
  if (!only) return selection;
  const { filter } = selection;
  const keys = only.keys ?? [];
  const selected = filter ? keys.filter((key) => filter.has(orderCode(key))) : keys;
  return { ...selection, ...selectKeys(selected) };
}
