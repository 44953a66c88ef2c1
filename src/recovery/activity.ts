/**
 * How much was written, and when: changes of all tables in even spans, and bursts, by the rule of burst-counts.ts.
 *
 * The log is read twice: first to count, then, where there are bursts, to find their first and last changes. No version
 * is kept, and a count no longer than until everything of its time is read; so memory does not grow with the log.
 */
import { isDamage } from "../errors.js";
import { parseLines, type Version } from "../format/lines.js";
import { isSystemStream, type Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { foldedCursor } from "../repository/log/folded-reader.js";
import { openSegment } from "../repository/log/log.js";
import type { LogView } from "../repository/log/log-view.js";
import type { FoldedPiece, LogPiece, SegmentPiece } from "../repository/log/pieces.js";
import { noTotals } from "../repository/log/totals.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { partsAtOnce, readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import {
  type BurstExtent,
  type BurstKind,
  BurstSeconds,
  BurstSpans,
  burstKinds,
  burstMin,
  burstSpanMs,
  type Span,
  SpanCounts,
  spanAt,
} from "./burst-counts.js";
import { OwnWrites, type Stretch } from "./own-writes.js";

export interface Burst extends BurstExtent {
  kind: BurstKind;
  /** Id of the table. */
  table: string;
}

export interface Activity {
  bursts: Burst[];
  /** Changes of all tables in even spans of `spanMs` from the first instant on. */
  changes: number[];
  spanMs: number;
  /** Stretches longer than a span of which only the sum is known: it is spread evenly over them. */
  spread: { from: Instant; to: Instant }[];
  /** Objects of the log that could not be read. */
  unread: string[];
}

/** So many spans at most for the changes, because a line of a terminal has room for so many bars. */
const changeSpansMax = 84;
/** Of one of these lengths, or of whole hours. */
const changeSpansMs = [1, 5, 10, 30, 60, 300, 600, 1800].map((seconds) => seconds * 1000);
const hourMs = 3_600_000;

function changeSpanOf(ms: number): number {
  const least = ms / changeSpansMax;
  return (
    changeSpansMs.find((spanMs) => spanMs >= least) ??
    Math.max(1, Math.ceil(least / hourMs)) * hourMs
  );
}

/** What is read at once: a segment, or one table of a folded segment. */
type Unit = { log: LogView } & (
  | { piece: SegmentPiece }
  | { piece: FoldedPiece; table: string; totals: Totals }
);

/** Told of each version. "unsure" is a first write in a folded segment: it may be an insert or an overwrite. */
type Note = (
  kind: BurstKind | "inserts" | "unsure",
  table: string,
  version: Pick<Version, "time" | "key" | "document">,
) => void;

/** What a unit has of one table. */
interface TableCounts {
  deletes: SpanCounts;
  overwrites: SpanCounts;
  unsure: SpanCounts;
  inserts: number;
  unsureSum: number;
}

/**
 * @param table the id of the only table that is wanted; all tables if undefined
 * @param records where operations are recorded, if it is wanted which of the changes are theirs
 */
export async function readActivity(
  view: RepositoryView,
  table: string | undefined,
  from: Instant,
  to: Instant,
  records?: ObjectStore,
): Promise<Activity> {
  const reading = new ActivityReading(table, from, to, records);
  const units = view.lanes.flatMap(({ log }) => [...reading.unitsOf(log)]);
  await reading.count(units);
  return reading.activity(await reading.bursts(units));
}

class ActivityReading {
  private readonly spans: number[];
  private readonly spanMs: number;
  private readonly unread = new Set<string>();
  private readonly spread: Activity["spread"] = [];
  /** By table: what is counted and not final yet, and what may be of a burst. */
  private readonly tables = new Map<string, Record<BurstKind, [SpanCounts, BurstSpans]>>();
  /** Units whose "unsure" versions count as overwrites. */
  private readonly overwriting = new Set<Unit>();

