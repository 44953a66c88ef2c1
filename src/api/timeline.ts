/**
 * Coverage of all tables in few bytes. What is asked for in cells is as long as the cells are many, however often a
 * table was late: each cell has the worst class in it, so that nothing is called better than it is.
 */
import type { InferOutput } from "valibot";
import { type CoverageClass, classesWorstFirst } from "../format/coverage-record.js";
import { formatInstant, type Instant } from "../instant.js";
import type * as answers from "./answers.js";
import type * as overviewAnswers from "./overview-answers.js";

type Status = InferOutput<typeof answers.status>;
type Printed = Status["tables"][number]["intervals"][number];
type Timeline = InferOutput<typeof overviewAnswers.timeline>;
type Row = Timeline["tables"][number];

export interface TimelineAsked {
  now: Instant;
  from?: Instant | undefined;
  to?: Instant | undefined;
  /** Into about so many parts the time is divided; to the millisecond if undefined. */
  cells?: number | undefined;
  /** Names of the tables that are wanted; all if undefined. */
  tables?: readonly string[] | undefined;
}

/** The first is 0, and most intervals are of it. */
const classesBestFirst = classesWorstFirst.toReversed();

interface Interval {
  from: Instant;
  to: Instant;
  /** Place of its class; of time of which nothing is known, `nothing`. */
  class: number;
  reason: string | undefined;
  lateMs: number;
  resolutionMs: number;
  kept: Instant[];
}

const late = classesBestFirst.indexOf("late");
const nothing = classesBestFirst.length;

/** From a cell up to and without another one. */
interface Piece extends Pick<Interval, "class" | "reason" | "lateMs" | "resolutionMs" | "kept"> {
  begin: number;
  end: number;
}

/** The coverage of a status, clipped to what is asked for. */
export function timelineOf(status: Status, asked: TimelineAsked): Timeline {
  const { now, from = 0, to = Number.MAX_SAFE_INTEGER, cells } = asked;
  const { catalog, access } = status;
  const wanted = status.tables.filter(({ name }) => asked.tables?.includes(name) ?? true);
  const system = (id: "catalog" | "access", of: Status["catalog"]) =>
    of === null ? [] : [{ id, name: id, state: of.state, intervals: of.intervals }];
  const rows = [...system("catalog", catalog), ...system("access", access), ...wanted].map(
    ({ id, name, state, intervals }) => {
      return { id, name, state, intervals: clipped(intervals, from, to) };
    },
  );
  const begins = rows.flatMap(({ intervals }) => intervals[0]?.from ?? []);
  const origin = begins.reduce((least, one) => Math.min(least, one), Math.max(from, now));
  const end = rows.reduce((last, of) => Math.max(last, of.intervals.at(-1)?.to ?? 0), origin);
  const stepMs = cells === undefined ? 1 : Math.max(1, Math.ceil((end - origin + 1) / cells));
  const [reasons, kept] = [new Places<string>(), new Places<number[]>()];
  const coded = rows.map(({ id, name, state, intervals }): Row => {
    const [first, last] = [intervals[0], intervals.at(-1)];
    let before = 0;
    const pieces = piecesOf(intervals, origin, stepMs);
    const counts = (stepMs > 1 ? pieces.map(coarsened) : pieces).map((piece) => {
      const skipped = piece.begin - before;
      before = piece.end;
      const keptAt = piece.kept.map((at) => at - origin);
      return withoutLastZeros([
        skipped,
        piece.end - piece.begin,
        piece.class,
        reasons.of(piece.reason),
        kept.of(keptAt.length > 0 ? keptAt : undefined),
        piece.lateMs,
        piece.resolutionMs,
      ]);
    });
    const ends = first && last ? [first.from - origin, last.to - origin] : [];
    return { id, name, state, ends, intervals: counts };
  });
  return {
    now: formatInstant(now),
    origin: formatInstant(origin),
    stepMs,
    classes: classesBestFirst,
    reasons: reasons.all,
    kept: kept.all,
    catalog: catalog && coded[0]!,
    access: access && coded[catalog ? 1 : 0]!,
    tables: coded.slice(coded.length - wanted.length),
  };
}

