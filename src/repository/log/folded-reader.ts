/** Reads folded segments: versions by table, key and time, and records of the system streams. */
import { DataObject } from "../../format/data-object.js";
import { lineSpans, parseLine, type Version } from "../../format/lines.js";
import { codeOfText, SortedCursor, type SortedFrame, type Window } from "../../format/merge.js";
import type { Instant } from "../../instant.js";
import { type KeyFilter, wantedFrames } from "../../key-filter.js";
import { partsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { FoldedPart, FoldedRecords } from "./folded.js";
import type { FoldedPiece } from "./pieces.js";

export interface FoldedReading {
  onVersion?: () => void;
  /** Read digests in the place of documents, of a sealed repository. */
  keysOnly?: boolean;
  /** All keys, if absent. */
  filter?: KeyFilter | undefined;
}

/** A cursor over the versions of a table in a window. Throws if a part of the table is lost. */
export function foldedCursor(
  store: ObjectStore,
  piece: FoldedPiece,
  table: string,
  window: Window,
  reading: FoldedReading = {},
): SortedCursor {
  const frames = foldedFrames(store, partsOf(piece, table), window, reading);
  return new SortedCursor(frames, window, reading.onVersion);
}

/** The parts of a table in a folded segment. Throws if one of them is lost. */
export function partsOf(piece: FoldedPiece, table: string): FoldedPart[] {
  const error = piece.damage.get(table);
  if (error) throw error;
  return piece.manifest.tables.find((entry) => entry.table === table)?.parts ?? [];
}

/** The size of the stored parts of some tables, bytes. */
export function foldedBytes(piece: FoldedPiece, tables: Iterable<string>): number {
  const wanted = new Set(tables);
  let bytes = 0;
  for (const { table, parts } of piece.manifest.tables) {
    if (wanted.has(table)) for (const part of parts) bytes += part.bytes;
  }
  return bytes;
}

async function* foldedFrames(
  store: ObjectStore,
  parts: FoldedPart[],
  { after, until }: Window,
  { keysOnly = false, filter }: FoldedReading,
): AsyncGenerator<SortedFrame> {
  const isIn = ({ minTime, maxTime }: { minTime?: Instant; maxTime?: Instant }) =>
    maxTime! > after && minTime! <= until;
  const isWanted = ({ name, firstKey, lastKey }: FoldedPart) =>
    !filter || filter.meets(codeOfText(firstKey, name), codeOfText(lastKey, name));
  const wanted = parts.filter((part) => isIn(part) && isWanted(part));
  const opening = severalAtOnce(wanted, partsAtOnce, async (part) => {
    const object = await DataObject.open(store, part.name, "foldedPart", part.checksum);
    return { object, part };
  });
  for await (const { object, part } of opening) {
    const all = keysOnly ? object.keyFrames : object.index.frames;
    const codeOf = (key: string) => codeOfText(key, part.name);
    const frames = wantedFrames(all, part.lastKey, filter, codeOf).filter(isIn);
    for await (const lines of object.readFrames(frames)) {
      yield { lines, object: object.name };
    }
  }
}

/** Yields the records of a system stream in a folded segment, in their order, each with its line. */
export async function* recordsInFolded(
  store: ObjectStore,
  records: FoldedRecords | null,
): AsyncGenerator<Version & { line: Buffer }> {
  if (!records) return;
  const { name, checksum } = records;
  const object = await DataObject.open(store, name, "foldedRecords", checksum);
  for await (const lines of object.readFrames(object.index.frames)) {
    for (const { start, end } of lineSpans(lines, name)) {
      yield { ...parseLine(lines, start, end, name), line: lines.subarray(start, end) };
    }
  }
}
