/** What becomes of live documents, in words and numbers, so that nobody deletes without being told. */
import type { Tally } from "../recovery/tally.js";
import { textOfJson } from "../server-text.js";
import { shortText } from "./field-text.js";
import { counted, formatCount } from "./output.js";

/** `change 124 documents, delete 1,214 (made since), bring back 0`, with the verbs in the form that fits. */
export function countsText(
  { changed, deleted, broughtBack }: Pick<Tally, "changed" | "deleted" | "broughtBack">,
  [change, remove, bring]: readonly [string, string, string],
): string {
  return `${change} ${counted(changed, "document")}, ${remove} ${formatCount(deleted)} (made since), ${bring} ${formatCount(broughtBack)}`;
}

export const wouldDo = ["change", "delete", "bring back"] as const;
export const willDo = ["changes", "deletes", "brings back"] as const;
export const didDo = ["changed", "deleted", "brought back"] as const;

/** The first keys of the documents that are deleted; undefined if none is. */
export function deletedText(name: string, { deleted, firstDeleted }: Tally): string | undefined {
  if (deleted === 0) return undefined;
  const more = deleted - firstDeleted.length;
  const rest = more > 0 ? ` and ${formatCount(more)} more` : "";
  return `${name} ${firstDeleted.map(shortText).join(", ")}${rest}`;
}

/** The same counts for programs. */
export const countsResult = ({ changed, deleted, broughtBack, firstDeleted }: Tally) => ({
  changed,
  deleted,
  broughtBack,
  firstDeleted: firstDeleted.map((key) => JSON.parse(textOfJson(key)) as unknown),
});
