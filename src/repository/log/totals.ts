import { DataObject } from "../../format/data-object.js";
import { parseLines, type Version } from "../../format/lines.js";
import { parseSegmentName } from "../../format/names.js";
import { type Totals, totalsReach } from "../../format/segment.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import { partsOf } from "./folded-reader.js";
import { openSegment, segmentVersions } from "./log.js";
import type { LogView } from "./log-view.js";
import type { FoldedPiece, LogPiece } from "./pieces.js";

export type Counts = Omit<Totals, "bytes">;

export const noTotals: Totals = { changes: 0, inserts: 0, deletes: 0, bytes: 0 };

export function addTotals(a: Totals, b: Totals): Totals {
  return {
    changes: a.changes + b.changes,
    inserts: a.inserts + b.inserts,
    deletes: a.deletes + b.deletes,
    bytes: a.bytes + b.bytes,
  };
}

/**
 * The totals of each table, from the start of the first epoch that is kept to the end of the piece that covers
 * `instant`. Per epoch it reads one checkpoint or folded segment, and a few segments after that.
 * @param only count this epoch alone
 */
export async function totalsAt(
  view: LogView,
  instant: Instant,
  only?: number,
): Promise<Map<string, Totals>> {
  const upTo = view.pieces.filter(({ from }) => from <= instant);
  const totals = new Map<string, Totals>();
  for (const epoch of new Set(upTo.flatMap(epochsOf))) {
    if (only !== undefined && epoch !== only) continue;
    const ofEpoch = upTo.filter((piece) => epochsOf(piece).includes(epoch));
    for (const [table, added] of await epochTotals(view, ofEpoch, epoch)) {
      totals.set(table, addTotals(totals.get(table) ?? noTotals, added));
    }
  }
  return totals;
}

/** The piece that covers `instant`, or else the last one before it. */
export function pieceAt({ pieces }: LogView, instant: Instant): LogPiece | undefined {
  return pieces.findLast(({ from }) => from <= instant);
}

/**
 * Counts the changes of one table in the log up to and including `instant`, to the millisecond. Undefined where the
 * history is thinned or expired and cannot be counted any more. Reads the table's changes in the piece that covers
 * `instant`, unless the piece ends there.
 * @param totals the totals up to the end of that piece, see totalsAt
 */
export async function countsAt(
  view: LogView,
  table: string,
  instant: Instant,
  totals: ReadonlyMap<string, Totals>,
): Promise<Counts | undefined> {
  const { changes, inserts, deletes } = totals.get(table) ?? noTotals;
  const counts = { changes, inserts, deletes };
  const last = pieceAt(view, instant);
  if (last === undefined) return view.expiry && view.expiry.logTo >= 0 ? undefined : counts;
  if (last.to <= instant) return counts;
  if (last.kind === "folded" && last.manifest.resolutionMs > 1) return undefined;
  // The piece goes on after the instant: subtract what came after it.
  for await (const version of versionsOf(view, last, table, instant)) {
    if (version.time <= instant) continue;
    counts.changes -= 1;
    if (version.document === null) counts.deletes -= 1;
    else if (version.previous === null) counts.inserts -= 1;
  }
  return counts;
}

function epochsOf(piece: LogPiece): number[] {
  if (piece.kind === "segment") return [piece.last.epoch];
  return piece.manifest.epochs.map(({ epoch }) => epoch);
}

async function* versionsOf(
  view: LogView,
  piece: LogPiece,
  table: string,
  after: Instant,
): AsyncGenerator<Version> {
  if (piece.kind === "segment") {
    yield* segmentVersions(await openSegment(view.store, piece.name), table);
    return;
  }
  for (const { name, checksum, maxTime } of partsOf(piece, table)) {
    if (maxTime <= after) continue;
    const object = await DataObject.open(view.store, name, "foldedPart", checksum);
    for (const entry of object.index.frames) {
      if (entry.maxTime! > after) yield* parseLines(await object.readFrame(entry), name);
    }
  }
}

/** @param pieces the pieces that hold segments of the epoch */
async function epochTotals(
  view: LogView,
  pieces: LogPiece[],
  epoch: number,
): Promise<Map<string, Totals>> {
  const last = pieces.at(-1)!;
  const newestFolded = pieces.findLast((piece) => piece.kind === "folded");
  const totals = new Map(Object.entries(newestFolded ? foldedTotals(newestFolded, epoch) : {}));
  if (last.kind === "folded") return totals;
  const { footer } = (await openSegment(view.store, last.name)).index;
  const linked = footer.links.checkpoint && parseSegmentName(footer.links.checkpoint);
  const checkpoint = footer.checkpoint || !linked ? last.first : linked;
  // The first segment of an epoch is always a checkpoint; a checkpoint of an earlier epoch says nothing about this one.
  const first = checkpoint.epoch === epoch ? checkpoint.sequence : 1;
  const unfolded = newestFolded ? pieces.slice(pieces.indexOf(newestFolded) + 1) : pieces;
  const counting = unfolded.filter((p) => p.first.epoch === epoch && p.first.sequence >= first);
  const telling = tellingSegments(counting, first);
  const opening = severalAtOnce(telling, readsAtOnce, ({ name }) => openSegment(view.store, name));
  for await (const segment of opening) {
    for (const [table, told] of Object.entries(segment.index.footer.totals)) {
      totals.set(table, told);
    }
  }
  return totals;
}

/**
 * Chooses, of the segments from a checkpoint or from the end of the folded ones on, the few that together hold the
 * totals of all tables; in order. Returns all segments if one of the few is missing.
 * @param checkpoint the checkpoint's sequence number
 */
function tellingSegments(segments: LogPiece[], checkpoint: number): LogPiece[] {
  const bySequence = new Map(segments.map((piece) => [piece.first.sequence, piece]));
  const begin = segments[0]!.first.sequence;
  const telling: LogPiece[] = [];
  let at = segments.at(-1)!.first.sequence;
  while (at >= begin) {
    const piece = bySequence.get(at);
    if (!piece) return segments;
    telling.unshift(piece);
    if (at === checkpoint) break;
    at -= totalsReach(at, checkpoint);
  }
  return telling;
}

function foldedTotals(piece: FoldedPiece, epoch: number): Record<string, Totals> {
  return piece.manifest.epochs.find((entry) => entry.epoch === epoch)?.totals ?? {};
}
