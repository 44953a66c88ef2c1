/** The intervals of one row in words, newest first, and the events: the timeline for whoever does not see it. */
import { useId, useState } from "preact/hooks";
import { durationText, localText, utcText } from "../app/time.js";
import { counted, Nothing, Rows } from "./bits.js";
import { type Event, type Picture, type Row, spanText } from "./timeline-data.js";
import { kindNames } from "./timeline-glyphs.js";

/** So many are drawn at first, and more with each press. */
const shownStep = 50;

export function TimelineList({
  picture,
  events,
  row: at,
}: {
  picture: Picture;
  events: readonly Event[];
  /** Where the cursor is; it is shown until somebody chooses another. */
  row: Row | undefined;
}) {
  const id = useId();
  const [chosen, choose] = useState<string>();
  const [shown, show] = useState(shownStep);
  const find = (wanted: string | undefined) => picture.rows.find((row) => row.id === wanted);
  const row = find(chosen) ?? find(at?.id) ?? picture.rows[0];
  if (!row) return <Nothing>There is no table yet.</Nothing>;
  const spans = row.spans.toReversed();
  const about = events
    .filter(
      ({ tables }) => row.kind !== "table" || tables.length === 0 || tables.includes(row.name),
    )
    .toReversed();
  return (
    <section class="timeline-list" aria-label="The timeline as a list">
      <label for={id}>Intervals of</label>{" "}
      <select id={id} value={row.id} onChange={({ currentTarget }) => choose(currentTarget.value)}>
        {picture.rows.map(({ id: of, name }) => (
          <option key={of} value={of}>
            {name}
          </option>
        ))}
      </select>
      <p class="note">
        {counted(spans.length, "interval")}, the newest first. Each time is given in UTC and where
        you are.
      </p>
      <Rows
        caption={`Coverage of ${row.name}`}
        heads={["class", "from", "to", "for", "why"]}
        rows={spans.slice(0, shown).map((span) => ({
          key: `${span.from}`,
          cells: [
            spanText(span),
            <Both key="from" at={span.from} />,
            <Both key="to" at={span.to} />,
            durationText(span.to - span.from),
            span.reason ?? "",
          ],
        }))}
      />
      {spans.length > shown && (
        <button type="button" onClick={() => show(shown + shownStep)}>
          Older intervals
        </button>
      )}
      <h3>Events</h3>
      {about.length === 0 && <Nothing>There is none.</Nothing>}
      {about.length > 0 && (
        <Rows
          caption={`Events of ${row.name}`}
          heads={["event", "at", "what"]}
          rows={about.slice(0, shown).map((event) => ({
            key: event.id,
            cells: [kindNames[event.kind], <Both key="at" at={event.at} />, event.text],
          }))}
        />
      )}
    </section>
  );
}

const Both = ({ at }: { at: number }) => (
  <>
    {utcText(at)} <span class="note">{localText(at)}</span>
  </>
);
