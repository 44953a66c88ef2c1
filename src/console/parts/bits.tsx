/** Small parts that all pages are made of. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Asked, Problem } from "../app/ask.js";

export const countText = (count: number): string => count.toLocaleString("en-US");

/** A range is told if it is wide: "about 0" of a table of thousands would be read as a loss. */
export function documentsText({
  documents,
  documentsExact,
  documentsBetween,
}: {
  documents: number | null;
  documentsExact: boolean;
  documentsBetween?: number[] | undefined;
}): string {
  if (documents === null) return "unknown";
  const [least = documents, most = documents] = documentsBetween ?? [];
  if (most - least > most / 100) return `${countText(least)} to ${countText(most)}`;
  return `${documentsExact ? "" : "about "}${countText(documents)}`;
}

/** "1 document", "2 documents". */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${countText(count)} ${count === 1 ? one : many}`;

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytesText(bytes: number): string {
  const power = bytes === 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** The page's heading; it is given the focus when the page is gone to. */
export function Title({
  children,
  beside,
}: {
  children: ComponentChildren;
  beside?: ComponentChildren;
}) {
  return (
    <header class="title">
      <h1 tabIndex={-1}>{children}</h1>
      {beside && <div class="beside">{beside}</div>}
    </header>
  );
}

export function Card({
  title,
  children,
  beside,
  kind = "",
}: {
  title?: ComponentChildren;
  children: ComponentChildren;
  beside?: ComponentChildren;
  kind?: string;
}) {
  return (
    <section class={`card ${kind}`}>
      {(title !== undefined || beside !== undefined) && (
        <header>
          <h2>{title}</h2>
          {beside && <div class="beside">{beside}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** What is wrong, and what to do. */
export function Wrong({ error }: { error: Pick<Problem, "message" | "hint"> }) {
  return (
    <div class="wrong" role="alert">
      <strong>{error.message}</strong>
      {error.hint && <div>{error.hint}</div>}
    </div>
  );
}

/** Shows an answer once it is there; an error above what was answered before. */
export function Shown<T>({
  asked,
  children,
}: {
  asked: Asked<T>;
  children: (data: T) => ComponentChildren;
}) {
  const { data, error } = asked;
  return (
    <>
      {error && <Wrong error={error} />}
      {data !== undefined ? children(data) : !error && <Waiting />}
    </>
  );
}

export const Waiting = ({ children = "reading…" }: { children?: ComponentChildren }) => (
  <p class="waiting" role="status">
    {children}
  </p>
);

export const Nothing = ({ children }: { children: ComponentChildren }) => (
  <p class="nothing">{children}</p>
);

export type Tone = "good" | "bad" | "warn" | "unknown" | "plain";

/** A word in a colour. The word says it all: the colour helps. */
export const Badge = ({
  tone = "plain",
  children,
}: {
  tone?: Tone;
  children: ComponentChildren;
}) => <span class={`badge ${tone}`}>{children}</span>;

/** One figure, large, with what it is. */
export function Figure({
  name,
  children,
  tone = "plain",
  note,
}: {
  name: string;
  children: ComponentChildren;
  tone?: Tone;
  note?: ComponentChildren;
}) {
  return (
    <div class={`figure ${tone}`}>
      <div class="name">{name}</div>
      <div class="value">{children}</div>
      {note && <div class="note">{note}</div>}
    </div>
  );
}

/** Rows and columns; on a narrow screen each row becomes a block with the names of its columns. */
export function Rows({
  heads,
  rows,
  caption,
}: {
  heads: string[];
  rows: { key: string; cells: ComponentChildren[]; tone?: Tone }[];
  caption: string;
}) {
  return (
    <div class="rows">
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ key, cells, tone }) => (
            <tr key={key} class={tone ?? ""}>
              {cells.map((cell, i) => (
                <td key={heads[i]} data-head={heads[i]}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A command of the command line, and a button that copies it. */
export function Command({ children }: { children: string }) {
  const [said, setSaid] = useState("copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(children);
      setSaid("copied");
    } catch {
      // A browser gives a page no clipboard without TLS, or if somebody has forbidden it.
      setSaid("select it by hand");
    }
    setTimeout(() => setSaid("copy"), 2000);
  };
  return (
    <div class="command">
      <code>{children}</code>
      <button type="button" onClick={() => void copy()}>
        {said}
      </button>
    </div>
  );
}

/** How far something is. @param props.share of 1; null if that is not known */
export function Bar({ share, name }: { share: number | null; name: string }) {
  return (
    <div class="bar">
      <progress aria-label={name} max={1} {...(share === null ? {} : { value: share })} />
      <span>{share === null ? "" : `${Math.floor(share * 100)} %`}</span>
    </div>
  );
}
