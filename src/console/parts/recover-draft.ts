/** What a page that leads to the page of recoveries knows already. Keys are in it, so it stands in no URL. */

export interface Draft {
  command: "restore" | "rewind" | "undo";
  tables?: string[];
  databases?: string[];
  keys?: unknown[];
  at?: string;
  from?: string;
  to?: string;
  beside?: boolean;
  /** Which other state will do where the instant is not exact. */
  inexact?: "before" | "after" | "any";
}

/** Where a link with a draft leads. */
export const recover = (draft: Draft) => ({ to: "/recover", state: { draft } });
