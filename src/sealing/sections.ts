/** Where the sections of an object begin: documents, structure, index. docs/format.md §16.2. */
import { magic, skippableHeaderBytes, trailerBytes } from "../format/container.js";
import { type FrameEntry, kinds } from "../format/data-kinds.js";
import { isSystemStream } from "../format/segment.js";

/** The sections of an object's bytes, in their order. */
export interface Sections<T> {
  /** Frames with documents, which only readers may read. */
  documents: T;
  /** Frames without documents: keys and digests, catalog, coverage, repeated small objects. */
  structure: T;
  /** The index of a data object; all of any other object. */
  index: T;
}

/**
 * Cuts an object into its sections. Throws, as a defect of its writer, if a frame with documents comes after one
 * without.
 */
export function sectionsOf(name: string, bytes: Buffer): Sections<Buffer> {
  const framesEnd = framesEndOf(bytes);
  if (framesEnd === undefined) {
    return { documents: bytes.subarray(0, 0), structure: bytes.subarray(0, 0), index: bytes };
  }
  const text = bytes.toString(
    "utf8",
    framesEnd + skippableHeaderBytes,
    bytes.length - trailerBytes,
  );
  const { frames } = JSON.parse(text) as { frames: FrameEntry[] };
  const kind = bytes.readUInt8(bytes.length - trailerBytes + 6);
  const first = frames.findIndex((frame) => !holdsDocuments(kind, frame));
  const documentsEnd = first === -1 ? framesEnd : frames[first]!.offset;
  if (first !== -1 && frames.slice(first).some((frame) => holdsDocuments(kind, frame))) {
    throw new Error(`${name} has documents behind its structure`);
  }
  return {
    documents: bytes.subarray(0, documentsEnd),
    structure: bytes.subarray(documentsEnd, framesEnd),
    index: bytes.subarray(framesEnd),
  };
}

/** Where the frames of a data object end; undefined for any other object. */
function framesEndOf(bytes: Buffer): number | undefined {
  if (bytes.length < skippableHeaderBytes + trailerBytes) return undefined;
  if (!bytes.subarray(bytes.length - magic.length).equals(magic)) return undefined;
  const end = bytes.length - trailerBytes - bytes.readUInt32LE(bytes.length - trailerBytes);
  return end >= skippableHeaderBytes ? end - skippableHeaderBytes : undefined;
}

function holdsDocuments(kind: number, { table = "", keys }: FrameEntry): boolean {
  const whole = [kinds.basePart, kinds.run, kinds.operation, kinds.plan];
  if (whole.some(({ code }) => code === kind)) return true;
  if (kind === kinds.segment.code) return keys !== true && !isSystemStream(table);
  return kind === kinds.foldedPart.code && keys !== true;
}
