/** What is kept of a table: its schemas, its bases, its log, and what a restore of it reads. */
import { useState } from "preact/hooks";
import type { TableDetails, TableReads } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { durationText, Moment } from "../app/time.js";
import {
  Badge,
  bytesText,
  Card,
  counted,
  countText,
  Nothing,
  Rows,
  Waiting,
  Wrong,
} from "../parts/bits.js";

const shownMax = 10;

type Schema = TableDetails["schemas"][number];

export function TableKept({ table }: { table: string }) {
  const { data, error } = useAsked<TableDetails>(`/v1/tables/${table}/details`, {
    topic: "tables",
  });
  const wait = error ? <Wrong error={error} /> : <Waiting />;
  return (
    <>
      <Card title="Schema">{data ? <Schemas schemas={data.schemas} /> : wait}</Card>
      <div class="columns">
        <Card title="Stored">{data ? <Stored {...data} /> : wait}</Card>
        <Reads table={table} />
      </div>
    </>
  );
}

function Schemas({ schemas }: { schemas: Schema[] }) {
  const [shown, setShown] = useState(shownMax);
  if (schemas.length === 0) return <Nothing>Nothing is known of its schema.</Nothing>;
  return (
    <>
      <ol class="table-schemas">
        {schemas.slice(0, shown).map((one, i) => (
          <li key={one.at}>
            <Moment at={one.at} /> <strong>{one.changes.join(", ")}</strong>
            {one.schema && <SchemaOf schema={one.schema} isOpen={i === 0} />}
          </li>
        ))}
      </ol>
      {schemas.length > shown && (
        <button type="button" onClick={() => setShown(shown + 5 * shownMax)}>
          {countText(schemas.length - shown)} more
        </button>
      )}
    </>
  );
}

function SchemaOf({ schema, isOpen }: { schema: NonNullable<Schema["schema"]>; isOpen: boolean }) {
  const { name, primaryKey, durability, writeAcks, shards, indexes, writeHook, reason } = schema;
  const replicas = Math.max(0, ...shards.map((shard) => shard.replicas.length));
  return (
    <details open={isOpen}>
      <summary>The schema from then on</summary>
      {reason && <p class="wrong">{reason}</p>}
      <dl class="table-schema">
        <dt>name</dt>
        <dd>{name}</dd>
        <dt>primary key</dt>
        <dd>
          <code>{primaryKey}</code>
        </dd>
        <dt>shards</dt>
        <dd>
          {counted(shards.length, "shard")} × {counted(replicas, "replica")}
          {shards.map((shard, i) => (
            <div key={shard.primary} class="note">
              {i + 1}: {shard.replicas.join(", ")}; primary {shard.primary}
            </div>
          ))}
        </dd>
        <dt>durability</dt>
        <dd>
          {durability}, acknowledged by {writeAcks}
        </dd>
        <dt>indexes</dt>
        <dd>
          {indexes.length === 0 && "none"}
          {indexes.map((index) => (
            <div key={index.name}>
              <code>{index.name}</code> {index.multi && <Badge>multi</Badge>}{" "}
              {index.geo && <Badge>geo</Badge>}
              <Code code={index.code} />
            </div>
          ))}
        </dd>
        <dt>write hook</dt>
        <dd>{writeHook ? <Code code={writeHook.code} /> : "none"}</dd>
      </dl>
    </details>
  );
}

const Code = ({ code }: { code: string | null }) =>
  code === null ? (
    <span class="note">code hidden from this role</span>
  ) : (
    <pre class="table-code">{code}</pre>
  );

function Stored({ bases, logs }: TableDetails) {
  const [shown, setShown] = useState(shownMax);
  return (
    <>
      {bases.length === 0 ? (
        <Nothing>There is no complete base yet: it cannot be restored.</Nothing>
      ) : (
        <Rows
          caption="Bases, with which a restore can begin"
          heads={["base of", "documents", "stored", "parts"]}
          rows={bases.slice(0, shown).map((base) => ({
            key: `${base.lane} ${base.at}`,
            cells: [
              <Moment key="at" at={base.at} />,
              countText(base.documents),
              bytesText(base.storedBytes),
              countText(base.parts),
            ],
          }))}
        />
      )}
      {bases.length > shown && (
        <button type="button" onClick={() => setShown(shown + 5 * shownMax)}>
          {countText(bases.length - shown)} more
        </button>
      )}
      {logs.map((log) => (
        <p key={log.lane}>
          Log of lane {log.lane}: {counted(log.changes, "change")},{" "}
          {counted(log.segments, "segment")} of all its tables,{" "}
          {counted(log.foldedSegments, "folded segment")} with {bytesText(log.foldedBytes)} of this
          table.
        </p>
      ))}
    </>
  );
}

function Reads({ table }: { table: string }) {
  const [isAsked, setAsked] = useState(false);
  const { data, error, isAsking, again } = useAsked<TableReads>(
    isAsked ? `/v1/tables/${table}/reads` : undefined,
  );
  const ask = () => (isAsked ? again() : setAsked(true));
  return (
    <Card title="What a restore takes">
      <p class="note">
        Of the whole table, to its newest instant. It is computed from what is stored: nothing is
        restored.
      </p>
      <button type="button" disabled={isAsking} onClick={ask}>
        {data ? "Compute again" : "Compute"}
      </button>
      <div aria-live="polite">
        {isAsking && <Waiting />}
        {error && <Wrong error={error} />}
        {data && !isAsking && <Taken reads={data} />}
      </div>
    </Card>
  );
}

function Taken({ reads }: { reads: TableReads }) {
  const { base, documents, objects, bytes, requests, seconds, isMeasured, cost } = reads;
  if (base === null) return <Nothing>It cannot be restored yet.</Nothing>;
  return (
    <dl class="table-schema">
      <dt>begins with</dt>
      <dd>
        {counted(documents, "document")} of the base of <Moment at={base} />
      </dd>
      <dt>reads</dt>
      <dd>
        {counted(objects, "object")}, at most {bytesText(bytes)}
        {requests && `, with about ${counted(requests.get + requests.list, "request")}`}
      </dd>
      <dt>takes</dt>
      <dd>
        about {durationText(seconds * 1000)}
        {!isMeasured && (
          <>
            {" "}
            <Badge tone="unknown">guessed: no restore was measured yet</Badge>
          </>
        )}
      </dd>
      <dt>costs</dt>
      <dd>
        {cost
          ? `${cost.total < 0.01 ? "less than 0.01" : cost.total.toFixed(2)} ${cost.currency} at ${cost.profile}, prices of ${cost.asOf}`
          : "unknown: the configuration of this process names no price profile (prices.profile)"}
      </dd>
    </dl>
  );
}
