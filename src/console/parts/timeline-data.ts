/** What the timeline draws: rows of intervals, and events. Pure, so that it is tested without a browser. */
import type { Timeline, TimelineEvents } from "../app/answers.js";

export interface Span {
  from: number;
  /** The last instant in it. */
  to: number;
  class: string;
  reason: string | undefined;
  lateMs: number;
  /** 0 unless it is thinned. */
  resolutionMs: number;
  /** Instants that thinning has kept. */
  kept: readonly number[];
}

export interface Row {
  id: string;
  name: string;
  /** Of a table: its database. */
  database: string;
  state: string;
  kind: "cluster" | "system" | "table";
  spans: readonly Span[];
}

export interface Picture {
  rows: readonly Row[];
  /** Where the first interval begins; the server's now if there is none. */
  from: number;
  /** The server's now when it was asked. */
  now: number;
  /** How exact the bounds of its spans are. */
  stepMs: number;
}

export interface Event {
  id: string;
  kind: "pin" | "mark" | "drill" | "schema" | "drop" | "recovery";
  at: number;
  /** What somebody would go back to: the last instant before it. */
  before: number;
  tables: readonly string[];
  text: string;
}

/** From the best to the worst, as a cluster has the worst of its tables. */
export const classesBestFirst = ["exact", "late", "gap", "unwatched", "damaged"] as const;

const rank = (name: string) => (classesBestFirst as readonly string[]).indexOf(name);

/** What the server sent, as rows: the worst of all first, then the catalog, and users and grants, then the tables. */
export function pictureOf(timeline: Timeline): Picture {
  const { classes, reasons, kept, stepMs } = timeline;
  const origin = Date.parse(timeline.origin);
  const keptAt = kept.map((offsets) => offsets.map((ms) => origin + ms));
  const spansOf = ({ ends, intervals }: Timeline["tables"][number]): Span[] => {
    const [first = 0, last = 0] = ends;
    let end = 0;
    return intervals.map((counts) => {
      const [skip = 0, length = 0, of = 0, reason = 0, keeps = 0, lateMs = 0, thin = 0] = counts;
      const begin = end + skip;
      end = begin + length;
      return {
        from: origin + Math.max(first, begin * stepMs),
        to: origin + Math.min(last, end * stepMs - 1),
        class: classes[of]!,
        reason: reasons[reason - 1],
        lateMs,
        resolutionMs: thin,
        kept: keptAt[keeps - 1] ?? [],
      };
    });
  };
  const system = [
    { of: timeline.catalog, name: "(catalog)" },
    { of: timeline.access, name: "(users and grants)" },
  ].flatMap(({ of, name }): Row[] =>
    of ? [{ ...of, name, database: "", kind: "system", spans: spansOf(of) }] : [],
  );
  const tables = timeline.tables.map((of): Row => {
    const database = of.name.slice(0, of.name.indexOf("."));
    return { ...of, database, kind: "table", spans: spansOf(of) };
  });
  const all = [...system, ...tables];
  // While the catalog alone was watched, no table could be restored.
  const begin = Math.min(...tables.flatMap(({ spans: [first] }) => first?.from ?? []));
  const spans = worstOf(all.map((row) => since(row.spans, begin)));
  const cluster: Row = {
    id: "cluster",
    name: "worst of all",
    database: "",
    state: "",
    kind: "cluster",
    spans,
  };
  const now = Date.parse(timeline.now);
  return { rows: [cluster, ...all], from: spans[0]?.from ?? now, now, stepMs };
}

const since = (spans: readonly Span[], begin: number): Span[] =>
  spans
    .filter(({ to }) => to >= begin)
    .map((span) => (span.from < begin ? { ...span, from: begin } : span));

/** At each instant the worst class that a row has there; of two that are alike, the coarser resolution. */
export function worstOf(rows: readonly (readonly Span[])[]): Span[] {
  const bounds = rows.flatMap((spans, row) =>
    spans.flatMap((span) => [
      { at: span.from, row, span: span as Span | undefined },
      { at: span.to + 1, row, span: undefined },
    ]),
  );
  // What ends makes room before what begins at the same instant.
  bounds.sort((a, b) => a.at - b.at || Number(a.span !== undefined) - Number(b.span !== undefined));
  const there = new Kinds();
  const current: (string | undefined)[] = [];
  const found: Span[] = [];
  for (const [i, { at, row, span }] of bounds.entries()) {
    there.remove(current[row]);
    current[row] = span && kindOf(span);
    there.add(current[row]);
    const next = bounds[i + 1]?.at;
    const worst = there.worst();
    if (next === undefined || next === at || !worst) continue;
    const [name, resolution] = worst.split(" ");
    const last = found.at(-1);
    const resolutionMs = Number(resolution);
    const isSame = last?.to === at - 1 && last.class === name && last.resolutionMs === resolutionMs;
    if (isSame) last.to = next - 1;
    else found.push({ ...plain, from: at, to: next - 1, class: name!, resolutionMs });
  }
  return found;
}

