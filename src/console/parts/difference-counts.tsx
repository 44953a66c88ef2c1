/** How many documents differ, in words that say in which direction. */
import "./difference.css";
import { countText } from "./bits.js";
import type { Difference } from "./difference-answer.js";
import type { Sides } from "./difference-documents.js";

type Counts = Pick<Difference, "added" | "removed" | "changed">;

/** Of an instant and the live table. */
export const liveSides: Sides = {
  before: "then",
  after: "live",
  words: { added: "inserted since", removed: "deleted since", changed: "changed since" },
};

/** Of two instants. */
export const instantSides: Sides = {
  before: "the earlier",
  after: "the later",
  words: { added: "inserted between", removed: "deleted between", changed: "changed between" },
};

export const totalOf = ({ added, removed, changed }: Counts): number => added + removed + changed;

export function Counted({ counts, sides }: { counts: Counts; sides: Sides }) {
  const isLive = sides === liveSides;
  const there = isLive ? "In the live table" : "In the later state";
  const then = isLive ? "then" : "in the earlier one";
  if (totalOf(counts) === 0)
    return <p>Both are equal: no document was inserted, changed or deleted.</p>;
  return (
    <ul class="difference-counts">
      <li>
        {there} and not {then}: <b>{countText(counts.added)}</b> ({sides.words.added})
      </li>
      <li>
        {isLive ? "Then" : "In the earlier state"} and not {isLive ? "live" : "in the later one"}:{" "}
        <b>{countText(counts.removed)}</b> ({sides.words.removed})
      </li>
      <li>
        In both, and different: <b>{countText(counts.changed)}</b> ({sides.words.changed})
      </li>
    </ul>
  );
}