function clipped(intervals: readonly Printed[], from: Instant, to: Instant): Interval[] {
  return intervals.flatMap((one): Interval[] => {
    const begin = Math.max(from, Date.parse(one.from));
    const end = Math.min(to, Date.parse(one.to));
    if (begin > end) return [];
    const kept = (one.kept ?? []).map((at) => Date.parse(at));
    return [
      {
        from: begin,
        to: end,
        class: classesBestFirst.indexOf(one.class as CoverageClass),
        reason: one.reason ?? undefined,
        lateMs: one.lateMs ?? 0,
        resolutionMs: one.resolutionMs ?? 0,
        kept: kept.filter((at) => begin <= at && at <= end),
      },
    ];
  });
}

/** The intervals in cells. Where several share a cell, it has the worst of them. */
function piecesOf(intervals: readonly Interval[], origin: Instant, stepMs: number): Piece[] {
  const pieces: Piece[] = [];
  for (const { from, to, ...of } of withHoles(intervals)) {
    const end = Math.floor((to - origin) / stepMs) + 1;
    let begin = Math.floor((from - origin) / stepMs);
    let last = pieces.at(-1);
    while (last && begin < last.end) {
      if (!isWorse(of, last)) begin = last.end;
      else {
        last.end = begin;
        if (last.end > last.begin) break;
        pieces.pop();
        last = pieces.at(-1);
      }
    }
    if (begin >= end) continue;
    if (stepMs > 1 && last && last.end === begin && isAlike(last, of)) join(last, end, of);
    else pieces.push({ ...of, begin, end });
  }
  return pieces.filter((piece) => piece.class !== nothing);
}

/** With an interval in each stretch between two others of which nothing is known. */
function withHoles(intervals: readonly Interval[]): Interval[] {
  return intervals.flatMap((one, i) => {
    const before = intervals[i - 1];
    if (!before || before.to + 1 >= one.from) return [one];
    const hole = { from: before.to + 1, to: one.from - 1, class: nothing, reason: undefined };
    return [{ ...hole, lateMs: 0, resolutionMs: 0, kept: [] }, one];
  });
}

type Kind = Pick<Piece, "class" | "resolutionMs">;

const isWorse = (a: Kind, b: Kind) =>
  a.class > b.class || (a.class === b.class && a.resolutionMs > b.resolutionMs);

const isAlike = (a: Kind, b: Kind) => a.class === b.class && a.resolutionMs === b.resolutionMs;

function join(piece: Piece, end: number, { reason, lateMs, kept }: Omit<Interval, "from" | "to">) {
  piece.end = end;
  piece.lateMs = Math.max(piece.lateMs, lateMs);
  piece.kept = [...piece.kept, ...kept];
  if (piece.reason !== reason) piece.reason = undefined;
}

/** How late something was needs no words, and in coarse steps no milliseconds. */
function coarsened(piece: Piece): Piece {
  if (piece.class !== late) return piece;
  return { ...piece, lateMs: Math.ceil(piece.lateMs / 1000) * 1000, reason: undefined };
}

/** A list in which what is alike stands once. */
class Places<T> {
  readonly all: T[] = [];
  private readonly known = new Map<string, number>();

  /** Its place, counted from 1; 0 for undefined. */
  of(value: T | undefined): number {
    if (value === undefined) return 0;
    const key = JSON.stringify(value);
    const place = this.known.get(key) ?? this.all.push(value);
    this.known.set(key, place);
    return place;
  }
}

function withoutLastZeros(counts: number[]): number[] {
  let length = counts.length;
  while (length > 0 && counts[length - 1] === 0) length -= 1;
  return counts.slice(0, length);
}
