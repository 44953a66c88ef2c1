/**
 * Chooses the pieces that the log is read from: the fewest of the believed segments and folded segments that hold all.
 */
import { damaged, isDamage, UnusableObject } from "../../errors.js";
import type { FoldedName, Place, SegmentName } from "../../format/names.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { FoldedManifest } from "./folded.js";
import type { DamagedManifest, FoldedPiece, LogPiece, SegmentPiece } from "./pieces.js";
import { byPlaceInLog, follows } from "./places.js";

/** Sizes of objects, by name. */
type Sizes = ReadonlyMap<string, number>;
type ReadManifest = (name: FoldedName) => FoldedManifest | Promise<FoldedManifest>;

/** Chooses the pieces. A damaged folded segment is skipped where other pieces hold the same. */
export async function choosePieces(
  read: ReadManifest,
  segments: SegmentName[],
  folded: FoldedName[],
  sizes: Sizes,
): Promise<{ pieces: LogPiece[]; damaged: DamagedManifest[] }> {
  const opened = new Map<string, FoldedPiece>();
  const damagedNames: DamagedManifest[] = [];
  let usable = folded;
  /** Names of folded segments that are partly damaged, but used because nothing else holds what is left of them. */
  const accepted = new Set<string>();
  for (;;) {
    const cover = coverOf(segments, usable);
    const bad = await firstBad(read, cover, sizes, opened, accepted);
    if (!bad)
      return {
        pieces: cover.map((one, i) => {
          const folded = opened.get(one.name);
          return folded ? { ...folded, after: cover[i - 1]?.to ?? -1 } : segmentPiece(one);
        }),
        damaged: damagedNames,
      };
    const { name, error } = bad;
    const without = usable.filter((one) => one !== name);
    if (opened.has(name.name) && !isCovered(name, coverOf(segments, without))) {
      accepted.add(name.name);
      continue;
    }
    damagedNames.push({ name, error });
    usable = without;
  }
}

/** Opens the folded segments of a cover. Returns the first that is damaged and was not accepted. */
async function firstBad(
  read: ReadManifest,
  cover: Named[],
  sizes: Sizes,
  opened: Map<string, FoldedPiece>,
  accepted: ReadonlySet<string>,
): Promise<{ name: FoldedName; error: UnusableObject } | undefined> {
  const folded = cover.filter((one) => "resolutionMs" in one && !accepted.has(one.name));
  const opening = severalAtOnce(folded as FoldedName[], readsAtOnce, async (name) => {
    try {
      return { name, piece: opened.get(name.name) ?? (await openFolded(read, name, sizes)) };
    } catch (error) {
      if (!(error instanceof UnusableObject) || !isDamage(error)) throw error;
      return { name, error };
    }
  });
  for await (const { name, piece, error } of opening) {
    if (piece) opened.set(name.name, piece);
    const bad = error ?? [...piece.damage.values()][0];
    if (bad) return { name, error: bad };
  }
  return undefined;
}

async function openFolded(
  read: ReadManifest,
  name: FoldedName,
  sizes: Sizes,
): Promise<FoldedPiece> {
  const manifest = await read(name);
  const damage = new Map<string, UnusableObject>();
  for (const { table, parts } of manifest.tables) {
    for (const part of parts) {
      const error = wrongSize(part, sizes);
      if (error) damage.set(table, error);
    }
  }
  for (const records of [manifest.catalog, manifest.coverage]) {
    const error = records && wrongSize(records, sizes);
    if (error) throw error;
  }
  const { from, to, first, last } = manifest;
  return { kind: "folded", name: name.name, from, to, first, last, manifest, after: -1, damage };
}

function wrongSize({ name, bytes }: { name: string; bytes: number }, sizes: Sizes) {
  const size = sizes.get(name);
  if (size === undefined) return damaged(name, "it is missing");
  return size === bytes ? undefined : damaged(name, `it has ${size} bytes instead of ${bytes}`);
}

type Named = SegmentName | FoldedName;

const firstPlace = (one: Named): Place => ("resolutionMs" in one ? one.first : one);
const lastPlace = (one: Named): Place => ("resolutionMs" in one ? one.last : one);

function segmentPiece(one: Named): SegmentPiece {
  const { name, from, to } = one;
  const [first, last] = [firstPlace(one), lastPlace(one)];
  return { kind: "segment", name, from, to, first, last };
}

/**
 * The fewest pieces, in order, that hold every place that any of them holds. At each place it takes the folded segment
 * that reaches farthest, else the segment itself. Of two that reach equally far it takes the coarser, which is the
 * newer one.
 */
function coverOf(segments: SegmentName[], folded: FoldedName[]): Named[] {
  const cover: Named[] = [];
  let at: Place = { epoch: 0, sequence: 0 };
  let next = 0;
  for (;;) {
    while (next < segments.length && byPlaceInLog(segments[next]!, at) <= 0) next += 1;
    const segment = segments[next];
    let best: Named | undefined = segment;
    for (const one of folded) {
      if (byPlaceInLog(one.last, at) > 0 && (!best || isBetter(one, best, at))) best = one;
    }
    if (!best) return cover;
    cover.push(best);
    at = lastPlace(best);
  }
}

function isBetter(one: FoldedName, best: Named, at: Place): boolean {
  const begin = (piece: Named) =>
    byPlaceInLog(firstPlace(piece), at) > 0 ? firstPlace(piece) : at;
  const byBegin = byPlaceInLog(begin(one), begin(best));
  if (byBegin !== 0) return byBegin < 0;
  const byEnd = byPlaceInLog(one.last, lastPlace(best));
  if (byEnd !== 0) return byEnd > 0;
  return !("resolutionMs" in best) || one.resolutionMs > best.resolutionMs;
}

/** True if the cover holds everything that `name` stands for, with no place left out. */
function isCovered(name: FoldedName, cover: Named[]): boolean {
  const within = cover.filter(
    (one) =>
      byPlaceInLog(lastPlace(one), name.first) >= 0 &&
      byPlaceInLog(firstPlace(one), name.last) <= 0,
  );
  let before: Place | undefined;
  for (const one of within) {
    const first = firstPlace(one);
    const joins = before
      ? byPlaceInLog(first, before) <= 0 || follows(before, first) || first.sequence === 1
      : byPlaceInLog(first, name.first) <= 0;
    if (!joins) return false;
    before = lastPlace(one);
  }
  return before !== undefined && byPlaceInLog(before, name.last) >= 0;
}
