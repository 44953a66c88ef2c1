/** Takes a key of a document as the command line does, and says at once what it was taken for. */
import { useId, useState } from "preact/hooks";
import { keyKind, keyOf } from "./stored-json.js";

export function KeyField({ label, onKey }: { label: string; onKey: (key: unknown) => void }) {
  const id = useId();
  const [text, setText] = useState("");
  const read = keyOf(text);
  const submit = (event: Event) => {
    event.preventDefault();
    if ("key" in read) onKey(read.key);
  };
  return (
    <form class="field key-field" onSubmit={submit}>
      <label for={id}>{label}</label>
      <input
        id={id}
        value={text}
        placeholder={'order-1, 42, "42", ["a",1]'}
        aria-describedby={`${id}-said`}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={900}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />{" "}
      <button type="submit" class="main" disabled={!("key" in read)}>
        Find
      </button>
      <div id={`${id}-said`} class={"wrong" in read && read.wrong ? "said wrong" : "said"}>
        {"key" in read && `${keyKind(read.key)}: ${JSON.stringify(read.key)}`}
        {"wrong" in read &&
          (read.wrong || "42 is a number; for the text, put it in quotes. It stands in no URL.")}
      </div>
    </form>
  );
}
