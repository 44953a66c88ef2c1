/** One document: all its versions, what differs between two of them, and the way back to one. */
import "./document.css";
import { useState } from "preact/hooks";
import { useAsked } from "../app/ask.js";
import { go, Link, settle, usePlace } from "../app/router.js";
import { may } from "../app/session.js";
import { Card, Shown, Title } from "../parts/bits.js";
import { InstantField, instantWord, readInstant } from "../parts/instant-field.js";
import { KeyField } from "../parts/key-field.js";
import { type DocumentHistory, readHistory } from "./document-history.js";
import { DocumentThen } from "./document-then.js";
import { Versions } from "./document-versions.js";

/** The key is in the state of the history entry: a reload keeps it, and no URL has it. */
export function DocumentPage({ table }: { table: string }) {
  const { state } = usePlace();
  const heading = (
    <Title beside={<Link to={`/tables/${table}`}>{table}</Link>}>Document of {table}</Title>
  );
  if (!may("contents")) {
    return (
      <>
        {heading}
        <Card>
          <p>Documents are hidden from this role.</p>
          <p class="note">The role operator, approver or admin may read them.</p>
        </Card>
      </>
    );
  }
  const { key } = state;
  if (key === undefined) {
    return (
      <>
        {heading}
        <Card title="Which document?">
          <KeyField
            label="Primary key"
            onKey={(given) => settle(`/tables/${table}/document`, { key: given })}
          />
        </Card>
      </>
    );
  }
  return (
    <>
      {heading}
      <p class="document-key">
        Key <code>{JSON.stringify(key)}</code>{" "}
        <button type="button" onClick={() => go(`/tables/${table}/document`)}>
          Another document
        </button>
      </p>
      <History key={`${table} ${JSON.stringify(key)}`} table={table} documentKey={key} />
    </>
  );
}

interface Stretch {
  from?: string;
  to?: string;
}

function History({ table, documentKey }: { table: string; documentKey: unknown }) {
  const [stretch, setStretch] = useState<Stretch>({});
  const asked = useAsked<DocumentHistory>(`/v1/tables/${table}/history`, {
    body: { key: JSON.stringify(documentKey), ...stretch },
    read: readHistory,
  });
  return (
    <>
      <Shown asked={asked}>
        {(history) => <Versions history={history} table={table} documentKey={documentKey} />}
      </Shown>
      <div class="columns">
        <DocumentThen table={table} documentKey={documentKey} />
        <StretchForm onStretch={setStretch} onAgain={asked.again} />
      </div>
    </>
  );
}

function StretchForm({
  onStretch,
  onAgain,
}: {
  onStretch: (stretch: Stretch) => void;
  onAgain: () => void;
}) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [begin, end] = [from, to].map((text) => instantWord(readInstant(text)));
  const submit = (event: Event) => {
    event.preventDefault();
    onStretch({
      ...(begin === undefined ? {} : { from: begin }),
      ...(end === undefined ? {} : { to: end }),
    });
    onAgain();
  };
  const isWrong = [from, to].some((text) => "wrong" in readInstant(text));
  return (
    <Card title="Which versions">
      <form onSubmit={submit}>
        <InstantField label="From" text={from} onText={setFrom} />
        <InstantField label="Until" text={to} onText={setTo} />
        <button type="submit" disabled={isWrong}>
          Read the versions again
        </button>
        <p class="note">Without instants, all that are kept are read.</p>
      </form>
    </Card>
  );
}