const plain = { reason: undefined, lateMs: 0, kept: [] };
const kindOf = (span: Span) => `${span.class} ${span.resolutionMs}`;

/** How many rows are of each kind at an instant. */
class Kinds {
  private readonly counts = new Map<string, number>();

  add(kind: string | undefined): void {
    if (kind !== undefined) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  remove(kind: string | undefined): void {
    if (kind !== undefined) this.counts.set(kind, this.counts.get(kind)! - 1);
  }

  worst(): string | undefined {
    let worst: string | undefined;
    for (const [kind, count] of this.counts) {
      if (count > 0 && (worst === undefined || isWorse(kind, worst))) worst = kind;
    }
    return worst;
  }
}

function isWorse(a: string, b: string): boolean {
  const [[nameA, thinA], [nameB, thinB]] = [a.split(" "), b.split(" ")] as [string[], string[]];
  return rank(nameA!) - rank(nameB!) > 0 || (nameA === nameB && Number(thinA) > Number(thinB));
}

/**
 * The picture with what has been proven since: a table that is live is as its last interval says up to where the server
 * says that everything can be restored.
 */
export function grownTo(spans: readonly Span[], state: string, until: number): readonly Span[] {
  const last = spans.at(-1);
  const grows = last?.class === "exact" && last.to < until && (state === "live" || state === "");
  return grows ? [...spans.slice(0, -1), { ...last, to: until }] : spans;
}

/** The place of the span that holds an instant, or of the first one after it. */
export function placeAt(spans: readonly Span[], at: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle]!.to < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function spanAt(spans: readonly Span[], at: number): Span | undefined {
  const span = spans[placeAt(spans, at)];
  return span && span.from <= at ? span : undefined;
}

/** A resolution that stands for: only the kept instants. */
const onlyKeptMs = 999_999_999_999;

/** The newest instant in a span, at or before this one, whose state is kept; undefined if thinning has left none. */
export function keptAtOrBefore({ from, to, resolutionMs, kept }: Span, at: number) {
  const end = Math.min(to, at);
  if (resolutionMs === 0) return end >= from ? end : undefined;
  const grid =
    resolutionMs === onlyKeptMs ? -1 : Math.floor((end + 1) / resolutionMs) * resolutionMs - 1;
  const found = Math.max(grid, ...kept.filter((one) => one <= end));
  return found >= from ? found : undefined;
}

const kinds: Record<string, Event["kind"]> = {
  pin: "pin",
  mark: "mark",
  drill: "drill",
  drop: "drop",
  dropdb: "drop",
  rename: "schema",
  index: "schema",
  hook: "schema",
  config: "schema",
  undo: "recovery",
  rewind: "recovery",
};

/** What stands in the timeline above the rows, in the order of time. */
export function eventsOf({ points }: TimelineEvents): Event[] {
  return points.flatMap(({ id, kind: of, at, before, table, tables, text }): Event[] => {
    const kind = kinds[of];
    const about = tables ?? (table === null ? [] : [table]);
    if (!kind) return [];
    const [happened, last] = [Date.parse(at), Date.parse(before)];
    return [{ id, kind, at: happened, before: last, tables: about, text }];
  });
}

/** Why and how an instant is what it is, in words. */
export function spanText(span: Span | undefined): string {
  if (!span) return "nothing is known";
  const late = span.lateMs > 0 ? `, by up to ${(span.lateMs / 1000).toFixed(1)} s` : "";
  return `${span.class}${late}${thinText(span)}`;
}

function thinText({ resolutionMs }: Span): string {
  if (resolutionMs === 0) return "";
  if (resolutionMs === onlyKeptMs) return ", thinned to pinned instants";
  const units: [number, string][] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1000, "s"],
  ];
  const [ms, unit] = units.find(([size]) => resolutionMs % size === 0) ?? [1, "ms"];
  return `, thinned to one instant in ${resolutionMs / ms} ${unit}`;
}
