/**
 * Estimates what keeping a source's history costs, from what was measured of it: how often its tables change, how large
 * a change is once it is stored and folded, and how much is left of it in coarser resolutions.
 */

import { Thinning } from "../fold/thinning.js";
import { hasLeft } from "../format/coverage-record.js";
import { mergeAll } from "../format/merge.js";
import { parseSegmentName } from "../format/names.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { foldedCursor, partsOf } from "../repository/log/folded-reader.js";
import { openSegment } from "../repository/log/log.js";
import type { LogView } from "../repository/log/log-view.js";
import type { FoldedPiece, LogPiece } from "../repository/log/pieces.js";
import { noTotals, totalsAt } from "../repository/log/totals.js";
import type { KeepTier } from "../repository/registers/keep-policy.js";
import type { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";

const dayMs = 86_400_000;

/** How much of the log is measured, back from its end. */
const lookMs = 7 * dayMs;
/** At most about so many versions of a table are read to measure how much thinning leaves. */
const sampleMax = 200_000;

/** What was measured of a table. Rates are per day of 86 400 s. */
export interface TableRates {
  table: string;
  documents: number;
  /** Stored bytes of the newest base: of its parts and the keys beside them, and of its manifest. */
  baseBytes: number;
  manifestBytes: number;
  /** Stored bytes of all bases divided by the sum of their sizes: below 1 if they share parts. */
  baseShare: number;
  changesPerDay: number;
  /** Stored bytes of one version in the log, and bytes of its line. */
  bytesPerChange: number;
  lineBytesPerChange: number;
  /** Versions per day that are left when thinned to a resolution. */
  keptPerDay: (resolutionMs: number) => number;
}

export interface SourceRates {
  tables: TableRates[];
  /** How much of the log was measured, in ms; 0 if there is no log. */
  spanMs: number;
  /** Segments that held changes, per day. */
  segmentsPerDay: number;
  /** Mean stored bytes of a segment, and of what a folded segment has besides its parts: its manifest and records. */
  segmentBytes: number;
  foldedBytes: number;
  /** How many objects of the log and of bases are stored. */
  objects: number;
}

export async function readSourceRates(look: RepositoryView): Promise<SourceRates> {
  const { log: view, store } = look;
  const { tables: coverage } = await look.coverage();
  const bases = await look.bases();
  const pieces = recentPieces(view);
  const spanMs = pieces.length === 0 ? 0 : pieces.at(-1)!.to - pieces[0]!.from + 1;
  const stored = await storedChanges(view, pieces);
  const totals = await totalsAt(view, Number.MAX_SAFE_INTEGER);
  const sizes = await sizesOf(store);
  const tables: TableRates[] = [];
  for (const [table, { state, watched }] of coverage) {
    const usable = bases.usable.get(table) ?? [];
    const newest = usable.at(-1);
    if (!newest || hasLeft(state) || !watched) continue;
    const { rows, bytes } = stored.get(table) ?? { rows: 0, bytes: 0 };
    const of = totals.get(table) ?? noTotals;
    const changesPerDay = spanMs === 0 ? 0 : (rows * dayMs) / spanMs;
    const insertsPerDay = of.changes === 0 ? 0 : (changesPerDay * of.inserts) / of.changes;
    const left = await shareLeft(view, pieces, table);
    tables.push({
      table,
      documents: newest.rows,
      baseBytes: newest.parts.reduce(
        (sum, { bytes, keys }) => sum + bytes + (sizes.get(keys.name) ?? 0),
        0,
      ),
      manifestBytes: sizes.get(bases.names.get(newest)!.name) ?? 0,
      baseShare: shareOf(usable),
      changesPerDay,
      bytesPerChange: rows === 0 ? 0 : bytes / rows,
      lineBytesPerChange: of.changes === 0 ? 0 : of.bytes / of.changes,
      keptPerDay: (resolutionMs) => {
        // A span keeps at most one version of each document that is there or is inserted in it.
        const most = (dayMs / resolutionMs) * newest.rows + insertsPerDay;
        return Math.min(left(resolutionMs) * changesPerDay, Math.max(most, insertsPerDay));
      },
    });
  }
  return {
    tables,
    spanMs,
    segmentsPerDay: spanMs === 0 ? 0 : segmentsIn(pieces) / (spanMs / dayMs),
    segmentBytes: mean(
      [...sizes].filter(([name]) => parseSegmentName(name)).map(([, size]) => size),
    ),
    foldedBytes: mean(view.pieces.filter(isFolded).map((piece) => besidesParts(piece, sizes))),
    objects: sizes.size,
  };
}

async function sizesOf(store: ObjectStore): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const prefix of ["log/", "folded/", "bases/"]) {
    for await (const { name, size } of store.list(prefix)) sizes.set(name, size);
  }
  return sizes;
}

const mean = (values: number[]) =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const isFolded = (piece: LogPiece): piece is FoldedPiece => piece.kind === "folded";

function besidesParts({ name, manifest }: FoldedPiece, sizes: Map<string, number>): number {
  return (sizes.get(name) ?? 0) + (manifest.catalog?.bytes ?? 0) + (manifest.coverage?.bytes ?? 0);
}

function recentPieces(view: LogView): LogPiece[] {
  const from = (view.to ?? 0) - lookMs;
  return view.pieces.filter(
    (piece) => piece.to > from && !(piece.kind === "folded" && piece.manifest.resolutionMs > 1),
  );
}

/** How many segments the pieces hold or stand for, by their numbers; across epochs only those of the last one count. */
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

/** Bytes of the parts of all bases, each part counted once, divided by the bytes counted once per base. */
function shareOf(bases: BaseManifest[]): number {
  const parts = bases.flatMap((base) => base.parts);
  const once = new Map(parts.map(({ name, bytes }) => [name, bytes]));
  const all = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  return all === 0 ? 1 : [...once.values()].reduce((sum, bytes) => sum + bytes, 0) / all;
}

