/** Shows values of documents as they are stored. */
import "./stored-value.css";
import { useState } from "preact/hooks";
import { localText, utcText } from "../app/time.js";
import { bytesText, countText } from "./bits.js";
import { depthMax, pathText, type StoredJson, typeOf } from "./stored-json.js";

/** Longer texts are cut until somebody asks for the rest. */
const charactersMax = 2000;
/** So many fields or items of one object or list are shown at first. */
const membersMax = 200;

/** A value of a document; undefined stands for a field that is not there. */
export function StoredValue({
  value,
  depth = 0,
}: {
  value: StoredJson | undefined;
  depth?: number;
}) {
  if (value === undefined) return <span class="stored-missing">not there</span>;
  const type = typeOf(value);
  if (type === "TIME") return <StoredTime value={value} />;
  if (type === "BINARY") return <StoredBinary value={value} />;
  const { kind } = value;
  const isDeep = depth >= depthMax;
  if (kind === "object" && value.fields.size > 0 && !isDeep) {
    const members = [...value.fields].map(([name, of]) => ({ name: pathText([name]), of }));
    return <Members members={members} depth={depth} />;
  }
  const isPlain = value.items.every(({ kind: one }) => one !== "object" && one !== "array");
  if (kind === "array" && !isPlain && !isDeep) {
    const members = value.items.map((of, i) => ({ name: String(i), of }));
    return <Members members={members} depth={depth} />;
  }
  return <Text kind={kind} text={value.text} />;
}

function Members({
  members,
  depth,
}: {
  members: { name: string; of: StoredJson }[];
  depth: number;
}) {
  const [shown, setShown] = useState(membersMax);
  return (
    <dl class="stored-members">
      {members.slice(0, shown).map(({ name, of }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <StoredValue value={of} depth={depth + 1} />
          </dd>
        </div>
      ))}
      {members.length > shown && (
        <div>
          <dt />
          <dd>
            <button type="button" onClick={() => setShown(shown + 10 * membersMax)}>
              {countText(members.length - shown)} more
            </button>
          </dd>
        </div>
      )}
    </dl>
  );
}

function Text({ kind, text }: { kind: string; text: string }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = text.length > charactersMax && !isWhole;
  return (
    <>
      <code class={`stored-${kind}`}>{isCut ? `${text.slice(0, charactersMax)}…` : text}</code>
      {isCut && (
        <button type="button" onClick={() => setWhole(true)}>
          all {countText(text.length)} characters
        </button>
      )}
    </>
  );
}

function StoredTime({ value }: { value: StoredJson }) {
  const epoch = value.field("epoch_time")?.text ?? "";
  const zone = value.field("timezone")?.parsed<string>() ?? "+00:00";
  const ms = Math.round(Number(epoch) * 1000);
  // A year that has no date is shown as the number that it is.
  if (epoch === "" || Math.abs(ms) > 8.64e15) return <Text kind="object" text={value.text} />;
  return (
    <span class="stored-time" title={`epoch_time ${epoch}`}>
      <span class="stored-type">time</span> {utcText(ms)}{" "}
      <span class="note">
        {localText(ms)}
        {zone !== "+00:00" && `, stored with ${zone}`}
      </span>
    </span>
  );
}

function StoredBinary({ value }: { value: StoredJson }) {
  const data = value.field("data")?.parsed<string>() ?? "";
  const bytes = Math.floor((data.replace(/=+$/, "").length * 3) / 4);
  return (
    <span class="stored-binary">
      <span class="stored-type">binary</span> {bytesText(bytes)}{" "}
      <span class="note">fingerprint {fingerprint(data)}</span>
    </span>
  );
}

/** Tells two binaries of one size apart (FNV-1a, 32 bits); it proves nothing. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
