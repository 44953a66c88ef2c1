/** What differs in each table: first how many documents. */
import { may } from "../app/session.js";
import { Moment, now, useNow } from "../app/time.js";
import { Badge, Card, counted, countText } from "../parts/bits.js";
import { totalOf } from "../parts/difference-counts.js";
import type { Sides } from "../parts/difference-documents.js";
import { lateText } from "../parts/instant-class.js";
import { type Comparison, problemText, type Row } from "./compare-run.js";

interface Props {
  comparison: Comparison;
  rows: readonly Row[];
  isRunning: boolean;
  sides: Sides;
  open: string | undefined;
  onOpen: (table: string | undefined) => void;
}

export function Results({ comparison, rows, isRunning, sides, open, onOpen }: Props) {
  const { isLive } = comparison.comparing;
  return (
    <Card
      title={
        isLive
          ? "What the live tables have, beside then"
          : "What the later state has, beside the earlier"
      }
      beside={
        isRunning && (
          <button type="button" onClick={() => comparison.stop()}>
            Stop
          </button>
        )
      }
    >
      <Progress rows={rows} isRunning={isRunning} isLive={isLive} />
      <div class="rows compare-rows">
        <table>
          <caption class="hidden">Documents that differ, by table</caption>
          <thead>
            <tr>
              <th scope="col">table</th>
              <th scope="col">
                {isLive ? "then and not live" : "only in the earlier"}: {sides.words.removed}
              </th>
              <th scope="col">in both: {sides.words.changed}</th>
              <th scope="col">
                {isLive ? "live and not then" : "only in the later"}: {sides.words.added}
              </th>
              <th scope="col">
                <span class="hidden">look</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <TableRow
                key={row.table}
                row={row}
                sides={sides}
                isOpen={open === row.table}
                onOpen={(is) => onOpen(is ? row.table : undefined)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Progress({
  rows,
  isRunning,
  isLive,
}: {
  rows: readonly Row[];
  isRunning: boolean;
  isLive: boolean;
}) {
  const done = rows.filter(({ state }) => state === "done");
  const failed = rows.filter(({ state }) => state === "failed").length;
  const stopped = rows.filter(({ state }) => state === "stopped").length;
  const differing = done.filter(({ diff }) => diff && totalOf(diff) > 0).length;
  const running = rows.find(({ state }) => state === "running");
  const newest = Math.max(...done.map(({ atMs = 0 }) => atMs));
  const at = `${done.length + failed + 1} of ${rows.length}`;
  return (
    <div class="compare-progress" role="status">
      {isRunning && running ? (
        <>
          <progress aria-label="tables compared" max={rows.length} value={done.length + failed} />{" "}
          comparing {running.table}
          {rows.length > 1 && `, ${at}`}
        </>
      ) : (
        <>
          {counted(done.length, "table")} compared
          {done.length > 0 && (
            <>
              :{" "}
              {differing === 0
                ? "none differs"
                : `${countText(differing)} differ${differing === 1 ? "s" : ""}`}
              {isLive && (
                <>
                  , as of <Age atMs={newest} />
                </>
              )}
            </>
          )}
          {failed > 0 && (
            <span class="wrong">. {counted(failed, "table")} could not be compared</span>
          )}
          {stopped > 0 && `. ${counted(stopped, "table")} left out, because it was stopped`}
        </>
      )}
    </div>
  );
}

/** How long ago that was, by this browser's own clock. */
function Age({ atMs }: { atMs: number }) {
  useNow();
  return <Moment at={now() - (Date.now() - atMs)} short />;
}

function TableRow({
  row,
  sides,
  isOpen,
  onOpen,
}: {
  row: Row;
  sides: Sides;
  isOpen: boolean;
  onOpen: (is: boolean) => void;
}) {
  const { table, state, diff, error } = row;
  if (!diff) {
    return (
      <tr class={state === "failed" ? "bad" : ""}>
        <td data-head="table">{table}</td>
        <td colSpan={3} data-head="state">
          {state === "failed" && (
            <span class="wrong">{error && problemText(error, may("contents"))}</span>
          )}
          {state === "running" && <span class="waiting">comparing…</span>}
          {state === "waiting" && <span class="note">waits</span>}
          {state === "stopped" && <span class="note">not compared: it was stopped</span>}
        </td>
        <td data-head="">
          {state === "failed" && (
            <Look isOpen={isOpen} onOpen={onOpen} word="What to do" table={table} />
          )}
        </td>
      </tr>
    );
  }
  const { from } = diff.classes;
  return (
    <tr>
      <td data-head="table">
        {table}{" "}
        {from.class !== "exact" && (
          <Badge tone="warn">
            then: {from.class === "late" ? lateText(from.lateMs) : from.class}
          </Badge>
        )}
      </td>
      {totalOf(diff) === 0 ? (
        <td colSpan={3} data-head="differs">
          <span class="note">equal</span>
        </td>
      ) : (
        (["removed", "changed", "added"] as const).map((change) => (
          <td key={change} data-head={sides.words[change]}>
            <span class={diff[change] > 0 ? `compare-count ${change}` : "note"}>
              {countText(diff[change])}
            </span>
          </td>
        ))
      )}
      <td data-head="">
        {state === "running" && <span class="waiting">comparing…</span>}
        {state === "failed" && (
          <span class="wrong">{error && problemText(error, may("contents"))}</span>
        )}
        {state !== "running" && totalOf(diff) > 0 && (
          <Look isOpen={isOpen} onOpen={onOpen} word="Look" table={table} />
        )}
      </td>
    </tr>
  );
}

const Look = ({
  isOpen,
  onOpen,
  word,
  table,
}: {
  isOpen: boolean;
  onOpen: (is: boolean) => void;
  word: string;
  table: string;
}) => (
  <button type="button" aria-expanded={isOpen} onClick={() => onOpen(!isOpen)}>
    {isOpen ? "Close" : word}
    <span class="hidden"> at {table}</span>
  </button>
);
