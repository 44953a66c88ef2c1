/** Instants that have to stay restorable, and marks on instants. */
import { useState } from "preact/hooks";
import type { Pins as Answer } from "../app/answers.js";
import { ask, useAsked } from "../app/ask.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, Card, Nothing, Rows, Shown } from "../parts/bits.js";
import { InstantField, readInstant } from "../parts/instant-field.js";
import {
  AskingDialog,
  Choice,
  instantGiven,
  TextField,
  useAct,
  useFirst,
} from "../parts/operations-act.js";
import { Marks } from "./operations-marks.js";

type Pin = Answer["pins"][number];

const everyMs = 30_000;

export function Pins() {
  const asked = useAsked<Answer>("/v1/pins", { topic: "tables", everyMs });
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<Pin>();
  const add = (
    <button type="button" onClick={() => setAdding(true)}>
      Pin an instant…
    </button>
  );
  return (
    <>
      <Card title="Pins" beside={may("request") && add}>
        <Shown asked={asked}>{({ pins }) => <PinRows pins={pins} onRemove={setRemoved} />}</Shown>
        <p class="note">
          What a pin needs is neither thinned nor expired, as long as the pin is there.
        </p>
        {isAdding && (
          <AddPin
            onClose={() => setAdding(false)}
            onAdded={() => {
              setAdding(false);
              asked.again();
            }}
          />
        )}
        {removed && (
          <RemovePin
            pin={removed}
            onClose={() => setRemoved(undefined)}
            onRemoved={() => {
              setRemoved(undefined);
              asked.again();
            }}
          />
        )}
      </Card>
      <Marks />
    </>
  );
}

function PinRows({ pins, onRemove }: { pins: Pin[]; onRemove: (pin: Pin) => void }) {
  const { first, more } = useFirst(pins);
  if (pins.length === 0) return <Nothing>Nothing is pinned.</Nothing>;
  const mayRemove = may("request");
  return (
    <>
      <Rows
        caption="Pins"
        heads={["Name", "Instant", "Holds", "Until", "Note", ...(mayRemove ? ["Remove"] : [])]}
        rows={first.map((pin) => ({
          key: pin.name,
          cells: [
            <span class="operations-names">{pin.name}</span>,
            <Moment at={pin.at} />,
            <Holds pin={pin} />,
            pin.until === null ? "it is removed" : <Moment at={pin.until} short />,
            pin.note ?? "",
            ...(mayRemove
              ? [
                  <button
                    type="button"
                    aria-label={`Remove… the pin ${pin.name}`}
                    onClick={() => onRemove(pin)}
                  >
                    Remove…
                  </button>,
                ]
              : []),
          ],
        }))}
      />
      {more}
    </>
  );
}

/** So many losses are named. */
const lossesMax = 3;

function Holds({ pin: { holds, ended, losses } }: { pin: Pin }) {
  if (ended) return <Badge>ended</Badge>;
  if (holds) return <Badge tone="good">holds</Badge>;
  const named = losses.slice(0, lossesMax).map(({ name, is }) => `${name} is ${is}`);
  const more = losses.length - named.length;
  return (
    <>
      <Badge tone="bad">does not hold</Badge> {named.join(", ")}
      {more > 0 && `, and ${more} more`}
    </>
  );
}

const lengths = [
  ["", "until it is removed"],
  ["24h", "for a day"],
  ["168h", "for 7 days"],
  ["720h", "for 30 days"],
  ["2160h", "for 90 days"],
  ["8784h", "for a year"],
] as const;

function AddPin({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const doing = useAct();
  const [name, setName] = useState("");
  const [at, setAt] = useState("");
  const [note, setNote] = useState("");
  const [length, setLength] = useState("");
  const [isInexact, setInexact] = useState(false);
  const submit = async () => {
    const body = {
      name: name.trim(),
      ...instantGiven(at),
      ...(note.trim() === "" ? {} : { note: note.trim() }),
      ...(length === "" ? {} : { for: length }),
      ...(isInexact ? { allowInexact: true } : {}),
    };
    if (await doing.act(() => ask("/v1/pins", { method: "POST", body }))) onAdded();
  };
  return (
    <AskingDialog
      title="Pin an instant"
      submit="Pin it"
      doing={doing}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <TextField
        label="Name"
        text={name}
        onText={setName}
        hint="small letters, digits and hyphens, such as before-release-12"
        isNeeded
        most={100}
      />
      <InstantField label="Instant" text={at} onText={setAt} />
      {"empty" in readInstant(at) && (
        <p class="note">Without one it is the newest instant that can be restored.</p>
      )}
      <Choice label="Keep it" value={length} onValue={setLength} among={lengths} />
      <TextField label="Note" text={note} onText={setNote} most={500} />
      <label class="operations-check">
        <input
          type="checkbox"
          checked={isInexact}
          onChange={({ currentTarget }) => setInexact(currentTarget.checked)}
        />
        <span>Pin it also if it is not exact for every table</span>
      </label>
    </AskingDialog>
  );
}

function RemovePin({
  pin,
  onClose,
  onRemoved,
}: {
  pin: Pin;
  onClose: () => void;
  onRemoved: () => void;
}) {
  const doing = useAct();
  const submit = async () => {
    const path = `/v1/pins/${encodeURIComponent(pin.name)}`;
    if (await doing.act(() => ask(path, { method: "DELETE" }))) onRemoved();
  };
  return (
    <AskingDialog
      title={`Remove the pin ${pin.name}`}
      submit="Remove it"
      isDangerous
      doing={doing}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <p>
        It keeps <Moment at={pin.at} />. Nothing is deleted now, but the next expiry may delete what
        only this pin keeps. That cannot be undone.
      </p>
    </AskingDialog>
  );
}
