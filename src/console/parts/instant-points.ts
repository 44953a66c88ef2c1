/** What an instant field suggests: quick choices, and points to snap to. */
import type { Point } from "../app/answers.js";
import { isoText, now } from "../app/time.js";
import { pointText, tablesOf } from "./known-points.js";

export interface Suggestion {
  id: string;
  /** What the field then holds. */
  text: string;
  /** What it means. */
  says: string;
  at: number;
}

/** At most so many are listed: more are found by typing a word of them. */
const listedMax = 40;
/** So many points near a time that is typed. */
const nearMax = 8;

const quick = ["now", "10 min ago", "1 hour ago"];

/** @param tables only points of these, and those that are about no table; all if there are none */
export function suggestionsFor(
  text: string,
  typedAt: number | undefined,
  points: readonly Point[],
  tables: readonly string[] = [],
): Suggestion[] {
  const isAbout = (point: Point) => {
    const of = tablesOf(point);
    return tables.length === 0 || of.length === 0 || of.some((table) => tables.includes(table));
  };
  const about = points.filter(isAbout).map(suggestionOf).reverse();
  const typed = text.trim();
  if (typed === "" || about.some((one) => one.text === typed))
    return [...quick.map(quickChoice), ...about].slice(0, listedMax);
  if (typedAt !== undefined && !typed.startsWith("before:")) {
    const near = about.toSorted((a, b) => Math.abs(a.at - typedAt) - Math.abs(b.at - typedAt));
    return near.slice(0, nearMax).sort((a, b) => b.at - a.at);
  }
  const words = typed
    .replace(/^before:/, "")
    .toLowerCase()
    .split(/\s+/);
  const fits = ({ id, says }: Suggestion) => {
    const whole = `${id} ${says}`.toLowerCase();
    return words.every((word) => whole.includes(word));
  };
  return about.filter(fits).slice(0, listedMax);
}

const quickChoice = (text: string): Suggestion => {
  const at = now() - (quickMs.get(text) ?? 0);
  return { id: text.replaceAll(" ", "-"), text, says: text, at };
};
const quickMs = new Map([
  ["10 min ago", 600_000],
  ["1 hour ago", 3_600_000],
]);

function suggestionOf(point: Point): Suggestion {
  const at = Date.parse(point.before);
  return { id: point.id, text: isoText(at), says: pointText(point), at };
}
