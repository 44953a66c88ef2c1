/** What changed in a table over time, and the instants that are worth choosing. */
import { useRef } from "preact/hooks";
import type { Points } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { go, Link, pathOf, settle, usePlace } from "../app/router.js";
import { may } from "../app/session.js";
import { isoText, Moment, now } from "../app/time.js";
import { Activity, toneOf } from "../parts/activity.js";
import { Badge, Card, Nothing, Rows, Shown, type Tone } from "../parts/bits.js";
import { recover } from "../parts/recover-draft.js";

const stretches = [
  { name: "1 h", ms: 3_600_000 },
  { name: "1 d", ms: 86_400_000 },
  { name: "30 d", ms: 30 * 86_400_000 },
];

export function TableActivity({ table }: { table: string }) {
  const { query } = usePlace();
  const [from, to] = [query.get("from") ?? undefined, query.get("to") ?? undefined];
  // Reading the log takes the server some work, so it is not read again by itself.
  const found = useAsked<Points>(pathOf("/v1/points", { table, from, to }));
  const latest = useRef<Points | undefined>(undefined);
  latest.current = found.data ?? latest.current;
  // The stretch before stays until the next one is there: it says itself from when to when it is.
  const asked = { ...found, data: latest.current };
  const show = (given: { from?: string | undefined; to?: string | undefined }) =>
    settle(pathOf(`/tables/${table}`, given));
  const zoom = (begin: number, end: number) => {
    // What is still to come has no changes.
    const latest = Math.min(end, now());
    show({ from: isoText(Math.max(0, begin - (end - latest))), to: isoText(latest) });
  };
  const beside = (
    <div class="table-stretches" role="group" aria-label="Stretch">
      <button type="button" aria-pressed={from === undefined} onClick={() => show({})}>
        newest 7 d
      </button>
      {stretches.map(({ name, ms }) => (
        <button key={name} type="button" onClick={() => show({ from: isoText(now() - ms) })}>
          {name}
        </button>
      ))}
      <button type="button" disabled={asked.isAsking} onClick={asked.again}>
        {asked.isAsking ? "reading…" : "Read again"}
      </button>
    </div>
  );
  return (
    <>
      <Card title="Changes" beside={beside}>
        <Shown asked={asked}>
          {(points) => (
            <div aria-busy={asked.isAsking} class={asked.isAsking ? "table-busy" : ""}>
              <Activity shown={points} onZoom={zoom} />
              <p class="note">
                From <Moment at={points.from} /> to <Moment at={points.to} />
              </p>
            </div>
          )}
        </Shown>
      </Card>
      <Card title="Points in this stretch">
        <Shown asked={asked}>{(points) => <PointRows table={table} points={points} />}</Shown>
      </Card>
    </>
  );
}

const tones: Record<string, Tone> = { gap: "bad", main: "plain", unknown: "plain" };
const names: Record<string, string> = {
  deletes: "burst of deletes",
  overwrites: "burst of overwrites",
  drop: "dropped",
  dropdb: "database dropped",
  rename: "renamed",
  index: "index",
  hook: "write hook",
  config: "reconfigured",
};

function PointRows({ table, points: { points } }: { table: string; points: Points }) {
  if (points.length === 0) {
    return <Nothing>No drop, burst, change of the schema, mark or pin in this stretch.</Nothing>;
  }
  const restore = (at: string) => {
    const way = recover({ command: "restore", tables: [table], at, beside: true });
    go(way.to, way.state);
  };
  return (
    <Rows
      caption="Points"
      heads={["when", "kind", "what", "go back"]}
      rows={points.toReversed().map(({ id, kind, at, before, text }) => ({
        key: `${id} ${at}`,
        cells: [
          <Moment key="at" at={at} />,
          <Badge key="kind" tone={tones[toneOf(kind)] ?? "plain"}>
            {names[kind] ?? kind}
          </Badge>,
          text,
          <span key="ways" class="table-ways">
            <Link to={pathOf("/compare", { table, at: before })}>compare with now</Link>
            {may("request") && (
              <button type="button" onClick={() => restore(before)}>
                Restore beside
              </button>
            )}
          </span>,
        ],
      }))}
    />
  );
}
