/** What is compared with what. */
import type { ClassAt } from "../parts/class-at.js";
import { InstantField } from "../parts/instant-field.js";
import type { Inexact } from "./compare-run.js";
import { TableChoice } from "./compare-tables.js";

export interface Form {
  at: string;
  /** Empty: the newest instant that is exact. */
  to: string;
  isLive: boolean;
  inexact: Inexact;
  /** Undefined: those that are chosen if nobody chooses. */
  tables: string[] | undefined;
}

interface Props {
  form: Form;
  onForm: (form: Form) => void;
  names: readonly string[];
  chosen: readonly string[];
  classes: ReadonlyMap<string, ClassAt>;
  seesLive: boolean;
  isRunning: boolean;
  /** What keeps the comparison from being asked for; undefined if nothing does. */
  lacks: string | undefined;
  onCompare: () => void;
}

export function CompareForm({ form, onForm, names, chosen, seesLive, ...more }: Props) {
  const { classes, isRunning, lacks, onCompare } = more;
  const set = (change: Partial<Form>) => onForm({ ...form, ...change });
  const isInexact = [...classes.values()].some(
    ({ class: of }) => of !== "exact" && of !== "open" && of !== "thinned",
  );
  return (
    <form
      class="card compare-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (lacks === undefined) onCompare();
      }}
    >
      {!seesLive && (
        <p class="note">
          This server does not reach the live tables, so two instants are compared: then, and a
          later one. A console that is started with <code>--target URL</code> compares with live
          tables.
        </p>
      )}
      <InstantField
        label={form.isLive ? "Then" : "The earlier instant"}
        text={form.at}
        onText={(at) => set({ at })}
        tables={chosen.length > 0 ? chosen : undefined}
        whenEmpty="type a time, or press ↓ to choose a point"
      />
      {seesLive && (
        <fieldset class="compare-beside">
          <legend>Beside</legend>
          <label>
            <input
              type="radio"
              name="beside"
              checked={form.isLive}
              onChange={() => set({ isLive: true })}
            />{" "}
            the live tables
          </label>
          <label>
            <input
              type="radio"
              name="beside"
              checked={!form.isLive}
              onChange={() => set({ isLive: false })}
            />{" "}
            a later instant
          </label>
        </fieldset>
      )}
      {!form.isLive && (
        <InstantField
          label="The later instant"
          text={form.to}
          onText={(to) => set({ to })}
          tables={chosen.length > 0 ? chosen : undefined}
          whenEmpty="the newest instant that is exact"
        />
      )}
      <TableChoice names={names} chosen={chosen} onChosen={(tables) => set({ tables })} />
      {isInexact && (
        <div class="field">
          <label for="compare-inexact">Where the instant is not exact</label>
          <select
            id="compare-inexact"
            value={form.inexact}
            onChange={({ currentTarget }) => set({ inexact: currentTarget.value as Inexact })}
          >
            <option value="">do not compare, and say why</option>
            <option value="before">in a gap, take the last state before it</option>
            <option value="after">in a gap, take the first state after it</option>
            <option value="any">
              take what there is: late states, and in a gap the one before
            </option>
          </select>
        </div>
      )}
      <div class="compare-go">
        <button class="main" type="submit" disabled={lacks !== undefined || isRunning}>
          Compare
        </button>
        {lacks !== undefined && <span class="note">{lacks}</span>}
      </div>
    </form>
  );
}
