/** Reads folded segments: versions by table, key and time, and records of the system streams. */
import { DataObject } from "../../format/data-object.js";
import { lineSpans, parseLine, parseLines, type Version } from "../../format/lines.js";
import {
  codeOfKey,
  codeOfText,
  SortedCursor,
  type SortedFrame,
  type Window,
} from "../../format/merge.js";
import type { Instant } from "../../instant.js";
import type { OrderCode } from "../../key-order.js";
import { partsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { FoldedPart, FoldedRecords } from "./folded.js";
import type { FoldedPiece } from "./pieces.js";

/**
 * A cursor over the versions of a table in a window; it calls `onVersion` for each. Throws if a part of the table is
 * lost.
 */
export function foldedCursor(
  store: ObjectStore,
  piece: FoldedPiece,
  table: string,
  window: Window,
  { onVersion, keysOnly = false }: { onVersion?: () => void; keysOnly?: boolean } = {},
): SortedCursor {
  const frames = foldedFrames(store, partsOf(piece, table), window, keysOnly);
  return new SortedCursor(frames, window, onVersion);
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
  keysOnly: boolean,
): AsyncGenerator<SortedFrame> {
  const isIn = ({ minTime, maxTime }: { minTime?: Instant; maxTime?: Instant }) =>
    maxTime! > after && minTime! <= until;
  const opening = severalAtOnce(parts.filter(isIn), partsAtOnce, ({ name, checksum }) =>
    DataObject.open(store, name, "foldedPart", checksum),
  );
  for await (const object of opening) {
    const frames = keysOnly ? object.keyFrames : object.index.frames;
    for await (const lines of object.readFrames(frames.filter(isIn))) {
      yield { lines, object: object.name };
    }
  }
}

/** The versions of one key in a window, in the order of capture. Reads only the frames that can hold them. */
export async function versionsInFolded(
  store: ObjectStore,
  piece: FoldedPiece,
  table: string,
  code: OrderCode,
  { after, until }: Window,
): Promise<Version[]> {
  const found: Version[] = [];
  for (const part of partsOf(piece, table)) {
    const codeOf = (key: string | undefined) => codeOfText(key ?? "", part.name);
    if (code < codeOf(part.firstKey) || codeOf(part.lastKey) < code) continue;
    const object = await DataObject.open(store, part.name, "foldedPart", part.checksum);
    const { frames } = object.index;
    for (const [i, entry] of frames.entries()) {
      const next = frames[i + 1];
      // A key's versions may go on in the next frame.
      if (codeOf(entry.firstKey) > code || (next && codeOf(next.firstKey) < code)) continue;
      for (const version of parseLines(await object.readFrame(entry), part.name)) {
        const { key, time } = version;
        if (time > after && time <= until && codeOfKey(key, part.name) === code) {
          found.push(version);
        }
      }
    }
  }
  return found;
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
