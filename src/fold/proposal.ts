/**
 * What keeping a source's history costs, by what was measured of it: how often its tables change, how large a change is
 * once it is stored and folded, and how much is left of it in coarser resolutions.
 */
import { type BaseManifest, readBases } from "../repository/base.js";
import { readCoverage } from "../repository/coverage-reader.js";
import { foldedCursor, partsOf } from "../repository/folded-reader.js";
import type { KeepTier } from "../repository/keep-policy.js";
import { openSegment } from "../repository/log.js";
import { type FoldedPiece, type LogPiece, LogView } from "../repository/log-view.js";
import { mergeAll } from "../repository/merge.js";
import type { Repository } from "../repository/repository.js";
import { noTotals, totalsAt } from "../repository/totals.js";
import { Thinning } from "./thinning.js";

const dayMs = 86_400_000;

/** The log of so long is looked at, from its end back. */
const lookMs = 7 * dayMs;
/** Versions of a table that are looked at to see how much thinning leaves. */
const sampleMax = 200_000;

/** What was measured of a table. Rates are per day of 86 400 s. */
export interface TableRates {
  table: string;
  documents: number;
  /** Stored bytes of the newest base. */
  baseBytes: number;
  /** Of the bytes of all stored bases, those that no two of them share: 1 if every base is stored whole. */
  baseShare: number;
  changesPerDay: number;
  /** Stored bytes of one version in the log, and bytes of its line. */
  bytesPerChange: number;
  lineBytesPerChange: number;
  /** Versions per day that are left in a resolution. */
  keptPerDay: (resolutionMs: number) => number;
}

export interface SourceRates {
  tables: TableRates[];
  /** What was looked at of the log, in ms; 0 if there is none. */
  spanMs: number;
  /** Segments that held changes, per day. */
  segmentsPerDay: number;
}

export async function readSourceRates({ store }: Repository): Promise<SourceRates> {
  const view = await LogView.read(store);
  const coverage = await readCoverage(view);
  const bases = await readBases(store);
  const pieces = recentPieces(view);
  const spanMs = pieces.length === 0 ? 0 : pieces.at(-1)!.to - pieces[0]!.from + 1;
  const stored = await storedChanges(view, pieces);
  const totals = await totalsAt(view, Number.MAX_SAFE_INTEGER);
  const tables: TableRates[] = [];
  for (const [table, { state, watched }] of coverage) {
    const usable = bases.usable.get(table) ?? [];
    const newest = usable.at(-1);
    if (!newest || state === "dropped" || !watched) continue;
    const { rows, bytes } = stored.get(table) ?? { rows: 0, bytes: 0 };
    const of = totals.get(table) ?? noTotals;
    const changesPerDay = spanMs === 0 ? 0 : (rows * dayMs) / spanMs;
    const insertsPerDay = of.changes === 0 ? 0 : (changesPerDay * of.inserts) / of.changes;
    const left = await shareLeft(view, pieces, table);
    tables.push({
      table,
      documents: newest.rows,
      baseBytes: newest.parts.reduce((sum, part) => sum + part.bytes, 0),
      baseShare: shareOf(usable),
      changesPerDay,
      bytesPerChange: rows === 0 ? 0 : bytes / rows,
      lineBytesPerChange: of.changes === 0 ? 0 : of.bytes / of.changes,
      keptPerDay: (resolutionMs) => {
        // No span keeps more than one version of each document that is there, or comes in it.
        const most = (dayMs / resolutionMs) * newest.rows + insertsPerDay;
        return Math.min(left(resolutionMs) * changesPerDay, Math.max(most, insertsPerDay));
      },
    });
  }
  return {
    tables,
    spanMs,
    segmentsPerDay: spanMs === 0 ? 0 : segmentsIn(pieces) / (spanMs / dayMs),
  };
}

function recentPieces(view: LogView): LogPiece[] {
  const from = (view.to ?? 0) - lookMs;
  return view.pieces.filter(
    (piece) => piece.to > from && !(piece.kind === "folded" && piece.manifest.resolutionMs > 1),
  );
}

/** By the numbers of the segments that pieces hold or stand for. */
function segmentsIn(pieces: LogPiece[]): number {
  return pieces.reduce((sum, { first, last }) => {
    return (
      sum + (first.epoch === last.epoch ? last.sequence - first.sequence : last.sequence - 1) + 1
    );
  }, 0);
}

async function storedChanges(
  view: LogView,
  pieces: LogPiece[],
): Promise<Map<string, { rows: number; bytes: number }>> {
  const stored = new Map<string, { rows: number; bytes: number }>();
  const add = (table: string, rows: number, bytes: number) => {
    const sum = stored.get(table) ?? { rows: 0, bytes: 0 };
    stored.set(table, { rows: sum.rows + rows, bytes: sum.bytes + bytes });
  };
  for (const piece of pieces) {
    if (piece.kind === "folded") {
      for (const { table, parts } of piece.manifest.tables) {
        for (const { rows, bytes } of parts) add(table, rows, bytes);
      }
    } else {
      const { frames } = (await openSegment(view.store, piece.name)).index;
      for (const { table, rows, length } of frames) add(table ?? "", rows, length);
    }
  }
  return stored;
}

