/**
 * Folds the log: merges segments into folded segments, and those into larger ones, so that a history of years is a few
 * dozen objects. Nothing is deleted here: sweep.ts deletes what was replaced, some time after its replacement was
 * published.
 */

import type { Repository } from "../format/description.js";
import { compressHere, type FrameCompressor } from "../format/frame-compressor.js";
import { mergeAll } from "../format/merge.js";
import type { FoldedName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { OpeningReader } from "../repository/coverage/coverage-reader.js";
import type { FoldedEpoch, FoldedManifest } from "../repository/log/folded.js";
import { foldedCursor, recordsInFolded } from "../repository/log/folded-reader.js";
import { type FoldedFacts, FoldedWriter } from "../repository/log/folded-writer.js";
import { LogView } from "../repository/log/log-view.js";
import { type FoldedPiece, type LogPiece, type SegmentPiece } from "../repository/log/pieces.js";
import { totalsAt } from "../repository/log/totals.js";
import { CatalogAhead } from "./catalog-ahead.js";
import { isNeighbour, keptOf, runsOf, spanOf } from "./foldable.js";
import { SegmentBatch } from "./segment-batch.js";
import { Thinning } from "./thinning.js";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Folded segments grow to these spans, each as soon as the span is over. */
const spansMs = [10 * minuteMs, 60 * minuteMs, dayMs, 30 * dayMs];

/**
 * In a store that charges for requests, so few segments wait for the second span: they are read soon enough, and an
 * idle hour then costs one folded segment in place of seven.
 */
const fewSegments = 120;

export interface FoldLogOptions {
  now: Instant;
  /** Gives the instant of each publication, which may be long after `now`; `now` if absent. */
  publishedAt?: () => Instant;
  /** Segments younger than this are not folded: a writer that takes over may still disown them. */
  settleMs: number;
  /** Fold what has settled even if its span is not over. */
  partial: boolean;
  /** Letters and digits that no other fold uses. */
  unique: string;
  /** The resolution that the declared tiers want for a span, in ms; 1 keeps every change. */
  resolutionOf: (span: { from: Instant; to: Instant }) => number;
  /**
   * The longest span that a folded segment of this time may cover, in ms: history that enters a tier at another time
   * must stay in another folded segment.
   */
  spanMaxMs: (span: { from: Instant; to: Instant }) => number;
  /** Instants that stay exactly restorable where history is thinned. */
  pinned: Instant[];
  /** Which pieces of the log to fold; all if absent. */
  within?: (piece: LogPiece) => boolean;
  /** At most so many bytes of lines are in memory at once. */
  memoryBytesMax?: number;
  /** Compresses what is written; in this thread, if absent. */
  compressor?: FrameCompressor | undefined;
  /** Checked before anything is published. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
}

export interface FoldedLog {
  /** How many folded segments were written. */
  written: number;
  /** How many of these are thinned: they keep fewer versions than what they replace. */
  thinned: number;
  rows: number;
  bytesRead: number;
  bytesWritten: number;
}

/** At most so many bytes are sorted in memory at once. */
const memoryBytesMaxDefault = 16 * 1024 * 1024;
/** At most so many folded segments become one at once, because a frame of each is in memory. Later rounds merge on. */
const mergedAtOnceMax = 32;

/** @param log the log as it is now; it is read again after something was written */
export async function foldLog(
  repository: Repository,
  log: LogView,
  options: FoldLogOptions,
): Promise<FoldedLog> {
  const folder = new LogFolder(repository, log, options);
  await folder.foldSegments();
  for (const spanMs of spansMs) await folder.merge(spanMs);
  await folder.thin();
  for (const spanMs of spansMs) await folder.merge(spanMs);
  return folder.report;
}

class LogFolder {
  /** How many folded segments had been written when `log` was read. */
  private writtenThen = 0;
  readonly report: FoldedLog = { written: 0, thinned: 0, rows: 0, bytesRead: 0, bytesWritten: 0 };

  constructor(
    private readonly repository: Repository,
    private log: LogView,
    private readonly options: FoldLogOptions,
  ) {}

  /** Folds single segments: those of each span that is due, and at most as many at once as memory holds. */
  async foldSegments(): Promise<void> {
    const view = await this.view();
    const openings = new OpeningReader(view);
    for (const run of runsOf(view)) {
      const spans = this.dueSpans(run, run.at(-1) === view.pieces.at(-1));
      const first = spans[0]?.[0];
      if (!first) continue;
      const catalog = await CatalogAhead.at(view, first);
      for (const span of spans) {
        let next = 0;
        while (next < span.length) {
          this.options.signal?.throwIfAborted();
          const until = span.at(-1)!.to;
          const batch = await SegmentBatch.read(view, span[next]!.from - 1, until, this.bytesMax);
          await this.write(view, batch, catalog, await openings.before(span[next]!));
          catalog.apply(batch);
          next += batch.segments;
        }
      }
    }
  }

  /** Merges folded segments that follow each other in one span. */
  async merge(spanMs: number): Promise<void> {
    const view = await this.view();
    for (const group of this.groups(view, spanMs)) {
      await this.writeMerged(view, group, group[0]!.manifest.resolutionMs);
    }
  }

  /** Thins what has aged into a coarser tier. */
  async thin(): Promise<void> {
    const view = await this.view();
    for (const piece of view.pieces) {
      if (piece.kind !== "folded" || piece.damage.size > 0 || !this.isWithin(piece)) continue;
      const wanted = this.options.resolutionOf(piece);
      if (wanted <= piece.manifest.resolutionMs) continue;
      await this.writeMerged(view, [piece], wanted);
      this.report.thinned += 1;
    }
  }

  /** The log as it is now: read again if a folded segment was written since the last reading. */
  private async view(): Promise<LogView> {
    this.options.signal?.throwIfAborted();
    if (this.report.written > this.writtenThen) {
      this.log = await LogView.read(this.repository.store, { earlier: this.log });
      this.writtenThen = this.report.written;
    }
    return this.log;
  }

  private isWithin(piece: LogPiece): boolean {
    return this.options.within?.(piece) ?? true;
  }

  private isSettled(piece: LogPiece): boolean {
    return piece.to <= this.options.now - this.options.settleMs;
  }

  private isOver(instant: Instant, spanMs: number): boolean {
    const end = (Math.floor(instant / spanMs) + 1) * spanMs;
    return end <= this.options.now - this.options.settleMs;
  }

  private get bytesMax(): number {
    return this.options.memoryBytesMax ?? memoryBytesMaxDefault;
  }

  /** The due and settled segments of a run, without a gap and in order, grouped by the span in which each ends. */
  private dueSpans(run: SegmentPiece[], isNewest: boolean): SegmentPiece[][] {
    const isCheaper = this.repository.store.chargesRequests && run.length <= fewSegments;
    const spanMs = spansMs[isCheaper ? 1 : 0]!;
    const spans = new Map<number, SegmentPiece[]>();
    for (const piece of run) {
      if (!this.isWithin(piece)) {
        if (spans.size > 0) break;
        continue;
      }
      const span = spanOf(piece, spanMs);
      const isDue = this.options.partial || !isNewest || this.isOver(piece.to, spanMs);
      if (!isDue || !this.isSettled(piece)) break;
      const before = spans.get(span);
      if (before) before.push(piece);
      else spans.set(span, [piece]);
    }
    return [...spans.values()];
  }

  private async write(
    view: LogView,
    batch: SegmentBatch,
    catalog: CatalogAhead,
    opening: FoldedFacts["opening"],
  ): Promise<void> {
    const { from, to, first, last } = batch;
    const identity = { from, to, first, last, resolutionMs: 1 };
    const writer = this.writer(identity);
    for (const table of batch.tables()) {
      writer.beginTable(table);
      for (const { key, time, line } of batch.sorted(table)) {
        const full = writer.add(key, time, line);
        if (full) await full;
      }
      await writer.endTable();
    }
    const before = catalog.lines(from - 1);
    await writer.addRecords("catalog", [...before, ...batch.records("catalog")]);
    await writer.addRecords("coverage", batch.records("coverage"));
    await this.finish(writer, {
      lastSegment: batch.lastSegment,
      previous: batch.previous,
      kept: [],
      epochs: await epochFacts(view, batch),
      opening,
      coverageLink: batch.coverageLink,
      lost: catalog.lost,
    });
    this.report.bytesRead += batch.storedBytes;
  }

  /** Groups of two or more neighbours that are to become one folded segment of this span. */
  private groups(view: LogView, spanMs: number): FoldedPiece[][] {
    const groups: FoldedPiece[][] = [];
    let group: FoldedPiece[] = [];
    for (const piece of view.pieces) {
      const before = group.at(-1);
      const isJoined =
        piece.kind === "folded" && before !== undefined && isNeighbour(before, piece, spanMs);
      if (isJoined && group.length < mergedAtOnceMax) {
        group.push(piece);
        continue;
      }
      groups.push(group);
      group = piece.kind === "folded" ? [piece] : [];
    }
    groups.push(group);
    return groups.filter(
      (found) =>
        found.length > 1 &&
        this.isOver(found[0]!.to, spanMs) &&
        found.every((piece) => this.isWithin(piece)) &&
        found.every((piece) => piece.damage.size === 0 && spanMs <= this.options.spanMaxMs(piece)),
    );
  }

  private async writeMerged(
    view: LogView,
    pieces: FoldedPiece[],
    resolutionMs: number,
  ): Promise<void> {
    const [first, last] = [pieces[0]!, pieces.at(-1)!];
    const { from } = first;
    const { to } = last;
    const identity = { from, to, first: first.first, last: last.last, resolutionMs };
    const writer = this.writer(identity);
    const kept = keptOf(pieces, this.options.pinned);
    const isThinned = resolutionMs > 1;
    const thinning = isThinned ? new Thinning(resolutionMs, kept) : undefined;
    const tables = new Set(
      pieces.flatMap(({ manifest }) => manifest.tables.map(({ table }) => table)),
    );
    let rows = 0;
    for (const table of [...tables].sort()) {
      writer.beginTable(table);
      const cursors = pieces.map((piece) =>
        foldedCursor(view.store, piece, table, { after: -1, until: piece.to }),
      );
      for await (const merged of mergeAll(cursors)) {
        rows += merged.length;
        for (const { version, line } of thinning ? thinning.next(merged) : merged) {
          const full = writer.add(version.key, version.time, line);
          if (full) await full;
        }
      }
      for (const { version, line } of thinning?.end() ?? []) {
        await writer.add(version.key, version.time, line);
      }
      await writer.endTable();
    }
    checkRows(rows, writer.rows, isThinned, pieces);
    await writer.addRecords("catalog", await mergedRecords(view, pieces, "catalog"));
    await writer.addRecords("coverage", await mergedRecords(view, pieces, "coverage"));
    await this.finish(writer, {
      lastSegment: last.manifest.lastSegment,
      previous: first.manifest.previous,
      kept: isThinned ? kept : [],
      epochs: mergedEpochs(pieces.map(({ manifest }) => manifest)),
      opening: first.manifest.opening,
      coverageLink: first.manifest.coverageLink,
      lost: [...new Set(pieces.flatMap(({ manifest }) => manifest.lost))],
    });
    for (const piece of pieces) this.report.bytesRead += storedBytes(piece.manifest);
  }

  private writer(identity: Omit<FoldedName, "name">): FoldedWriter {
    const { unique, compressor = compressHere } = this.options;
    return new FoldedWriter(this.repository, identity, unique, compressor);
  }

  private async finish(writer: FoldedWriter, facts: Omit<FoldedFacts, "published">): Promise<void> {
    await writer.stored();
    this.options.signal?.throwIfAborted();
    // The grace time of what it replaces begins here, however long it took to write.
    const published = this.options.publishedAt?.() ?? this.options.now;
    await writer.finish({ ...facts, published });
    this.report.written += 1;
    this.report.rows += writer.rows;
    this.report.bytesWritten += writer.bytesWritten;
  }
}

async function epochFacts(view: LogView, batch: SegmentBatch): Promise<FoldedEpoch[]> {
  const facts: FoldedEpoch[] = [];
  for (const [epoch, { footer, totals, isWhole }] of batch.epochs) {
    const { to, frontier, lagging, proofBoundMs, serverClock, clockAheadMs, closed } = footer;
    const all = isWhole ? totals : Object.fromEntries(await totalsAt(view, to, epoch));
    const clocks = { serverClock, clockAheadMs };
    const copied = { epoch, to, frontier, lagging, proofBoundMs, ...clocks, closed };
    const { aheadOfSource } = footer;
    facts.push({ ...copied, ...(aheadOfSource ? { aheadOfSource } : {}), totals: all });
  }
  return facts;
}

/** The records of all pieces. Each piece first repeats the records from before it: only the first piece's are taken. */
async function mergedRecords(
  view: LogView,
  pieces: FoldedPiece[],
  stream: "catalog" | "coverage",
): Promise<Buffer[]> {
  const lines: Buffer[] = [];
  for (const [i, piece] of pieces.entries()) {
    for await (const { line, time } of recordsInFolded(view.store, piece.manifest[stream])) {
      if (i === 0 || time >= piece.from) lines.push(Buffer.from(line));
    }
  }
  return lines;
}

function mergedEpochs(manifests: FoldedManifest[]): FoldedEpoch[] {
  const epochs = new Map<number, FoldedEpoch>();
  for (const manifest of manifests) {
    for (const epoch of manifest.epochs) epochs.set(epoch.epoch, epoch);
  }
  return [...epochs.values()].sort((a, b) => a.epoch - b.epoch);
}

function storedBytes({ tables, catalog, coverage }: FoldedManifest): number {
  const parts = tables.flatMap((of) => of.parts);
  return [...parts, catalog, coverage].reduce((sum, of) => sum + (of?.bytes ?? 0), 0);
}

/** Throws unless every line that the manifests count was read, and was written too unless the history is thinned. */
function checkRows(read: number, written: number, isThinned: boolean, pieces: FoldedPiece[]): void {
  const parts = pieces.flatMap(({ manifest }) => manifest.tables.flatMap((of) => of.parts));
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (read !== rows || (written !== read && !isThinned)) {
    throw new Error(`folding read ${read} lines of ${rows}, and wrote ${written}`);
  }
}
