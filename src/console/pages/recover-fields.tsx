/** Fields of the form of a recovery. */
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";

interface Labelled {
  label: string;
  /** What it is for, in a sentence. */
  note?: ComponentChildren;
  wrong?: string | undefined;
}

const saidOf = (id: string) => `${id}-said`;

function Said({ id, note, wrong }: { id: string } & Omit<Labelled, "label">) {
  return (
    <div id={saidOf(id)} class={wrong ? "said wrong" : "said"}>
      {wrong ?? note}
    </div>
  );
}

export function TextField({
  label,
  note,
  wrong,
  text,
  onText,
  lines = 1,
  example = "",
}: Labelled & {
  text: string;
  onText: (text: string) => void;
  lines?: number;
  example?: string;
}) {
  const id = useId();
  const same = {
    id,
    value: text,
    placeholder: example,
    spellcheck: false,
    autocomplete: "off",
    "aria-describedby": saidOf(id),
    "aria-invalid": wrong !== undefined,
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {lines > 1 ? (
        <textarea
          {...same}
          rows={lines}
          onInput={({ currentTarget }) => onText(currentTarget.value)}
        />
      ) : (
        <input {...same} onInput={({ currentTarget }) => onText(currentTarget.value)} />
      )}
      <Said id={id} note={note} wrong={wrong} />
    </div>
  );
}

export function Choice<T extends string>({
  label,
  note,
  wrong,
  value,
  options,
  onValue,
}: Labelled & {
  value: T;
  options: readonly { value: T; name: string }[];
  onValue: (value: T) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-describedby={saidOf(id)}
        aria-invalid={wrong !== undefined}
        onChange={({ currentTarget }) => onValue(currentTarget.value as T)}
      >
        {options.map((one) => (
          <option key={one.value} value={one.value}>
            {one.name}
          </option>
        ))}
      </select>
      <Said id={id} note={note} wrong={wrong} />
    </div>
  );
}

export function Switch({
  label,
  is,
  onIs,
}: {
  label: ComponentChildren;
  is: boolean;
  onIs: (is: boolean) => void;
}) {
  return (
    <label class="recover-switch">
      <input
        type="checkbox"
        checked={is}
        onChange={({ currentTarget }) => onIs(currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

/** So many names are offered at once. */
const offeredMax = 50;

/** Names of tables and databases: chosen ones, and a field that takes one more. */
export function Names({
  label,
  note,
  wrong,
  names,
  known,
  onNames,
}: Labelled & {
  names: readonly string[];
  known: readonly string[];
  onNames: (names: string[]) => void;
}) {
  const id = useId();
  const [text, setText] = useState("");
  const typed = text.trim();
  const add = (name: string) => {
    if (name === "") return;
    if (!names.includes(name)) onNames([...names, name]);
    setText("");
  };
  const fits = known.filter((name) => name.includes(typed) && !names.includes(name));
  // A name that is chosen from what is offered comes as input that is whole at once.
  const typing = (value: string) => {
    const isChosen = known.includes(value) && value.length > text.length + 1;
    if (isChosen) add(value);
    else setText(value);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <ul class="recover-names" aria-label={`${label}: chosen`}>
        {names.map((name) => (
          <li key={name}>
            <code>{name}</code>
            <button
              type="button"
              aria-label={`leave out ${name}`}
              onClick={() => onNames(names.filter((one) => one !== name))}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <div class="recover-add">
        <input
          id={id}
          list={`${id}-known`}
          value={text}
          placeholder="shop.orders, or shop for all of it"
          spellcheck={false}
          autocomplete="off"
          aria-describedby={saidOf(id)}
          aria-invalid={wrong !== undefined}
          onInput={({ currentTarget }) => typing(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || typed === "") return;
            event.preventDefault();
            add(typed);
          }}
          onBlur={() => known.includes(typed) && add(typed)}
        />
        <button type="button" disabled={typed === ""} onClick={() => add(typed)}>
          Add
        </button>
      </div>
      <datalist id={`${id}-known`}>
        {fits.slice(0, offeredMax).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <Said id={id} note={note} wrong={wrong} />
    </div>
  );
}
