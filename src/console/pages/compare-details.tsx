/** One table of a comparison: what differs in words, the ways back, its documents. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Coverage, Point } from "../app/answers.js";
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Command, counted, countText, Wrong } from "../parts/bits.js";
import { Counted, totalOf } from "../parts/difference-counts.js";
import { Documents, type Keys, type Sides } from "../parts/difference-documents.js";
import { tablesOf } from "../parts/known-points.js";
import {
  type Comparing,
  type Comparison,
  diffCommand,
  documentsMax,
  problemText,
  type Row,
} from "./compare-run.js";
import { Ways } from "./compare-ways.js";

interface Props {
  comparison: Comparison;
  row: Row;
  isRunning: boolean;
  sides: Sides;
  points: readonly Point[];
  coverage: Coverage | undefined;
  /** True if somebody has opened it, who then goes on here. */
  takesFocus: boolean;
}

export function Details({
  comparison,
  row,
  isRunning,
  sides,
  points,
  coverage,
  takesFocus,
}: Props) {
  const [chosen, setChosen] = useState<Keys>(new Map());
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (takesFocus) heading.current?.focus();
  }, [row.table]);
  const { comparing } = comparison;
  const { table, diff } = row;
  const burst = burstAfter(comparing.at, table, points);
  const ways = { table, at: comparing.at, to: comparing.to, inexact: comparing.inexact, burst };
  return (
    <section class="card compare-details">
      <h2 ref={heading} tabIndex={-1}>
        {table}
      </h2>
      {diff && (
        <>
          <p class="note">
            {sides.before}: <Moment at={diff.from} />
            {diff.to !== "live" && (
              <>
                ; {sides.after}: <Moment at={diff.to} />
              </>
            )}
          </p>
          <Counted counts={diff} sides={sides} />
          {totalOf(diff) > 0 && (
            <Ways {...ways} keys={[...chosen.values()].map((key) => key.parsed())} />
          )}
          {totalOf(diff) > 0 && (
            <Found
              row={row}
              sides={sides}
              isRunning={isRunning}
              chosen={chosen}
              onChoose={setChosen}
              onMore={() => void comparison.again(table, documentsMax)}
            />
          )}
        </>
      )}
      {!diff && row.error && (
        <Failed
          row={row}
          comparing={comparing}
          coverage={coverage}
          onAgain={() => void comparison.again(table)}
        >
          <Ways {...ways} keys={[]} isGone />
        </Failed>
      )}
    </section>
  );
}

/** The burst of this table that began right after the instant. */
function burstAfter(at: string, table: string, points: readonly Point[]): Point | undefined {
  return points.findLast(
    (point) =>
      point.until !== null &&
      tablesOf(point).includes(table) &&
      (Date.parse(point.before) === Date.parse(at) || at === `before:${point.id}`),
  );
}

function Found({
  row,
  sides,
  isRunning,
  chosen,
  onChoose,
  onMore,
}: {
  row: Row;
  sides: Sides;
  isRunning: boolean;
  chosen: Keys;
  onChoose: (chosen: Keys) => void;
  onMore: () => void;
}) {
  const { diff, limit } = row;
  if (!may("contents")) {
    return (
      <p class="compare-hidden">
        The documents are <strong>hidden from this role</strong>: it sees how many they are.
      </p>
    );
  }
  const documents = diff?.documents ?? [];
  const total = diff ? totalOf(diff) : 0;
  const isCut = documents.length < total;
  return (
    <>
      <h3>
        {isCut
          ? `The first ${countText(documents.length)} of ${counted(total, "document")}, by key`
          : counted(total, "document")}
      </h3>
      <Documents
        table={row.table}
        documents={documents}
        sides={sides}
        {...(may("request") ? { chosen, onChoose } : {})}
      />
      {isCut && limit < documentsMax && documents.length >= limit && (
        <button type="button" disabled={isRunning} onClick={onMore}>
          Show the first {countText(Math.min(total, documentsMax))}
        </button>
      )}
      {isCut && limit >= documentsMax && (
        <p class="note">
          More are not shown here. The ways above take back all {countText(total)}; on the command
          line, <code>--where</code> and <code>--between</code> choose among them.
        </p>
      )}
    </>
  );
}

function Failed({
  row,
  comparing,
  coverage,
  onAgain,
  children,
}: {
  row: Row;
  comparing: Comparing;
  coverage: Coverage | undefined;
  onAgain: () => void;
  children: preact.ComponentChildren;
}) {
  const { table, error } = row;
  const named = coverage?.tables.filter(({ name }) => name === table) ?? [];
  const isDropped = named.length > 0 && named.every(({ state }) => state === "dropped");
  // The server has answered that the table is not there.
  const isGone = comparing.isLive && error?.code === "target" && isDropped;
  if (isGone) {
    return (
      <>
        <p>
          <strong>This table was dropped since.</strong> There is no live table of this name, so
          every document of then is missing.
        </p>
        {children}
      </>
    );
  }
  return (
    <>
      <Wrong error={{ message: problemText(error!, may("contents")), hint: error!.hint }} />
      <p>
        <button type="button" onClick={onAgain}>
          Compare again
        </button>
      </p>
      <p class="note">The same on the command line, which may take longer:</p>
      <Command>{diffCommand(table, comparing)}</Command>
    </>
  );
}
