/** The stretches of a table's time that are not exact, and why. */
import { useState } from "preact/hooks";
import type { Interval, TableStatus } from "../app/answers.js";
import { may } from "../app/session.js";
import { durationText, Moment } from "../app/time.js";
import { Badge, Card, countText, Nothing, Rows, type Tone } from "../parts/bits.js";

const shownMax = 20;

const classes: Record<string, { tone: Tone; means: string }> = {
  gap: { tone: "bad", means: "not watched; the states at both ends are known" },
  unwatched: { tone: "unknown", means: "not watched; nothing is known" },
  damaged: { tone: "bad", means: "a stored object is missing or damaged" },
  late: { tone: "warn", means: "every version is there, but its time may be told too late" },
};

export function TableGaps({ status }: { status: TableStatus }) {
  const [shown, setShown] = useState(shownMax);
  const gaps = status.intervals.filter((one) => one.class !== "exact").toReversed();
  return (
    <Card title={gaps.length === 0 ? "Gaps" : `Gaps: ${countText(gaps.length)}`}>
      {gaps.length === 0 ? (
        <Nothing>
          {status.firstRestorable === null
            ? "Nothing is restorable yet."
            : "Every instant between the first and the last restorable one is exact."}
        </Nothing>
      ) : (
        <Rows
          caption="Stretches that are not exact"
          heads={["from", "until", "how long", "class", "why"]}
          rows={gaps.slice(0, shown).map(rowOf)}
        />
      )}
      {gaps.length > shown && (
        <button type="button" onClick={() => setShown(shown + 5 * shownMax)}>
          {countText(gaps.length - shown)} more
        </button>
      )}
    </Card>
  );
}

function rowOf({ class: of, from, to, lateMs, reason }: Interval) {
  const { tone, means } = classes[of] ?? { tone: "plain", means: "" };
  const late = lateMs === undefined ? "" : `, up to ${durationText(lateMs)}`;
  return {
    key: `${from} ${of}`,
    cells: [
      <Moment key="from" at={from} />,
      <Moment key="to" at={to} />,
      durationText(Date.parse(to) - Date.parse(from)),
      <>
        <Badge tone={tone}>{of}</Badge> <span class="note">{`${means}${late}`}</span>
      </>,
      reason ?? (may("contents") ? "" : "hidden from this role"),
    ],
  };
}