  constructor(
    private readonly table: string | undefined,
    private readonly from: Instant,
    private readonly to: Instant,
    private readonly records: ObjectStore | undefined,
  ) {
    this.spanMs = changeSpanOf(to - from + 1);
    this.spans = Array<number>(Math.max(1, Math.ceil((to - from + 1) / this.spanMs))).fill(0);
  }

  /** What of a log is to be read. Of folded segments only what may hold a burst, by the totals in the manifests. */
  *unitsOf(log: LogView): Generator<Unit> {
    for (const [i, piece] of log.pieces.entries()) {
      if (piece.to < this.from || piece.from > this.to) continue;
      if (piece.kind === "segment") {
        yield { log, piece };
        continue;
      }
      const before = log.pieces[i - 1];
      for (const { table } of piece.manifest.tables) {
        if (!this.isWanted(table) || piece.damage.has(table)) continue;
        const totals = totalsIn(piece, before?.kind === "folded" ? before : undefined, table);
        const overwrites = totals.changes - totals.inserts - totals.deletes;
        const isRead = totals.deletes >= burstMin || overwrites >= burstMin;
        if (!isRead || !isCountedWhenRead(piece)) this.spreadChanges(totals.changes, piece);
        if (isRead) yield { log, piece, table, totals };
      }
    }
  }

  /** Counts the changes in all units. */
  async count(units: readonly Unit[]): Promise<void> {
    for (const { some, atOnce } of inOrder(units)) {
      const counting = severalAtOnce(some, atOnce, async ({ unit, until }) => {
        return { counts: await this.countsOf(unit), until };
      });
      for await (const { counts, until } of counting) {
        for (const [table, of] of counts) this.take(table, of, until);
      }
    }
    for (const table of this.tables.keys()) this.settle(table, Number.MAX_SAFE_INTEGER);
  }

  /** Finds the changes of each burst in the units that it lies in. */
  async bursts(units: readonly Unit[]): Promise<Burst[]> {
    const found: { kind: BurstKind; table: string; seconds: BurstSeconds }[] = [];
    const wanted = new Map<string, Record<BurstKind, Map<Span, BurstSeconds>>>();
    const stretches: Stretch[] = [];
    for (const [table, of] of this.tables) {
      for (const kind of burstKinds) {
        for (const spans of of[kind][1].bursts()) {
          const seconds = new BurstSeconds(spans);
          found.push({ kind, table, seconds });
          stretches.push({ table, ...stretchOf(spans) });
          const ofTable = wanted.get(table) ?? { deletes: new Map(), overwrites: new Map() };
          wanted.set(table, ofTable);
          for (const span of spans) ofTable[kind].set(span, seconds);
        }
      }
    }
    const own = this.records && (await OwnWrites.read(this.records, stretches));
    const isWanted = (table: string, from: Instant, to: Instant) =>
      burstKinds.some((kind) => meets(wanted.get(table)?.[kind], spanAt(from), spanAt(to)));
    const holding = units.filter((unit) => {
      const { from, to } = unit.piece;
      const tables = "table" in unit ? [unit.table] : [...wanted.keys()];
      return tables.some((table) => isWanted(table, from, to));
    });
    const reading = severalAtOnce(holding, readsAtOnce, (unit) => {
      const note: Note = (given, table, { time, key, document }) => {
        const kind = given === "unsure" && this.overwriting.has(unit) ? "overwrites" : given;
        if (kind !== "deletes" && kind !== "overwrites") return;
        const seconds = wanted.get(table)?.[kind].get(spanAt(time));
        seconds?.add(time, own?.by(table, time, key, document));
      };
      return this.read(unit, note, isWanted);
    });
    for await (const _ of reading);
    return found.flatMap(({ kind, table, seconds }) => {
      const burst = seconds.burst();
      return burst ? [{ kind, table, ...burst }] : [];
    });
  }

  activity(bursts: Burst[]): Activity {
    const { spanMs, spans: changes, spread, unread } = this;
    return { bursts, changes, spanMs, spread: joined(spread), unread: [...unread] };
  }

