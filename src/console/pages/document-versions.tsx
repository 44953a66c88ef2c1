/** The versions of a document as a list, of which two are chosen to be compared. */
import { useRef, useState } from "preact/hooks";
import { go, Link, pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { durationText, isoText, localText, Moment, utcText } from "../app/time.js";
import { Badge, countText, Nothing, type Tone } from "../parts/bits.js";
import { FieldDiff } from "../parts/field-diff.js";
import { recover } from "../parts/recover-draft.js";
import { pathText } from "../parts/stored-json.js";
import { StoredValue } from "../parts/stored-value.js";
import {
  type DocumentHistory,
  instantBefore,
  type Lacking,
  type Line,
  linesOf,
  type Version,
} from "./document-history.js";

const pageSize = 50;
/** So many names of fields are told of a version. */
const fieldsMax = 6;

const kinds: Record<string, { text: string; tone: Tone }> = {
  known: { text: "first kept version; it may be older", tone: "unknown" },
  inserted: { text: "made", tone: "good" },
  changed: { text: "changed", tone: "warn" },
  deleted: { text: "deleted", tone: "bad" },
  "inserted again": { text: "made again", tone: "good" },
};

interface Of {
  table: string;
  documentKey: unknown;
}

export function Versions({ history, ...of }: Of & { history: DocumentHistory }) {
  const { versions } = history;
  const [chosen, setChosen] = useState<string[]>();
  const [page, setPage] = useState(0);
  const list = useRef<HTMLOListElement>(null);
  // The newest change is what most people have come for.
  const picked = chosen ?? versions.slice(0, 2).map(({ id }) => id);
  const lines = linesOf(history);
  const pages = Math.max(1, Math.ceil(lines.length / pageSize));
  const at = Math.min(page, pages - 1);
  const choose = (id: string) => {
    // Of three, the one that was chosen first is let go.
    const next = picked.includes(id) ? picked.filter((one) => one !== id) : [...picked, id];
    setChosen(next.slice(-2));
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const boxes = [...list.current!.querySelectorAll("input")];
    const next = boxes[boxes.indexOf(event.target as HTMLInputElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  };
  return (
    <div class="document-columns">
      <section class="card" aria-label="Versions">
        <header>
          <h2>{versions.length === 1 ? "1 version" : `${countText(versions.length)} versions`}</h2>
        </header>
        <p class="note">Choose two to compare: arrow keys move, the space bar chooses.</p>
        <ol class="document-versions" ref={list} onKeyDown={move}>
          {lines.slice(at * pageSize, (at + 1) * pageSize).map((line) => (
            <LineOf
              key={line.is === "version" ? line.version.id : `${line.is} ${line.at}`}
              line={line}
              isChosen={line.is === "version" && picked.includes(line.version.id)}
              onChoose={choose}
              {...of}
            />
          ))}
        </ol>
        {pages > 1 && <Pages page={at} pages={pages} onPage={setPage} />}
      </section>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what is higher than the window is scrolled by keys */}
      <section class="card document-compared" aria-label="What differs" tabIndex={0}>
        <Compared chosen={versions.filter(({ id }) => picked.includes(id))} />
      </section>
    </div>
  );
}

function Pages({
  page,
  pages,
  onPage,
}: {
  page: number;
  pages: number;
  onPage: (page: number) => void;
}) {
  return (
    <nav class="document-pages" aria-label="Pages of versions">
      <button type="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Newer
      </button>
      <span>
        page {page + 1} of {pages}
      </span>
      <button type="button" disabled={page === pages - 1} onClick={() => onPage(page + 1)}>
        Older
      </button>
    </nav>
  );
}

function LineOf({
  line,
  isChosen,
  onChoose,
  ...of
}: Of & { line: Line; isChosen: boolean; onChoose: (id: string) => void }) {
  if (line.is === "version")
    return <VersionLine version={line.version} isChosen={isChosen} onChoose={onChoose} {...of} />;
  if (line.is === "lacking") return <LackingLine {...line.lacking} />;
  if (line.is === "begin") {
    return (
      <li class="document-edge">
        Proven from <Moment at={line.at} /> on. Before that there may have been other versions.
      </li>
    );
  }
  return (
    <li class={`document-edge ${line.isOld ? "unknown" : ""}`}>
      {line.at === null ? (
        "Nothing of this is proven: there may be other versions."
      ) : (
        <>
          Proven until <Moment at={line.at} />. There may be versions after it that are not known
          yet.
        </>
      )}
    </li>
  );
}

function VersionLine({
  version,
  isChosen,
  onChoose,
  table,
  documentKey,
}: Of & { version: Version; isChosen: boolean; onChoose: (id: string) => void }) {
  const { id, captured, kind, operation, fields, isEarlier } = version;
  const { text, tone } = kinds[kind] ?? { text: kind, tone: "plain" as const };
  const before = isoText(instantBefore(captured));
  const hadBefore = kind === "changed" || kind === "deleted";
  const restore = (instant: string) => {
    const way = recover({ command: "rewind", tables: [table], keys: [documentKey], at: instant });
    go(way.to, way.state);
  };
  return (
    <li class="document-version" data-captured={captured} data-kind={kind}>
      <label>
        <input type="checkbox" checked={isChosen} onChange={() => onChoose(id)} />{" "}
        <Moment at={captured} />
      </label>
      <div class="document-what">
        <Badge tone={isEarlier ? "plain" : tone}>{isEarlier ? "before that" : text}</Badge>{" "}
        {fields.length > 0 && <span class="mono">{fieldNames(fields)}</span>}{" "}
        {operation && (
          <Badge>
            by {operation.type} {operation.id}
          </Badge>
        )}
      </div>
      <div class="document-actions">
        {may("request") && kind !== "deleted" && (
          <button type="button" onClick={() => restore(captured)}>
            Restore this version
          </button>
        )}
        {may("request") && hadBefore && !isEarlier && (
          <button type="button" onClick={() => restore(before)}>
            Restore the instant before
          </button>
        )}
        {!isEarlier && (
          <Link to={pathOf("/compare", { table, at: before })}>the table the instant before</Link>
        )}
      </div>
    </li>
  );
}

function fieldNames(fields: Version["fields"]): string {
  const names = fields.slice(0, fieldsMax).map(pathText).join(", ");
  return fields.length > fieldsMax
    ? `${names} and ${countText(fields.length - fieldsMax)} more`
    : names;
}

const meanings: Record<string, string> = {
  gap: "Not watched: there may have been versions that nothing knows of.",
  unwatched: "Not watched: nothing is known of it.",
  damaged: "Damaged: versions may be missing.",
  late: "Late: every version is there, but its time may be told too late.",
};

function LackingLine({ from, to, class: of, reason, resolutionMs }: Lacking) {
  return (
    <li class={`document-lacking ${resolutionMs === null ? of : "thinned"}`}>
      <strong>
        {resolutionMs === null
          ? (meanings[of] ?? of)
          : `Thinned: of each ${durationText(resolutionMs)} the last version is kept.`}
      </strong>
      <div class="note">
        {utcText(from)} to {utcText(to)} · {localText(from)} to {localText(to)} ·{" "}
        {durationText(Date.parse(to) - Date.parse(from))}
      </div>
      {reason && <div>{reason}</div>}
    </li>
  );
}

/** @param props.chosen the newer first */
function Compared({ chosen }: { chosen: Version[] }) {
  const [newer, older] = chosen;
  if (!newer) return <Nothing>Choose a version to see it, or two to compare them.</Nothing>;
  const name = ({ captured }: Version) => (
    <>
      {utcText(captured)} <span class="note">{localText(captured)}</span>
    </>
  );
  if (!older) {
    return (
      <>
        <header>
          <h2>The version of {name(newer)}</h2>
        </header>
        {newer.document ? (
          <StoredValue value={newer.document} />
        ) : (
          <Nothing>It was deleted then. Choose another version to compare it with.</Nothing>
        )}
      </>
    );
  }
  return (
    <>
      <header>
        <h2>What differs</h2>
      </header>
      <FieldDiff
        before={{ name: name(older), document: older.document }}
        after={{ name: name(newer), document: newer.document }}
      />
    </>
  );
}
