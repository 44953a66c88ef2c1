/** Takes an instant as the command line does, and says at once what it was taken for. */
import { useId } from "preact/hooks";
import { parseInstant } from "../../instant.js";
import { localText, now, utcText } from "../app/time.js";

export type Read =
  /** At this instant. */
  | { at: number }
  /** Before a point, which the server knows by name. */
  | { before: string }
  | { wrong: string }
  | { empty: true };

/** What a text means now. */
export function readInstant(text: string): Read {
  const trimmed = text.trim();
  if (trimmed === "") return { empty: true };
  if (trimmed.startsWith("before:")) return { before: trimmed.slice("before:".length) };
  try {
    return { at: parseInstant(trimmed, now()) };
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    return { wrong: hint ? `${message}: ${hint}` : message };
  }
}

export function InstantField({
  label,
  text,
  onText,
}: {
  label: string;
  text: string;
  onText: (text: string) => void;
}) {
  const id = useId();
  const read = readInstant(text);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        value={text}
        placeholder="10 minutes ago, 10:04, yesterday 10:04, 2026-11-28T10:04:00Z"
        aria-describedby={`${id}-said`}
        aria-invalid={"wrong" in read}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => onText(currentTarget.value)}
      />
      <div id={`${id}-said`} class={"wrong" in read ? "said wrong" : "said"}>
        {"at" in read && `${utcText(read.at)} · ${localText(read.at)}`}
        {"before" in read && `the last instant before ${read.before}`}
        {"wrong" in read && read.wrong}
      </div>
    </div>
  );
}
