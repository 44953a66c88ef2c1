/**
 * Folding the log: segments become folded segments, and those larger ones, so that a history of years is some dozens
 * of objects. Nothing is deleted here; sweep.ts does that, when what replaces it has been published for a while.
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
import { isOnGrid } from "../repository/registers/keep-policy.js";
import { CatalogAhead } from "./catalog-ahead.js";
import { SegmentBatch } from "./segment-batch.js";
import { Thinning } from "./thinning.js";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Folded segments grow to these spans, each as soon as the span is over. */
const spansMs = [10 * minuteMs, 60 * minuteMs, dayMs, 30 * dayMs];

export interface FoldLogOptions {
  now: Instant;
  /** Says when something is published, which may be long after `now`; `now` if absent. */
  publishedAt?: () => Instant;
  /** Segments younger than this are left alone: a writer that takes over may yet disown them. */
  settleMs: number;
  /** Fold what has settled even if its span is not over. */
  partial: boolean;
  /** Letters and digits that no other fold has. */
  unique: string;
  /** The resolution that the declared tiers want for a span; 1 for every change. */
  resolutionOf: (span: { from: Instant; to: Instant }) => number;
  /** The longest span that folded segments of a time grow to: what ages from tier to tier must stay apart. */
  spanMaxMs: (span: { from: Instant; to: Instant }) => number;
  /** Instants that stay exactly restorable where history is thinned. */
  pinned: Instant[];
  /** Which pieces of the log to look at; all of them, if absent. */
  within?: (piece: LogPiece) => boolean;
  /** Bytes of lines that are held in memory at once. */
  memoryBytesMax?: number;
  /** Compresses what is written; in this thread, if absent. */
  compressor?: FrameCompressor | undefined;
  /** Asked before anything is published. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
}

export interface FoldedLog {
  /** Folded segments that were written. */
  written: number;
  /** Of these, the ones that keep fewer versions than what they replace. */
  thinned: number;
  rows: number;
  bytesRead: number;
  bytesWritten: number;
}

/** What is sorted in memory at once, in bytes. */
const memoryBytesMaxDefault = 16 * 1024 * 1024;
/** Of each folded segment that is merged a frame is in memory; what is more than so many is merged in a later round. */
const mergedAtOnceMax = 32;