/** Bytes of the parts of all bases, each counted once, by their bytes counted as often as they are referred to. */
function shareOf(bases: BaseManifest[]): number {
  const parts = bases.flatMap((base) => base.parts);
  const once = new Map(parts.map(({ name, bytes }) => [name, bytes]));
  const all = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  return all === 0 ? 1 : [...once.values()].reduce((sum, bytes) => sum + bytes, 0) / all;
}

/** Thins a part of the folded log in some resolutions, and says which share is left in any. */
async function shareLeft(
  view: LogView,
  pieces: LogPiece[],
  table: string,
): Promise<(resolutionMs: number) => number> {
  const folded = pieces.filter(
    (piece): piece is FoldedPiece => piece.kind === "folded" && partsIn(piece, table) > 0,
  );
  const shares = new Map<number, number>();
  for (const resolutionMs of sampledMs) {
    shares.set(resolutionMs, await sampleShare(view, folded, table, resolutionMs));
  }
  return (resolutionMs) => {
    // Of a resolution that was not sampled, no more is left than of the finer one that was.
    const finer = sampledMs.findLast((ms) => ms <= resolutionMs);
    return finer === undefined ? 1 : shares.get(finer)!;
  };
}

async function sampleShare(
  view: LogView,
  folded: FoldedPiece[],
  table: string,
  resolutionMs: number,
): Promise<number> {
  const thinning = new Thinning(resolutionMs, []);
  const window = { after: -1, until: Number.MAX_SAFE_INTEGER };
  const cursors = folded.map((piece) => foldedCursor(view.store, piece, table, window));
  let [read, kept] = [0, 0];
  for await (const lines of mergeAll(cursors)) {
    read += lines.length;
    kept += thinning.next(lines).length;
    if (read >= sampleMax) break;
  }
  return read === 0 ? 1 : (kept + thinning.end().length) / read;
}

const partsIn = (piece: FoldedPiece, table: string) =>
  piece.damage.has(table) ? 0 : partsOf(piece, table).length;

const sampledMs = [60_000, 3_600_000, dayMs];

export interface Prices {
  /** Of one GB (10^9 bytes) stored for 30 days. */
  storage: number;
  /** Of 1000 requests that write or list, and of 1000 that read. */
  put: number;
  get: number;
}

/** Stored bytes once history has reached the age of the last tier, or a year. */
export function storedBytes(rates: TableRates, tiers: KeepTier[], foldEveryMs: number): number {
  let from = 0;
  let bytes = 0;
  for (const { resolutionMs, ageMs } of tiers) {
    // A tier keeps whole UTC days: up to one more than declared.
    const to = Math.min(ageMs, 365 * dayMs) + dayMs;
    const days = Math.max(0, to - from) / dayMs;
    bytes += days * rates.keptPerDay(resolutionMs) * rates.bytesPerChange;
    from = Math.max(from, to);
  }
  return bytes + basesKept(from, foldEveryMs) * rates.baseBytes * rates.baseShare;
}

/** Each base that stays is at least a third older than the one after it. */
export function basesKept(ageMs: number, foldEveryMs: number): number {
  return 2 + Math.log(Math.max(1, ageMs / foldEveryMs)) / Math.log(4 / 3);
}

/** An idle capture still writes a segment every so often. */
const idleSegmentMs = 10_000;

/** Segments that a capture writes per day with ticks of a length, changes coming at random times. */
export function segmentsPerDay(changesPerDay: number, tickMs: number): number {
  const ticks = dayMs / tickMs;
  const share = 1 - Math.exp(-(changesPerDay / dayMs) * tickMs);
  const idle = (dayMs / idleSegmentMs) * (1 - share);
  return ticks * share + idle;
}

/** A span of the log is merged into larger folded segments so often until it is as large as they get. */
const merges = 4;

/** Requests per day: what is written, and what folding reads. */
export function requestsPerDay(
  segments: number,
  tables: number,
  foldEveryMs: number,
): { puts: number; gets: number } {
  const foldedPerDay = 144 + 24 + 1;
  const objects = foldedPerDay * (tables + 3) + (dayMs / foldEveryMs) * 3 * tables;
  return { puts: segments + objects, gets: 2 * segments + merges * objects };
}

export function monthlyCost(
  bytes: number,
  requests: { puts: number; gets: number },
  prices: Prices,
): number {
  const perMonth = (30 * (requests.puts * prices.put + requests.gets * prices.get)) / 1000;
  return (bytes / 1e9) * prices.storage + perMonth;
}
