/**
 * Takes an instant as the command line does, and says at once what it was taken for. It suggests points to snap to: the
 * arrow keys choose among them. With `tables` it also says of which class the instant is for these.
 */
import "./instant-field.css";
import { useId, useRef, useState } from "preact/hooks";
import { parseInstant } from "../../instant.js";
import type { Point } from "../app/answers.js";
import { isoText, localText, Moment, now, utcText } from "../app/time.js";
import { InstantClasses } from "./instant-class.js";
import { type Suggestion, suggestionsFor } from "./instant-points.js";
import { pointsCalled, pointText, useKnownPoints } from "./known-points.js";

export type Read =
  /** At this instant; before this point, if it was chosen by one. */
  | { at: number; point?: Point }
  /** Before a point that is not known here: the server may know it. */
  | { before: string }
  | { wrong: string }
  | { empty: true };

/** What a text means now. @param points those that are known: `before:NAME` is looked for among them */
export function readInstant(text: string, points: readonly Point[] = []): Read {
  const trimmed = text.trim();
  if (trimmed === "") return { empty: true };
  if (trimmed.startsWith("before:")) {
    const name = trimmed.slice("before:".length).trim();
    const [point, other] = pointsCalled(name, points);
    if (!point) return { before: name };
    if (other) return { wrong: `several points are called ${name}: choose one below` };
    return { at: Date.parse(point.before), point };
  }
  try {
    const at = parseInstant(trimmed, now());
    const point = points.findLast(({ before }) => Date.parse(before) === at);
    return point ? { at, point } : { at };
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    return { wrong: hint ? `${message}: ${hint}` : message };
  }
}

function isRelative(text: string): boolean {
  try {
    return parseInstant(text.trim(), 0) !== parseInstant(text.trim(), 86_400_000);
  } catch {
    return false;
  }
}

/** The instant as a word for a request: an absolute time, or `before:NAME`; undefined if the text means none. */
export function instantWord(read: Read): string | undefined {
  if ("at" in read) return isoText(read.at);
  return "before" in read ? `before:${read.before}` : undefined;
}

interface Props {
  label: string;
  text: string;
  onText: (text: string) => void;
  /** Names of tables or databases: the class of the instant is said for these, for all if there are none. */
  tables?: readonly string[] | undefined;
  /** What it means that nothing is typed. */
  whenEmpty?: string | undefined;
}

export function InstantField({ label, text, onText, tables, whenEmpty }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [wasUsed, setUsed] = useState(text.startsWith("before:"));
  const [active, setActive] = useState(-1);
  const { data } = useKnownPoints(wasUsed);
  const points = data?.points ?? [];
  const read = readInstant(text, points);
  const suggested = isOpen
    ? suggestionsFor(text, "at" in read ? read.at : undefined, points, tables)
    : [];
  const isShown = isOpen && suggested.length > 0;
  const open = () => {
    setUsed(true);
    setOpen(true);
  };
  const close = () => {
    setOpen(false);
    setActive(-1);
  };
  const choose = (one: Suggestion) => {
    onText(one.text);
    close();
  };
  const move = (by: number) => {
    open();
    const { length } = suggested;
    const first = by > 0 ? 0 : length - 1;
    setActive(active < 0 || length === 0 ? first : (active + by + length) % length);
  };
  const onKey = (event: KeyboardEvent) => {
    const chosen = suggested[active];
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" && isShown && chosen) choose(chosen);
    else if (event.key === "Escape" && isShown) close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="field instant-field">
      <label for={id}>{label}</label>
      <div class="instant-input">
        <input
          id={id}
          ref={input}
          role="combobox"
          aria-expanded={isShown}
          aria-controls={`${id}-points`}
          aria-autocomplete="list"
          aria-activedescendant={isShown && active >= 0 ? `${id}-${active}` : undefined}
          value={text}
          placeholder="10 minutes ago, 10:04, yesterday 10:04, 2026-11-28T10:04:00Z"
          aria-describedby={`${id}-said`}
          aria-invalid={"wrong" in read}
          autocomplete="off"
          spellcheck={false}
          onFocus={() => setUsed(true)}
          onClick={open}
          onBlur={() => {
            close();
            // "10 minutes ago" would mean another instant each time that it is read.
            if ("at" in read && isRelative(text)) onText(isoText(read.at));
          }}
          onKeyDown={onKey}
          onInput={({ currentTarget: { value } }) => {
            onText(value);
            setActive(-1);
            // The list would hide what is said of an instant that can be read.
            if ("at" in readInstant(value)) close();
            else open();
          }}
        />
        <Points
          id={id}
          suggested={isShown ? suggested : []}
          active={active}
          onChoose={(one) => {
            choose(one);
            input.current?.focus();
          }}
        />
      </div>
      <div id={`${id}-said`} class={"wrong" in read ? "said wrong" : "said"}>
        {"at" in read && `${utcText(read.at)} · ${localText(read.at)}`}
        {"at" in read && read.point && ` · ${pointText(read.point)}`}
        {"before" in read &&
          `the last instant before ${read.before}${data ? ", if the server knows a point of that name" : ""}`}
        {"wrong" in read && read.wrong}
        {"empty" in read && whenEmpty}
      </div>
      {tables && "at" in read && <InstantClasses at={read.at} tables={tables} onAt={onText} />}
    </div>
  );
}

/** The list under the field. It is there, if empty, for what names it. */
function Points({
  id,
  suggested,
  active,
  onChoose,
}: {
  id: string;
  suggested: Suggestion[];
  active: number;
  onChoose: (one: Suggestion) => void;
}) {
  return (
    <ul
      id={`${id}-points`}
      class="instant-points"
      role="listbox"
      aria-label="Points"
      hidden={suggested.length === 0}
      // The field keeps the focus.
      onMouseDown={(event) => event.preventDefault()}
    >
      {suggested.map((one, i) => (
        <li
          key={one.id}
          id={`${id}-${i}`}
          ref={(item) => {
            if (i === active) item?.scrollIntoView({ block: "nearest" });
          }}
          role="option"
          aria-selected={i === active}
          onClick={() => onChoose(one)}
        >
          <span>{one.says}</span>
          {one.says !== "now" && (
            <span class="note">
              <Moment at={one.at} short /> {utcText(one.at).slice(0, 19)}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