/** @param log as it is; it is read again once something is written */
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
  /** What was written when the log was looked at last. */
  private writtenThen = 0;
  readonly report: FoldedLog = { written: 0, thinned: 0, rows: 0, bytesRead: 0, bytesWritten: 0 };

  constructor(
    private readonly repository: Repository,
    private log: LogView,
    private readonly options: FoldLogOptions,
  ) {}

  /** Makes folded segments of single ones: of each span that is over, and no more at once than memory holds. */
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

  /** Merges folded segments that lie in one span and follow each other. */
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

  /** The log as it is now: every folded segment that is written makes it another. */
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

  /** The segments of a run that are due and have settled, by the span that they end in; in order, and without a gap. */
  private dueSpans(run: SegmentPiece[], isNewest: boolean): SegmentPiece[][] {
    const spanMs = spansMs[0]!;
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
      published: this.options.publishedAt?.() ?? this.options.now,
      kept: [],
      epochs: await epochFacts(view, batch),
      opening,
      coverageLink: batch.coverageLink,
      lost: catalog.lost,
    });
    this.report.bytesRead += batch.storedBytes;
  }

  /** Groups of at least two neighbours that belong in one folded segment of a span. */
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
      (of) =>
        of.length > 1 &&
        this.isOver(of[0]!.to, spanMs) &&
        of.every((piece) => this.isWithin(piece)) &&
        of.every((piece) => piece.damage.size === 0 && spanMs <= this.options.spanMaxMs(piece)),
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
    const tables = new Set(pieces.flatMap(({ manifest }) => manifest.tables.map((of) => of.table)));
    let rows = 0;
    for (const table of [...tables].sort()) {
      writer.beginTable(table);
      const cursors = pieces.map((piece) =>
        foldedCursor(view.store, piece, table, { after: -1, until: piece.to }),
      );
      for await (const merged of mergeAll(cursors)) {
        rows += merged.length;
        for (const one of thinning ? thinning.next(merged) : merged) {
          const full = writer.add(one.version.key, one.version.time, one.line);
          if (full) await full;
        }
      }
      for (const one of thinning?.end() ?? []) {
        await writer.add(one.version.key, one.version.time, one.line);
      }
      await writer.endTable();
    }
    checkRows(rows, writer.rows, isThinned, pieces);
    await writer.addRecords("catalog", await mergedRecords(view, pieces, "catalog"));
    await writer.addRecords("coverage", await mergedRecords(view, pieces, "coverage"));
    await this.finish(writer, {
      lastSegment: last.manifest.lastSegment,
      previous: first.manifest.previous,
      published: this.options.publishedAt?.() ?? this.options.now,
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

  private async finish(writer: FoldedWriter, facts: FoldedFacts): Promise<void> {
    await writer.stored();
    this.options.signal?.throwIfAborted();
    await writer.finish(facts);
    this.report.written += 1;
    this.report.rows += writer.rows;
    this.report.bytesWritten += writer.bytesWritten;
  }
}

/** Runs of segments that follow each other without a gap or a folded segment between. */
function runsOf(view: LogView): SegmentPiece[][] {
  const holes = view.holes();
  const runs: SegmentPiece[][] = [];
  let before: LogPiece | undefined;
  for (const piece of view.pieces) {
    const previous = before;
    before = piece;
    if (piece.kind === "folded") continue;
    const isJoined =
      previous?.kind === "segment" &&
      !holes.some(({ from, to }) => from > previous.to && to < piece.from);
    if (isJoined) runs.at(-1)!.push(piece);
    else runs.push([piece]);
  }
  return runs;
}

const spanOf = (piece: LogPiece, spanMs: number) => Math.floor(piece.to / spanMs);

function isNeighbour(before: FoldedPiece, piece: FoldedPiece, spanMs: number): boolean {
  return (
    piece.manifest.previous?.checksum === before.manifest.lastSegment.checksum &&
    piece.manifest.resolutionMs === before.manifest.resolutionMs &&
    spanOf(before, spanMs) === spanOf(piece, spanMs)
  );
}

/** The pinned instants that the pieces still hold, in order: what an earlier thinning took away cannot be kept. */
function keptOf(pieces: FoldedPiece[], pinned: Instant[]): Instant[] {
  const isHeld = (pin: Instant) =>
    pieces.some(({ from, to, manifest: { resolutionMs, kept } }) => {
      const isShown = resolutionMs === 1 || isOnGrid(pin, resolutionMs) || kept.includes(pin);
      return from <= pin && pin <= to && isShown;
    });
  return [...new Set(pinned)].filter(isHeld).sort((a, b) => a - b);
}

async function epochFacts(view: LogView, batch: SegmentBatch): Promise<FoldedEpoch[]> {
  const facts: FoldedEpoch[] = [];
  for (const [epoch, { footer, totals, isWhole }] of batch.epochs) {
    const { to, frontier, lagging, proofBoundMs, serverClock, clockAheadMs, closed } = footer;
    const all = isWhole ? totals : Object.fromEntries(await totalsAt(view, to, epoch));
    const said = { epoch, to, frontier, lagging, proofBoundMs, serverClock, clockAheadMs, closed };
    const { aheadOfSource } = footer;
    facts.push({ ...said, ...(aheadOfSource ? { aheadOfSource } : {}), totals: all });
  }
  return facts;
}

/** The records of all pieces; of all but the first, without those that it begins with: they are there already. */
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

/** Every line that their manifests count must have come; and gone, unless the history is thinned. */
function checkRows(read: number, written: number, isThinned: boolean, pieces: FoldedPiece[]): void {
  const parts = pieces.flatMap(({ manifest }) => manifest.tables.flatMap((of) => of.parts));
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  if (read !== rows || (written !== read && !isThinned)) {
    throw new Error(`folding has ${read} lines read and ${written} written of ${rows}`);
  }
}
