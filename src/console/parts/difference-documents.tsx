/** The documents that differ: each with its key, what became of it, and its fields. */
import "./difference.css";
import { useState } from "preact/hooks";
import { Link } from "../app/router.js";
import { Badge, countText, type Tone } from "./bits.js";
import { type Change, type DocumentDifference, keyText } from "./difference-answer.js";
import { FieldDiff } from "./field-diff.js";
import { pathText, type StoredJson, type StoredPath } from "./stored-json.js";

/** What the two states are called, and what a change of each kind is called between them. */
export interface Sides {
  before: string;
  after: string;
  words: Record<Change, string>;
}

const tones: Record<Change, Tone> = { added: "good", removed: "bad", changed: "warn" };

/** Keys by their texts. */
export type Keys = ReadonlyMap<string, StoredJson>;

interface Props {
  table: string;
  documents: readonly DocumentDifference[];
  sides: Sides;
  /** Keys that are chosen; undefined: none can be. */
  chosen?: Keys | undefined;
  onChoose?: ((chosen: Keys) => void) | undefined;
}

const kinds: Change[] = ["removed", "changed", "added"];

export function Documents({ table, documents, sides, chosen, onChoose }: Props) {
  const [kind, setKind] = useState<Change | "all">("all");
  const shown = kind === "all" ? documents : documents.filter(({ change }) => change === kind);
  const count = (of: Change) => documents.filter(({ change }) => change === of).length;
  const there = kinds.filter((of) => count(of) > 0);
  const isAllChosen = shown.length > 0 && shown.every(({ key }) => chosen?.has(key.text));
  const choose = (those: readonly DocumentDifference[], is: boolean) => {
    const after = new Map(chosen);
    for (const { key } of those) {
      if (is) after.set(key.text, key);
      else after.delete(key.text);
    }
    onChoose?.(after);
  };
  return (
    <>
      <div class="difference-tools">
        {chosen && (
          <label>
            <input
              type="checkbox"
              checked={isAllChosen}
              onChange={({ currentTarget }) => choose(shown, currentTarget.checked)}
            />{" "}
            choose all {countText(shown.length)} that are listed
          </label>
        )}
        {there.length > 1 && (
          <label>
            show{" "}
            <select
              value={kind}
              onChange={({ currentTarget }) => setKind(currentTarget.value as typeof kind)}
            >
              <option value="all">all {countText(documents.length)}</option>
              {there.map((of) => (
                <option key={of} value={of}>
                  {sides.words[of]}: {countText(count(of))}
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
      <ul class="difference-documents">
        {shown.map((one) => (
          <Document
            key={one.key.text}
            table={table}
            one={one}
            sides={sides}
            isChosen={chosen?.has(one.key.text)}
            onChoose={(is) => choose([one], is)}
          />
        ))}
      </ul>
    </>
  );
}

function Document({
  table,
  one,
  sides,
  isChosen,
  onChoose,
}: {
  table: string;
  one: DocumentDifference;
  sides: Sides;
  isChosen: boolean | undefined;
  onChoose: (is: boolean) => void;
}) {
  const [isOpen, setOpen] = useState(false);
  const { key, change, before, after, paths } = one;
  const text = keyText(key);
  return (
    <li>
      <div class="difference-document">
        {isChosen !== undefined && (
          <input
            type="checkbox"
            aria-label={`choose ${text}`}
            checked={isChosen}
            onChange={({ currentTarget }) => onChoose(currentTarget.checked)}
          />
        )}
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <bdi class="mono">{text}</bdi>
          <Badge tone={tones[change]}>{sides.words[change]}</Badge>
          {paths.length > 0 && <span class="note">{pathsText(paths)}</span>}
        </button>
      </div>
      {isOpen && (
        <div class="difference-fields">
          <FieldDiff
            before={{ name: sides.before, document: before }}
            after={{ name: sides.after, document: after }}
          />
          <Link to={`/tables/${table}/document`} state={{ key: key.parsed() }}>
            All its versions
          </Link>
        </div>
      )}
    </li>
  );
}

/** At most so many names of fields stand in a line. */
const namedMax = 4;

function pathsText(paths: readonly StoredPath[]): string {
  const names = paths.slice(0, namedMax).map(pathText);
  const more = paths.length - names.length;
  return more > 0 ? `${names.join(", ")} and ${more} more` : names.join(", ");
}
