/** The ways to bring something back, each in a sentence, the safest first. */
import { type Way, ways } from "./recover-words.js";

interface Told {
  name: string;
  says: string;
}

export const tellingOf: Record<Way, Told> = {
  beside: {
    name: "Restore beside",
    says: "Makes a new table next to the live one, such as orders_at_20261128T100400Z. Look at it and compare, then promote it.",
  },
  drill: {
    name: "Prove it with a drill",
    says: "Restores into databases of its own, compares every document, and drops them again. It brings nothing back; it proves that a restore works.",
  },
  restore: {
    name: "Restore what is gone",
    says: "Makes dropped tables or lost databases again, under their own names, or all of it on another server. Refuses a table that is there.",
  },
  undo: {
    name: "Undo what was changed",
    says: "Takes back, in the live table, what was changed between two instants. What others have changed since stays as it is.",
  },
  operation: {
    name: "Undo an undo or a rewind",
    says: "Takes back what an earlier undo or rewind has written, by its id.",
  },
  rewind: {
    name: "Rewind in place",
    says: "Makes a live table, or a part of it, what it was at an instant. What others have changed since is lost, too.",
  },
  promote: {
    name: "Promote a restored table",
    says: "The restored table takes the name of the live one, which is kept beside it. What was written since the instant is only in the one that is kept.",
  },
  back: {
    name: "Promote back",
    says: "Gives the name back to the table that was live before the last promote.",
  },
};

const groups: { says: string; of: readonly Way[] }[] = [
  { says: "Nothing that is live changes", of: ["beside", "drill"] },
  { says: "Nothing that exists is overwritten", of: ["restore"] },
  { says: "Live documents change, and there is a way back", of: ["undo", "operation", "rewind"] },
  { says: "Two tables swap their names, and there is a way back", of: ["promote", "back"] },
];

export function Ways({ way, onWay }: { way: Way; onWay: (way: Way) => void }) {
  return (
    <fieldset class="recover-ways">
      <legend class="hidden">How</legend>
      {groups.map(({ says, of }) => (
        <div key={says} class="group">
          <h3>{says}</h3>
          {ways
            .filter((one) => of.includes(one))
            .map((one) => (
              <label key={one} class={one === way ? "way chosen" : "way"}>
                <input
                  type="radio"
                  name="way"
                  value={one}
                  checked={one === way}
                  onChange={() => onWay(one)}
                />
                <span>
                  <strong>{tellingOf[one].name}</strong>
                  <span class="says">{tellingOf[one].says}</span>
                </span>
              </label>
            ))}
        </div>
      ))}
    </fieldset>
  );
}
