/** The coverage of all tables over time, from years to seconds; also as a list, for whoever does not see it. */
import "./timeline.css";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { go, pathOf } from "../app/router.js";
import { isoText, localText, utcText } from "../app/time.js";
import type { TimelineShown } from "./timeline-asked.js";
import { Board, type Spot } from "./timeline-board.js";
import { type Event, keptAtOrBefore, type Picture, spanText } from "./timeline-data.js";
import { headHeight, type Line, lineHeight } from "./timeline-draw.js";
import { listen, press } from "./timeline-gestures.js";
import { kindNames } from "./timeline-glyphs.js";
import { Legend } from "./timeline-legend.js";
import { TimelineList } from "./timeline-list.js";

/** From so many tables on, one is looked for by its name. */
const manyTables = 12;

export function Timeline({ shown }: { shown: TimelineShown & { picture: Picture } }) {
  const { picture, detail, events, refine } = shown;
  const [filter, setFilter] = useState("");
  const [isList, setList] = useState(false);
  const [, moved] = useState(0);
  const [isByKeys, setByKeys] = useState(false);
  const canvas = useRef<HTMLCanvasElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const actions = useRef<HTMLDivElement>(null);
  const [board, setBoard] = useState<Board>();
  const lines = useMemo(() => linesOf(picture, filter), [picture, filter]);
  useEffect(() => {
    const made = new Board(
      canvas.current!,
      scroller.current!,
      () => moved((turn) => turn + 1),
      refine,
    );
    const forget = listen(canvas.current!, made, () => setByKeys(false));
    canvas.current!.addEventListener("pointermove", () => setByKeys(false));
    setBoard(made);
    return () => {
      forget();
      made.end();
    };
  }, []);
  useEffect(() => board?.show(picture, lines, events), [board, picture, lines, events]);
  useEffect(() => board?.refine(detail), [board, detail]);
  const onKey = (event: KeyboardEvent) => {
    if (!board || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && board.spot) {
      board.choose();
      requestAnimationFrame(() => actions.current?.querySelector("button")?.focus());
    } else if (event.key === "Escape" && board.chosen) board.unchoose();
    else if (!press(board, event)) return;
    setByKeys(true);
    event.preventDefault();
  };
  const close = () => {
    board?.unchoose();
    frame.current?.focus();
  };
  const rows = picture.rows.filter(({ kind }) => kind === "table").length;
  return (
    <div class="timeline">
      <div class="timeline-bar">
        {rows > manyTables && (
          <input
            aria-label="Find a table in the timeline"
            placeholder="find a table"
            value={filter}
            spellcheck={false}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        )}
        <div class="timeline-buttons">
          <button type="button" aria-label="Closer" onClick={() => board?.zoom(2)}>
            +
          </button>
          <button type="button" aria-label="Farther" onClick={() => board?.zoom(0.5)}>
            −
          </button>
          <button type="button" onClick={() => board?.all()}>
            All
          </button>
          <button type="button" aria-pressed={isList} onClick={() => setList(!isList)}>
            As a list
          </button>
        </div>
      </div>
      <div
        ref={frame}
        class="timeline-frame"
        tabIndex={0}
        role="application"
        aria-label="Coverage over time"
        aria-describedby="timeline-keys"
        onKeyDown={onKey}
      >
        <div ref={scroller} class="timeline-rows">
          <div style={{ height: `${headHeight + lines.length * lineHeight}px` }}>
            <canvas ref={canvas} />
          </div>
        </div>
      </div>
      <Readout spot={board?.spot} near={board?.near ?? []} isTold={isByKeys} />
      {board?.chosen && <Actions at={board.chosen} onClose={close} inside={actions} />}
      <Legend />
      <p id="timeline-keys" class="note timeline-keys">
        Keys: + and − zoom, 0 shows all, arrows move, Home and End go to the ends, Enter chooses an
        instant. The wheel zooms once the timeline was clicked, and with Ctrl always.
      </p>
      {isList && <TimelineList picture={picture} events={events} row={board?.spot?.row} />}
    </div>
  );
}

/** The rows under the names of their databases; what the catalog has comes first. */
function linesOf({ rows }: Picture, filter: string): Line[] {
  const wanted = filter.trim().toLowerCase();
  const lines: Line[] = [];
  let database = "";
  for (const row of rows) {
    if (row.kind === "cluster" || !row.name.toLowerCase().includes(wanted)) continue;
    if (row.database !== database) lines.push({ group: row.database });
    database = row.database;
    lines.push({ row });
  }
  return lines;
}

function Readout({
  spot,
  near,
  isTold,
}: {
  spot: Spot | undefined;
  near: readonly Event[];
  isTold: boolean;
}) {
  return (
    <div class="timeline-readout" aria-live={isTold ? "polite" : "off"}>
      {spot ? (
        <>
          <strong>{spot.row.name}</strong> <span class="utc">{utcText(spot.at)}</span>{" "}
          <span class="note">{localText(spot.at)}</span> <SpotClass spot={spot} />
          {near.slice(-3).map((event) => (
            <span key={event.id} class="timeline-event">
              {eventText(event)}
            </span>
          ))}
          {near.length > 3 && <span class="note">and {near.length - 3} more</span>}
        </>
      ) : (
        <span class="note">Point at an instant to see its class.</span>
      )}
    </div>
  );
}

export const eventText = ({ kind, text, tables }: Event): string => {
  const of = tables.length > 0 ? ` of ${tables.slice(0, 3).join(", ")}` : "";
  return `${kindNames[kind]}${of}: ${text}`;
};

function SpotClass({ spot: { at, span, isUnproven } }: { spot: Spot }) {
  if (isUnproven) return <span>not proven yet</span>;
  const kept = span && span.resolutionMs > 0 ? keptAtOrBefore(span, at) : undefined;
  return (
    <>
      <span>
        {spanText(span)}
        {span?.reason ? `: ${span.reason}` : ""}
      </span>
      {kept !== undefined && kept !== at && (
        <span class="note">the state before is of {utcText(kept)}</span>
      )}
    </>
  );
}

/** What can be done at an instant. Where history is thinned, it is done at the last instant that is left. */
function Actions({
  at: { row, at, span, isUnproven },
  onClose,
  inside,
}: {
  at: Spot;
  onClose: () => void;
  inside: { current: HTMLDivElement | null };
}) {
  const then = (span && keptAtOrBefore(span, at)) ?? at;
  const time = isoText(then);
  const isTable = row.kind === "table";
  const tables = isTable ? { tables: [row.name] } : {};
  const recover = () => go("/recover", { draft: { command: "restore", ...tables, at: time } });
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    onClose();
  };
  return (
    <div
      ref={inside}
      class="timeline-actions"
      role="group"
      aria-label={`What to do with ${row.name} at ${utcText(then)}`}
      onKeyDown={onKey}
    >
      <div>
        <strong>{row.name}</strong> at {utcText(then)}{" "}
        <span class="note">
          {localText(then)} · {isUnproven ? "not proven yet" : spanText(span)}
          {then !== at && ", the last instant that thinning has left"}
        </span>
      </div>
      <div class="timeline-buttons">
        {isTable && (
          <>
            <button
              type="button"
              onClick={() => go(pathOf("/compare", { table: row.name, at: time }))}
            >
              Compare with live
            </button>
            <button type="button" onClick={() => go(`/tables/${row.name}`)}>
              Open the table
            </button>
          </>
        )}
        <button type="button" onClick={recover}>
          Recover to here
        </button>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </div>
  );
}