  private async countsOf(unit: Unit): Promise<Map<string, TableCounts>> {
    const counts = new Map<string, TableCounts>();
    const isCounted = isCountedWhenRead(unit.piece);
    await this.read(unit, (kind, table, { time }) => {
      const of = counts.get(table) ?? noCounts();
      counts.set(table, of);
      if (isCounted) this.spans[this.spanOf(time)]! += 1;
      if (kind === "inserts") of.inserts += 1;
      else of[kind].add(time);
      if (kind === "unsure") of.unsureSum += 1;
    });
    if ("table" in unit) {
      const of = counts.get(unit.table);
      // Folded versions do not say whether there was a document before the first one; the totals may.
      if (of && unit.totals.inserts - of.inserts < of.unsureSum) {
        this.overwriting.add(unit);
        of.overwrites.addAll(of.unsure);
      }
    }
    return counts;
  }

  /** @param until what is read later has no changes before this instant */
  private take(table: string, counts: TableCounts, until: Instant): void {
    const ms = this.to - this.from;
    const of = this.tables.get(table) ?? {
      deletes: [new SpanCounts(), new BurstSpans(ms)],
      overwrites: [new SpanCounts(), new BurstSpans(ms)],
    };
    this.tables.set(table, of);
    for (const kind of burstKinds) of[kind][0].addAll(counts[kind]);
    this.settle(table, until);
  }

  private settle(table: string, until: Instant): void {
    for (const [counts, bursts] of Object.values(this.tables.get(table)!)) {
      for (const [span, count] of counts.takeBefore(until)) bursts.add(span, count);
    }
  }

  /** @param isNeeded asked whether the changes of a table in a stretch are; if absent, all are */
  private async read(
    unit: Unit,
    note: Note,
    isNeeded: (table: string, from: Instant, to: Instant) => boolean = () => true,
  ): Promise<void> {
    try {
      if ("table" in unit) await this.readFolded(unit, note);
      else await this.readSegment(unit, note, isNeeded);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.unread.add(unit.piece.name);
    }
  }

  private async readSegment(
    { log, piece: { name } }: Unit,
    note: Note,
    isNeeded: (table: string, from: Instant, to: Instant) => boolean,
  ): Promise<void> {
    const segment = await openSegment(log.store, name);
    for (const frame of segment.index.frames) {
      const table = frame.table!;
      if (!this.isWanted(table) || !isNeeded(table, frame.minTime!, frame.maxTime!)) continue;
      for (const version of parseLines(await segment.readFrame(frame), name)) {
        const { time, document, previous } = version;
        if (time < this.from || time > this.to) continue;
        if (document === null) note("deletes", table, version);
        else note(previous === null ? "inserts" : "overwrites", table, version);
      }
    }
  }

  private async readFolded(
    { log, piece, table }: Extract<Unit, { table: string }>,
    note: Note,
  ): Promise<void> {
    const window = { after: Math.max(this.from - 1, piece.after), until: this.to };
    const cursor = foldedCursor(log.store, piece, table, window);
    let code: string | undefined;
    let isThere = false;
    while (await cursor.advance()) {
      const { version } = cursor;
      const { document } = version;
      const isFirst = cursor.code !== code;
      if (document === null) note("deletes", table, version);
      else if (isFirst) note("unsure", table, version);
      else note(isThere ? "overwrites" : "inserts", table, version);
      code = cursor.code;
      isThere = document !== null;
    }
  }

  private isWanted(table: string): boolean {
    return this.table === undefined ? !isSystemStream(table) : table === this.table;
  }

  private spanOf(instant: Instant): number {
    return Math.floor((instant - this.from) / this.spanMs);
  }

