/** The fields of two versions of a document, side by side. */
import "./field-diff.css";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { counted, Nothing } from "./bits.js";
import {
  fieldsOf,
  isDifferent,
  pathText,
  type StoredChange,
  type StoredJson,
} from "./stored-json.js";
import { StoredValue } from "./stored-value.js";

/** So many fields are shown at first. */
const fieldsMax = 200;

/** A version of a document, null for none, and what to call it. */
export interface Side {
  name: ComponentChildren;
  document: StoredJson | null;
}

export function FieldDiff({ before, after }: { before: Side; after: Side }) {
  if (before.document === null || after.document === null) {
    return <Only before={before.document} after={after.document} />;
  }
  const documents = { before: before.document, after: after.document };
  return <Fields names={[before.name, after.name]} {...documents} />;
}

/** The one document that there is, because no field of it has another one to stand beside. */
function Only({ before, after }: { before: StoredJson | null; after: StoredJson | null }) {
  const there = after ?? before;
  if (!there) return <Nothing>There is no document in either version.</Nothing>;
  return (
    <>
      <p>
        {after
          ? "The earlier version has no document. This is the later one:"
          : "The later version has no document: it was deleted. This is the earlier one:"}
      </p>
      <div class={`field-diff-only ${after ? "added" : "removed"}`}>
        <StoredValue value={there} />
      </div>
    </>
  );
}

interface Both {
  names: [before: ComponentChildren, after: ComponentChildren];
  before: StoredJson;
  after: StoredJson;
}

function Fields({ names, before, after }: Both) {
  const [isWhole, setWhole] = useState(false);
  const [shown, setShown] = useState(fieldsMax);
  const all = fieldsOf(before, after);
  const different = all.filter(isDifferent);
  const rows = isWhole ? all : different;
  const same = all.length - different.length;
  return (
    <div class="field-diff">
      <p role="status">
        {different.length === 0
          ? "No field differs."
          : `${counted(different.length, "field")} differ${different.length === 1 ? "s" : ""}.`}{" "}
        {same > 0 && (
          <button type="button" aria-pressed={isWhole} onClick={() => setWhole(!isWhole)}>
            {isWhole
              ? "only what differs"
              : `show the ${same === 1 ? "one that is" : `${same} that are`} the same`}
          </button>
        )}
      </p>
      <table>
        <caption class="hidden">Fields of two versions</caption>
        <thead>
          <tr>
            <th scope="col">field</th>
            <th scope="col">{names[0]}</th>
            <th scope="col">{names[1]}</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown).map((row) => (
            <Row key={row.path.join()} {...row} />
          ))}
        </tbody>
      </table>
      {rows.length > shown && (
        <button type="button" onClick={() => setShown(shown + 10 * fieldsMax)}>
          {counted(rows.length - shown, "more field")}
        </button>
      )}
    </div>
  );
}

function Row({ path, before, after }: StoredChange) {
  const change = !isDifferent({ path, before, after })
    ? "same"
    : before === undefined
      ? "added"
      : after === undefined
        ? "removed"
        : "changed";
  return (
    <tr class={change}>
      <th scope="row">
        <span class="field-diff-path">{pathText(path)}</span>{" "}
        <span class="field-diff-change">{change}</span>
      </th>
      <td data-side="before">
        <StoredValue value={before} />
      </td>
      <td data-side="after">
        <StoredValue value={after} />
      </td>
    </tr>
  );
}