/** Thins a sample of the folded log to some resolutions. Returns a function that gives the share left in any. */
async function shareLeft(
  view: LogView,
  pieces: LogPiece[],
  table: string,
): Promise<(resolutionMs: number) => number> {
  const folded = pieces.filter(
    (piece): piece is FoldedPiece => isFolded(piece) && partsIn(piece, table) > 0,
  );
  const shares = new Map<number, number>();
  for (const resolutionMs of sampledMs) {
    shares.set(resolutionMs, await sampleShare(view, folded, table, resolutionMs));
  }
  return (resolutionMs) => {
    // A resolution that was not sampled leaves at most what the next finer sampled one leaves.
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
  /** Price of one GB (10^9 bytes) stored for 30 days. */
  storage: number;
  /** Prices of 1000 requests that write or list, and of 1000 that read. */
  put: number;
  get: number;
}

/** How a repository is maintained. */
export interface Upkeep {
  /** How often new bases are made, and how often maintenance runs. */
  foldEveryMs: number;
  maintainEveryMs: number;
  /** How long what was replaced or expired stays. */
  graceMs: number;
}

/** Bytes of a data object besides its lines: its index, and what compression loses in a small one. */
const objectBytes = 500;
/** Bytes of expiries, leases, settings and claims; and of what expiries say of each table. */
const factsBytes = 32 * 1024;
const factsBytesPerTable = 2 * 1024;
/** How old the log is when it is folded, and spans of folded segments; the next one replaces each. See fold-log.ts. */
const settleMs = 60_000;
const [firstSpanMs, secondSpanMs, longestSpanMs] = [600_000, 3_600_000, 30 * dayMs];
const replaced = [
  { spanMs: firstSpanMs, byMs: secondSpanMs },
  { spanMs: secondSpanMs, byMs: dayMs },
];

/**
 * At most how many bytes are stored at any time under some tiers, within a year, if the source goes on as measured.
 * What is replaced or expired counts until the round after its grace time deletes it: segments beside the folded
 * segments made of them, each span beside the next one, a thinned day beside what is left of it, and bases.
 */
export function storedAtMost(rates: SourceRates, tiers: KeepTier[], upkeep: Upkeep): number {
  const { foldEveryMs, maintainEveryMs, graceMs } = upkeep;
  // What is due may wait for a whole round. What it replaces may wait for another one after the grace time.
  const waitMs = 2 * maintainEveryMs + graceMs;
  const asSegmentsMs = firstSpanMs + settleMs + waitMs;
  let bytes = (asSegmentsMs / dayMs) * rates.segmentsPerDay * rates.segmentBytes;
  for (const { spanMs, byMs } of replaced) {
    const perDay = Math.min(dayMs / spanMs, rates.segmentsPerDay);
    bytes += foldedBytes(rates, 1, (byMs + settleMs + waitMs) / dayMs, perDay);
  }
  let from = 0;
  for (const [i, { resolutionMs, ageMs }] of tiers.entries()) {
    const isLast = i === tiers.length - 1;
    // What leaves the last tier is expired as a whole, and the history begins with a base that may be a day older.
    const isLong = isLast && ageMs / 4 >= longestSpanMs;
    const wholeMs = isLast ? dayMs + (isLong ? longestSpanMs : 0) : 0;
    // A tier keeps whole UTC days: up to one more than declared.
    const to = Math.min(ageMs, 365 * dayMs) + dayMs + wholeMs;
    const days = (Math.max(0, to - from) + waitMs) / dayMs;
    bytes += foldedBytes(rates, resolutionMs, days, 1);
    // Folded segments are still there beside the longer one that they were merged into.
    if (isLong) bytes += foldedBytes(rates, resolutionMs, longestSpanMs / dayMs, 1);
    from = Math.max(from, to);
  }
  const bases = basesKept(from, foldEveryMs) + Math.ceil(waitMs / foldEveryMs);
  for (const { baseBytes, baseShare, manifestBytes } of rates.tables) {
    bytes += bases * (baseBytes * baseShare + manifestBytes);
  }
  return bytes + factsBytes + rates.tables.length * factsBytesPerTable;
}

/** Bytes of so many days of the log, thinned to a resolution, in `perDay` folded segments a day. */
function foldedBytes(
  rates: SourceRates,
  resolutionMs: number,
  days: number,
  perDay: number,
): number {
  const lines = rates.tables.reduce(
    (sum, { keptPerDay, bytesPerChange }) => sum + keptPerDay(resolutionMs) * bytesPerChange,
    0,
  );
  const objects = rates.foldedBytes + rates.tables.length * objectBytes;
  return days * (lines + perDay * objects);
}

/** How many bases stay: each is at least a third older than the next newer one. */
export function basesKept(ageMs: number, foldEveryMs: number): number {
  return 2 + Math.log(Math.max(1, ageMs / foldEveryMs)) / Math.log(4 / 3);
}

/**
 * How many segments a capture writes per day with ticks of this length, if changes come at random times.
 * @param idleMs how often it writes one while nothing changes
 */
export function segmentsPerDay(changesPerDay: number, tickMs: number, idleMs: number): number {
  const ticks = dayMs / tickMs;
  const share = 1 - Math.exp(-(changesPerDay / dayMs) * tickMs);
  const idle = (dayMs / Math.max(idleMs, tickMs)) * (1 - share);
  return ticks * share + idle;
}

/** How often a span of the log is merged into a larger folded segment until that is as large as they get. */
const merges = 4;

/** Requests per day: puts of all that is written, gets of what folding reads. */
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
