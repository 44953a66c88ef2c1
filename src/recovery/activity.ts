/**
 * How much was written, and when: changes of all tables in even spans, and bursts, which are stretches in which many
 * more documents of a table were deleted or overwritten than usual.
 *
 * The rule of bursts. Deletes and overwrites of a table are each counted in spans of 10 seconds. What is usual is the
 * count that nine of ten spans do not exceed; a stretch of less than an hour counts as an hour. A span belongs to a
 * burst if it has at least 100, and at least five times what is usual; two of them with one other between them are of
 * one burst. It begins in the first second that has at least a tenth of what its busiest second has.
 */
import { isDamage } from "../errors.js";
import { parseLines } from "../format/lines.js";
import { isSystemStream, type Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { foldedCursor } from "../repository/log/folded-reader.js";
import { openSegment } from "../repository/log/log.js";
import type { LogView } from "../repository/log/log-view.js";
import type { FoldedPiece } from "../repository/log/pieces.js";
import { noTotals } from "../repository/log/totals.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";

export const burstKinds = ["deletes", "overwrites"] as const;
export type BurstKind = (typeof burstKinds)[number];

export interface Burst {
  kind: BurstKind;
  /** Id of the table. */
  table: string;
  /** The first and the last of the changes, and how many they are. */
  from: Instant;
  to: Instant;
  count: number;
}

export interface Activity {
  bursts: Burst[];
  /** Changes of all tables in even spans of `spanMs` from the first instant on. */
  changes: number[];
  spanMs: number;
  /** Objects of the log that could not be read. */
  unread: string[];
}

const burstSpanMs = 10_000;
const burstMin = 100;
const timesUsual = 5;
const usualShare = 0.9;
const shortestMs = 3_600_000;
/** So many spans at most for the changes, of at least an hour. */
const changeSpansMax = 84;
const changeSpanMs = 3_600_000;

/** One table's changes of one kind in a span of 10 seconds. */
interface SpanCount {
  count: number;
  last: Instant;
  /** Of each of its seconds: how many, and the first one. */
  counts: number[];
  firsts: Instant[];
}

/** By the number of a span since 1970. */
type Counts = Map<number, SpanCount>;

/** @param table the id of the only table that is wanted; all tables if undefined */
export async function readActivity(
  view: RepositoryView,
  table: string | undefined,
  from: Instant,
  to: Instant,
): Promise<Activity> {
  const reading = new ActivityReading(table, from, to);
  for (const { log } of view.lanes) await reading.readLog(log);
  return reading.activity();
}

class ActivityReading {
  private readonly spans: number[];
  private readonly spanMs: number;
  private readonly unread: string[] = [];
  /** By kind and table. */
  private readonly counts = new Map<string, Counts>();

  constructor(
    private readonly table: string | undefined,
    private readonly from: Instant,
    private readonly to: Instant,
  ) {
    const hours = Math.ceil((to - from + 1) / changeSpanMs / changeSpansMax);
    this.spanMs = Math.max(1, hours) * changeSpanMs;
    this.spans = Array<number>(Math.max(1, Math.ceil((to - from + 1) / this.spanMs))).fill(0);
  }

  async readLog(log: LogView): Promise<void> {
    const { from, to } = this;
    const wanted = log.pieces.filter((piece) => piece.to >= from && piece.from <= to);
    const reading = severalAtOnce(wanted, readsAtOnce, async (piece) => {
      try {
        if (piece.kind === "segment") await this.readSegment(log, piece.name);
        else await this.readFolded(log, piece);
      } catch (error) {
        if (!isDamage(error)) throw error;
        this.unread.push(piece.name);
      }
    });
    for await (const _ of reading);
  }

  activity(): Activity {
    const { counts, from, spanMs, spans: changes, to, unread } = this;
    const bursts = [...counts].flatMap(([of, ofTable]) => {
      const [kind, table] = of.split(" ") as [BurstKind, string];
      return burstsIn(ofTable, to - from).map((burst) => ({ kind, table, ...burst }));
    });
    return { bursts, changes, spanMs, unread };
  }

  private async readSegment(log: LogView, name: string): Promise<void> {
    const segment = await openSegment(log.store, name);
    for (const frame of segment.index.frames) {
      const table = frame.table!;
      if (!this.isWanted(table)) continue;
      for (const version of parseLines(await segment.readFrame(frame), name)) {
        if (version.time < this.from || version.time > this.to) continue;
        this.noteChanges(1, version.time, version.time);
        if (version.document === null) this.add("deletes", table, version.time);
        else if (version.previous !== null) this.add("overwrites", table, version.time);
      }
    }
  }

  /** Reads what may hold a burst, by the totals in the manifests. */
  private async readFolded(log: LogView, piece: FoldedPiece): Promise<void> {
    for (const { table } of piece.manifest.tables) {
      if (!this.isWanted(table) || piece.damage.has(table)) continue;
      const totals = totalsIn(log, piece, table);
      this.noteChanges(totals.changes, piece.from, piece.to);
      const overwrites = totals.changes - totals.inserts - totals.deletes;
      if (totals.deletes < burstMin && overwrites < burstMin) continue;
      await this.readTable(log, piece, table, totals);
    }
  }

  private async readTable(
    log: LogView,
    piece: FoldedPiece,
    table: string,
    totals: Totals,
  ): Promise<void> {
    const window = { after: Math.max(this.from - 1, piece.after), until: this.to };
    const cursor = foldedCursor(log.store, piece, table, window);
    // Folded versions do not say whether there was a document before the first one.
    const unsure: Instant[] = [];
    let inserts = 0;
    let code: string | undefined;
    let isThere = false;
    while (await cursor.advance()) {
      const { time, document } = cursor.version;
      const isFirst = cursor.code !== code;
      if (document === null) this.add("deletes", table, time);
      else if (isFirst) unsure.push(time);
      else if (isThere) this.add("overwrites", table, time);
      else inserts += 1;
      code = cursor.code;
      isThere = document !== null;
    }
    const areInserts = totals.inserts - inserts >= unsure.length;
    if (!areInserts) for (const time of unsure) this.add("overwrites", table, time);
  }

  private isWanted(table: string): boolean {
    return this.table === undefined ? !isSystemStream(table) : table === this.table;
  }

  private add(kind: BurstKind, table: string, time: Instant): void {
    const of = `${kind} ${table}`;
    const counts = this.counts.get(of) ?? new Map<number, SpanCount>();
    this.counts.set(of, counts);
    const at = Math.floor(time / burstSpanMs);
    const span = counts.get(at) ?? newSpan();
    counts.set(at, span);
    const second = Math.floor((time - at * burstSpanMs) / 1000);
    span.count += 1;
    span.last = Math.max(span.last, time);
    span.counts[second]! += 1;
    span.firsts[second] = Math.min(span.firsts[second]!, time);
  }

  /** Spreads changes over the spans that they lie in. */
  private noteChanges(count: number, from: Instant, to: Instant): void {
    const spanAt = (instant: Instant) => {
      const at = Math.floor((instant - this.from) / this.spanMs);
      return Math.max(0, Math.min(this.spans.length - 1, at));
    };
    const [first, last] = [spanAt(from), spanAt(to)];
    for (let at = first; at <= last; at += 1) this.spans[at]! += count / (last - first + 1);
  }
}

/** How many changes of a table lie in a folded piece; at most, if the piece before it is not there to compare. */
function totalsIn(log: LogView, piece: FoldedPiece, table: string): Totals {
  const before = log.pieces[log.pieces.indexOf(piece) - 1];
  const known = before?.kind === "folded" ? before.manifest.epochs : [];
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

/** The bursts in the counts of one table and kind. @param ms how long the stretch is that was counted */
export function burstsIn(counts: Counts, ms: number): Omit<Burst, "kind" | "table">[] {
  const spans = Math.ceil(Math.max(ms, shortestMs) / burstSpanMs);
  const least = Math.max(burstMin, timesUsual * usualOf(counts, spans));
  const bursts: SpanCount[][] = [];
  let lastAt = Number.NEGATIVE_INFINITY;
  for (const [at, span] of [...counts].sort(([a], [b]) => a - b)) {
    if (span.count < least) continue;
    if (at - lastAt <= 2) bursts.at(-1)!.push(span);
    else bursts.push([span]);
    lastAt = at;
  }
  return bursts.map(burstOf);
}

function burstOf(spans: readonly SpanCount[]): Omit<Burst, "kind" | "table"> {
  const seconds = spans.flatMap(({ counts, firsts }) =>
    counts.map((count, at) => ({ count, first: firsts[at]! })),
  );
  const busiest = seconds.reduce((most, { count }) => Math.max(most, count), 0);
  const own = seconds.slice(seconds.findIndex(({ count }) => count >= busiest / 10));
  const count = own.reduce((sum, one) => sum + one.count, 0);
  return { from: own[0]!.first, to: spans.at(-1)!.last, count };
}

const newSpan = (): SpanCount => ({
  count: 0,
  last: 0,
  counts: Array<number>(burstSpanMs / 1000).fill(0),
  firsts: Array<Instant>(burstSpanMs / 1000).fill(Number.MAX_SAFE_INTEGER),
});

/** The count that nine of ten spans do not exceed. Spans that are not in `counts` have none. */
function usualOf(counts: Counts, spans: number): number {
  const sorted = [...counts.values()].map(({ count }) => count).sort((a, b) => b - a);
  return sorted[Math.floor(spans * (1 - usualShare))] ?? 0;
}
