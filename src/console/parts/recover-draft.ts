/** What a page that leads to the page of recoveries knows already. Keys are in it, so it stands in no URL. */

export interface Draft {
  command: "restore" | "rewind" | "undo" | "promote" | "drill";
  /** Of a promote: the restored table; of a promote back: the live one. */
  tables?: string[];
  databases?: string[];
  keys?: unknown[];
  between?: string;
  /** A query, as text or as it is. */
  where?: unknown;
  at?: string;
  from?: string;
  to?: string;
  /** Of an undo or a rewind that is to be taken back. */
  operation?: string;
  /** False: under the table's own name. A restore is beside if nothing is said. */
  beside?: boolean;
  /** Promote back. */
  back?: boolean;
  /** Name of a target. */
  target?: string;
  /** Of a drill: the newest instant. */
  latest?: boolean;
  /** Only these fields, of an undo. */
  fields?: string[];
  /** Which other state will do where the instant is not exact. */
  inexact?: "before" | "after" | "any";
}

/** Where a link with a draft leads. */
export const recover = (draft: Draft) => ({ to: "/recover", state: { draft } });
