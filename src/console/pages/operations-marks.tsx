/** Marks: what happened when, such as a deployment. */
import { useState } from "preact/hooks";
import type { Marks as Answer } from "../app/answers.js";
import { ask, useAsked } from "../app/ask.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Card, Nothing, Rows, Shown } from "../parts/bits.js";
import { InstantField, readInstant } from "../parts/instant-field.js";
import {
  AskingDialog,
  instantGiven,
  TextField,
  useAct,
  useFirst,
} from "../parts/operations-act.js";

const everyMs = 30_000;

export function Marks() {
  const asked = useAsked<Answer>("/v1/marks", { everyMs });
  const [isAdding, setAdding] = useState(false);
  const add = (
    <button type="button" onClick={() => setAdding(true)}>
      Mark an instant…
    </button>
  );
  return (
    <Card title="Marks" beside={may("request") && add}>
      <Shown asked={asked}>{({ marks }) => <MarkRows marks={marks} />}</Shown>
      <p class="note">
        A mark keeps nothing. It names an instant, and one can go to just before it.
      </p>
      {isAdding && (
        <AddMark
          onClose={() => setAdding(false)}
          onAdded={() => {
            setAdding(false);
            asked.again();
          }}
        />
      )}
    </Card>
  );
}

function MarkRows({ marks }: Answer) {
  const newest = marks.toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const { first, more } = useFirst(newest, 20);
  if (marks.length === 0) return <Nothing>Nothing is marked.</Nothing>;
  return (
    <>
      <Rows
        caption="Marks, the newest first"
        heads={["Text", "Instant", "Just before it"]}
        rows={first.map(({ id, text, at }) => ({
          key: id,
          cells: [
            <span class="operations-names">{text}</span>,
            <Moment at={at} />,
            <code>before:{id}</code>,
          ],
        }))}
      />
      {more}
    </>
  );
}

function AddMark({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const doing = useAct();
  const [text, setText] = useState("");
  const [at, setAt] = useState("");
  const submit = async () => {
    const body = { text: text.trim(), ...instantGiven(at) };
    if (await doing.act(() => ask("/v1/marks", { method: "POST", body }))) onAdded();
  };
  return (
    <AskingDialog
      title="Mark an instant"
      submit="Mark it"
      doing={doing}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <TextField label="Text" text={text} onText={setText} isNeeded most={200} />
      <InstantField label="Instant" text={at} onText={setAt} />
      {"empty" in readInstant(at) && <p class="note">Without one it is now.</p>}
    </AskingDialog>
  );
}
