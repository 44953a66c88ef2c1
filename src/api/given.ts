/** What is wrong with what was given, in words for whoever has sent it. */
import * as v from "valibot";

interface Known {
  entries: v.ObjectEntries;
}

/**
 * What the first of some issues says. The schema's own words say what a value has to be; which field is missing, or
 * unknown, is said here.
 */
export function wrongIn(issues: readonly v.BaseIssue<unknown>[], { entries }: Known): string {
  const issue = issues[0]!;
  const path = v.getDotPath(issue);
  if (issue.type !== "strict_object") {
    return path === null ? issue.message : `${path}: ${issue.message}`;
  }
  if (path === null) return "it is not a JSON object";
  if (issue.expected !== "never") return `${path} is missing`;
  const known = Object.keys(entries);
  const hint = known.length === 0 ? "none is" : `${listed(known, "and")} ${are(known)}`;
  return `${path} is not known here; ${hint}`;
}

const are = ({ length }: readonly string[]) => (length === 1 ? "is" : "are");

/** `a, b or c`. */
export function listed(words: readonly string[], last: "and" | "or"): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}
