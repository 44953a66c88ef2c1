/** A document as it was at an instant that somebody types. */
import { useState } from "preact/hooks";
import { useAsked } from "../app/ask.js";
import { go } from "../app/router.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, Card, Nothing, Waiting, Wrong } from "../parts/bits.js";
import { InstantField, instantWord, readInstant } from "../parts/instant-field.js";
import { recover } from "../parts/recover-draft.js";
import { StoredJson } from "../parts/stored-json.js";
import { StoredValue } from "../parts/stored-value.js";

interface Then {
  at: string;
  class: string;
  captured: string;
  lateMs: number | null;
  document: StoredJson;
}

function readThen(text: string): Then {
  const answer = StoredJson.of(text);
  const of = <T,>(name: string) => answer.field(name)!.parsed<T>();
  const document = answer.field("document")!;
  return {
    at: of("at"),
    class: of("class"),
    captured: of("captured"),
    lateMs: of("lateMs"),
    document,
  };
}

export function DocumentThen({ table, documentKey }: { table: string; documentKey: unknown }) {
  const [text, setText] = useState("");
  const [asking, setAsking] = useState<{ at: string; allowInexact?: "true" }>();
  const read = readInstant(text);
  const at = instantWord(read);
  const asked = useAsked<Then>(asking && `/v1/tables/${table}/document`, {
    body: { key: JSON.stringify(documentKey), ...asking },
    read: readThen,
  });
  const submit = (event: Event) => {
    event.preventDefault();
    if (at !== undefined) setAsking({ at });
  };
  return (
    <Card title="As it was at an instant">
      <form onSubmit={submit} class="document-then">
        <InstantField label="Instant" text={text} onText={setText} tables={[table]} />
        <button type="submit" disabled={at === undefined}>
          Show
        </button>
      </form>
      {asked.isAsking && <Waiting />}
      {asked.error?.code === "unknown" && (
        <Nothing>
          {asked.error.message}. {asked.error.hint}
        </Nothing>
      )}
      {asked.error && asked.error.code !== "unknown" && <Wrong error={asked.error} />}
      {asked.error?.code === "instant" && asking && !asking.allowInexact && (
        <button type="button" onClick={() => setAsking({ ...asking, allowInexact: "true" })}>
          Show it though the instant is not exact
        </button>
      )}
      {asked.data && <Shown then={asked.data} table={table} documentKey={documentKey} />}
    </Card>
  );
}

function Shown({ then, table, documentKey }: { then: Then; table: string; documentKey: unknown }) {
  const { at, captured, document, class: of } = then;
  const way = recover({ command: "rewind", tables: [table], keys: [documentKey], at });
  return (
    <div class="document-shown">
      <p>
        At <Moment at={at} /> <Badge tone={of === "exact" ? "good" : "warn"}>{of}</Badge>
        {then.lateMs !== null && ` told up to ${then.lateMs} ms too late`}
      </p>
      <p class="note">
        The version of <Moment at={captured} />
      </p>
      <StoredValue value={document} />
      {may("request") && (
        <p>
          <button type="button" onClick={() => go(way.to, way.state)}>
            Restore it as it was then
          </button>
        </p>
      )}
    </div>
  );
}
