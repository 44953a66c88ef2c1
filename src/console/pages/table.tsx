/** One table: until when it can be restored, what changed when, what it was like, and what is stored of it. */
import "./table.css";
import type { TableStatus } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { go, Link, pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { localText, Moment, utcText } from "../app/time.js";
import {
  Badge,
  bytesText,
  Card,
  countText,
  documentsText,
  Figure,
  Shown,
  Title,
  type Tone,
} from "../parts/bits.js";
import { KeyField } from "../parts/key-field.js";
import { recover } from "../parts/recover-draft.js";
import { TableActivity } from "./table-activity.js";
import { TableGaps } from "./table-gaps.js";
import { TableKept } from "./table-kept.js";

/** Numbers move with every tick, and no topic tells of them. */
const everyMs = 10_000;

/** What was looked at of one table says nothing of another. */
export const TablePage = ({ table }: { table: string }) => <PageOf key={table} table={table} />;

function PageOf({ table }: { table: string }) {
  const asked = useAsked<TableStatus>(`/v1/tables/${table}`, { topic: "tables", everyMs });
  const way = recover({ command: "restore", tables: [table] });
  const beside = (
    <>
      <Link class="button" to={pathOf("/compare", { table })}>
        Live beside then
      </Link>
      {may("request") && (
        <button type="button" class="main" onClick={() => go(way.to, way.state)}>
          Restore the table
        </button>
      )}
    </>
  );
  return (
    <>
      <Title beside={beside}>{table}</Title>
      <Shown asked={asked}>{(status) => <Standing status={status} />}</Shown>
      <Search table={table} />
      <TableActivity table={table} />
      {asked.data && <TableGaps status={asked.data} />}
      <TableKept table={table} />
    </>
  );
}

const states: Record<string, { text: string; tone: Tone }> = {
  live: { text: "captured", tone: "plain" },
  copying: { text: "first copy under way", tone: "warn" },
  resyncing: { text: "being compared after a gap", tone: "warn" },
  gap: { text: "not watched", tone: "bad" },
  stopped: { text: "stopped because of a defect", tone: "bad" },
  dropped: { text: "dropped", tone: "bad" },
  moved: { text: "captured in another lane", tone: "plain" },
  "not captured": { text: "not captured", tone: "unknown" },
};

const NotWatched = ({ since, reason }: { since: string; reason: string | null }) => (
  <div class="wrong" role="alert">
    <strong>
      Not watched since <Moment at={since} />
    </strong>
    <div>{reason ?? "The reason is hidden from this role."}</div>
  </div>
);

const bothTimes = (at: string) => `${utcText(at)} · ${localText(at)}`;

function Standing({ status }: { status: TableStatus }) {
  const { state, firstRestorable, lastRestorable, lastProven, openGap, damagedSince } = status;
  const known = states[state] ?? { text: state, tone: "plain" as const };
  return (
    <>
      <p>
        <Badge tone={known.tone}>{known.text}</Badge>{" "}
        {damagedSince !== null && (
          <Badge tone="bad">
            damaged since <Moment at={damagedSince} short />
          </Badge>
        )}{" "}
        {status.failedDrill && <Badge tone="bad">the last drill failed</Badge>}
      </p>
      {(openGap ?? status.stopped) && <NotWatched {...(openGap ?? status.stopped)!} />}
      <div class="figures">
        <Figure
          name="restorable until"
          tone={lastRestorable === null ? "unknown" : "plain"}
          note={lastRestorable !== null && bothTimes(lastRestorable)}
        >
          {lastRestorable === null ? "not restorable yet" : <Moment at={lastRestorable} short />}
        </Figure>
        <Figure
          name="restorable from"
          tone={firstRestorable === null ? "unknown" : "plain"}
          note={firstRestorable !== null && bothTimes(firstRestorable)}
        >
          {firstRestorable === null ? "not restorable yet" : <Moment at={firstRestorable} short />}
        </Figure>
        <Figure
          name="last proven by a restore"
          tone={lastProven ? "plain" : "unknown"}
          note={lastProven && bothTimes(lastProven.done)}
        >
          {lastProven ? <Moment at={lastProven.done} short /> : "never"}
        </Figure>
        <Figure
          name="documents"
          tone={status.documents === null ? "unknown" : "plain"}
          note={!status.documentsExact && status.documents !== null && "not exact"}
        >
          {documentsText(status)}
        </Figure>
        <Figure name="changes in the log" note={`${bytesText(status.logBytes)} of lines`}>
          {countText(status.changes)}
        </Figure>
      </div>
    </>
  );
}

function Search({ table }: { table: string }) {
  return (
    <Card title="One document">
      {may("contents") ? (
        <KeyField label="Primary key" onKey={(key) => go(`/tables/${table}/document`, { key })} />
      ) : (
        <p>Documents are hidden from this role.</p>
      )}
    </Card>
  );
}
