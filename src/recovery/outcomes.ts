/** What became of the documents of a round. */
import type { DocumentChange, OperationEnd } from "../repository/records/operations.js";
import { textOfJson } from "../server-text.js";
import type { CarriedOut } from "./carry-out.js";

/** A document that an operation has left as it is. */
export interface LeftKey extends Pick<DocumentChange, "code" | "key"> {
  /** Others have changed it; or have set fields of it, so that it cannot be taken back; or the server refuses it. */
  why: "moved" | "conflict" | { refused: string };
}

/** What is stored of a round. */
export function endOf({
  written,
  already,
  found,
  left,
  leftUnlisted,
}: CarriedOut): Omit<OperationEnd, "id" | "round" | "ended" | "seconds"> {
  const textsOf = (keys: readonly Buffer[]) => keys.map(textOfJson);
  return {
    written: written.documents,
    already,
    left: textsOf(left.map(({ key }) => key)),
    found: textsOf(found),
    unlisted: leftUnlisted + already - found.length,
  };
}

export const leftKeys = ({ left }: CarriedOut): LeftKey[] =>
  left.map(({ code, key, refused }) => {
    return { code, key, why: refused === undefined ? "moved" : { refused } };
  });
