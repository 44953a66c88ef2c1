/** Which tables are compared: all of the instant at first, if they are not too many. */
import { useId, useState } from "preact/hooks";
import type { Coverage, Point } from "../app/answers.js";
import { counted, countText } from "../parts/bits.js";
import { namesText } from "../parts/instant-class.js";
import { tablesOf } from "../parts/known-points.js";

/** So many are compared if nobody chooses: each comparison reads a table as a whole. */
export const tablesMax = 20;
/** So many are listed; typing finds others. */
const listedMax = 100;

/** Tables that a restore has made beside live ones, or that a swap has put aside. */
export const besideName = /_(at|before|until)_\d{8}T\d{6,9}Z(_part|_masked)*$/;

/** The tables that can be chosen, by name: those that are there now, or were there at the instant. */
export function namesThen({ tables }: Coverage, at: number | undefined): string[] {
  const isOffered = (table: Covered) => isThere(table) || (at !== undefined && isKnown(table, at));
  return [...new Set(tables.filter(isOffered).map(({ name }) => name))].sort();
}

/**
 * Those that are compared if nobody chooses: what was known then and stands beside no live table. Of many, the ones
 * come first to which something has happened since.
 */
export function chosenFirst(
  { tables }: Coverage,
  at: number | undefined,
  points: readonly Point[],
): string[] {
  const namesOf = (is: (table: Covered) => boolean) => {
    const meant = tables.filter((table) => !besideName.test(table.name) && is(table));
    return [...new Set(meant.map(({ name }) => name))].sort();
  };
  const then = at === undefined ? [] : namesOf((table) => isKnown(table, at));
  // Of an instant at which nothing was known, that is what is to be said of each.
  const known = then.length > 0 ? then : namesOf(isThere);
  if (known.length <= tablesMax) return known;
  const since = points.filter((point) => at !== undefined && Date.parse(point.at) >= at);
  const touched = new Set(since.flatMap(tablesOf));
  const first = known.filter((name) => touched.has(name));
  const rest = known.filter((name) => !touched.has(name));
  return [...first, ...rest].slice(0, tablesMax).sort();
}

type Covered = Coverage["tables"][number];

const isThere = ({ state }: Covered) => state !== "dropped" && state !== "moved";

/** True if something is known of the table from before the instant, and it was not dropped by then. */
function isKnown(table: Covered, at: number): boolean {
  const [first, last] = [table.intervals[0], table.intervals.at(-1)];
  if (!first || at < Date.parse(first.from)) return false;
  return isThere(table) || at <= Date.parse(last!.to);
}

interface Props {
  names: readonly string[];
  chosen: readonly string[];
  onChosen: (chosen: string[]) => void;
}

export function TableChoice({ names, chosen, onChosen }: Props) {
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const [filter, setFilter] = useState("");
  const found = names.filter((name) => name.toLowerCase().includes(filter.trim().toLowerCase()));
  const shown = found.slice(0, listedMax);
  const is = new Set(chosen);
  const choose = (those: readonly string[], on: boolean) => {
    const after = new Set(chosen);
    for (const name of those) {
      if (on) after.add(name);
      else after.delete(name);
    }
    onChosen([...after].sort());
  };
  return (
    <fieldset class="compare-tables">
      <legend>Tables</legend>
      <div class="compare-chosen">
        <span>{chosenText(names, chosen)}</span>
        <button
          type="button"
          aria-expanded={isOpen}
          aria-controls={`${id}-list`}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "done" : "choose…"}
        </button>
      </div>
      <div id={`${id}-list`} hidden={!isOpen}>
        {isOpen && (
          <>
            <div class="compare-filter">
              <input
                aria-label="Filter the tables"
                placeholder="part of a name"
                value={filter}
                onInput={({ currentTarget }) => setFilter(currentTarget.value)}
              />
              <button type="button" onClick={() => choose(found, true)}>
                choose {counted(found.length, "table")}
              </button>
              <button type="button" onClick={() => choose(found, false)}>
                none of them
              </button>
            </div>
            <ul>
              {shown.map((name) => (
                <li key={name}>
                  <label>
                    <input
                      type="checkbox"
                      checked={is.has(name)}
                      onChange={({ currentTarget }) => choose([name], currentTarget.checked)}
                    />{" "}
                    {name}
                  </label>
                </li>
              ))}
            </ul>
            {found.length > shown.length && (
              <p class="note">
                and {countText(found.length - shown.length)} more: type a part of a name
              </p>
            )}
          </>
        )}
      </div>
    </fieldset>
  );
}

function chosenText(names: readonly string[], chosen: readonly string[]): string {
  if (names.length === 0) return "reading…";
  if (chosen.length === names.length) return `all ${counted(names.length, "table")}`;
  const count = `${countText(chosen.length)} of ${counted(names.length, "table")}`;
  return chosen.length === 0 ? count : `${count}: ${namesText(chosen)}`;
}