  /** Of a piece's changes gives each span what would lie in it if they came evenly. */
  private spreadChanges(count: number, piece: FoldedPiece): void {
    const [from, to] = [Math.max(piece.from, this.from), Math.min(piece.to, this.to)];
    if (count === 0) return;
    const perMs = count / (piece.to - piece.from + 1);
    for (let at = this.spanOf(from); at <= this.spanOf(to); at += 1) {
      const begin = this.from + at * this.spanMs;
      this.spans[at]! += perMs * (Math.min(to + 1, begin + this.spanMs) - Math.max(from, begin));
    }
    if (piece.to - piece.from >= this.spanMs) this.spread.push({ from, to });
  }
}

/** In a thinned piece there are fewer versions than there were changes. */
const isCountedWhenRead = (piece: LogPiece) =>
  piece.kind === "segment" || piece.manifest.resolutionMs === 1;

const stretchOf = (spans: readonly Span[]) => {
  return { from: spans[0]! * burstSpanMs, to: (spans.at(-1)! + 1) * burstSpanMs - 1 };
};

/** Stretches of several tables or pieces as one where they meet. */
function joined(stretches: Activity["spread"]): Activity["spread"] {
  const all: Activity["spread"] = [];
  for (const { from, to } of stretches.toSorted((a, b) => a.from - b.from)) {
    const last = all.at(-1);
    if (last && from <= last.to + 1) last.to = Math.max(last.to, to);
    else all.push({ from, to });
  }
  return all;
}

const noCounts = (): TableCounts => ({
  deletes: new SpanCounts(),
  overwrites: new SpanCounts(),
  unsure: new SpanCounts(),
  inserts: 0,
  unsureSum: 0,
});

/**
 * The units in the order in which they are read, in groups with how many are read at once. Lanes are read side by side,
 * so `until` tells of each unit before which instant no later one has a change of its tables.
 */
function inOrder(
  units: readonly Unit[],
): { some: { unit: Unit; until: Instant }[]; atOnce: number }[] {
  const folded: { unit: Unit; until: Instant }[] = [];
  const single: { unit: Unit; until: Instant }[] = [];
  let nextSegment = Number.MAX_SAFE_INTEGER;
  const newestFirst = units.toSorted((a, b) => b.piece.from - a.piece.from);
  for (const unit of newestFirst) {
    if ("table" in unit) continue;
    single.push({ unit, until: nextSegment });
    nextSegment = unit.piece.from;
  }
  const nextOf = new Map<string, Instant>();
  for (const unit of newestFirst) {
    if (!("table" in unit)) continue;
    folded.push({ unit, until: Math.min(nextSegment, nextOf.get(unit.table) ?? nextSegment) });
    nextOf.set(unit.table, unit.piece.from);
  }
  return [
    // The counts of a folded segment may be those of months.
    { some: folded.reverse(), atOnce: partsAtOnce },
    { some: single.reverse(), atOnce: readsAtOnce },
  ];
}

function meets(spans: ReadonlyMap<Span, unknown> | undefined, from: Span, to: Span): boolean {
  if (!spans) return false;
  if (to - from < spans.size) {
    for (let span = from; span <= to; span += 1) if (spans.has(span)) return true;
    return false;
  }
  for (const span of spans.keys()) if (from <= span && span <= to) return true;
  return false;
}

/**
 * How many changes of a table lie in a folded piece; at most, if the piece before it is not there to compare.
 * @param before the folded piece right before it
 */
function totalsIn(piece: FoldedPiece, before: FoldedPiece | undefined, table: string): Totals {
  const known = before?.manifest.epochs ?? [];
  return piece.manifest.epochs.reduce((sum, { epoch, totals }) => {
    const now = totals[table] ?? noTotals;
    const then = known.find((one) => one.epoch === epoch)?.totals[table] ?? noTotals;
    return {
      changes: sum.changes + now.changes - then.changes,
      inserts: sum.inserts + now.inserts - then.inserts,
      deletes: sum.deletes + now.deletes - then.deletes,
      bytes: sum.bytes + now.bytes - then.bytes,
    };
  }, noTotals);
}
