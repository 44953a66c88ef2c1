/**
 * The container of every bulk object: zstd frames of NDJSON, then one skippable frame with an index and a trailer.
 * `zstd -dc` prints the lines. docs/format.md §3.1.
 */
import { sha256 } from "../digest.js";
import { damaged, newerFormat } from "../errors.js";
import { severalAtOnce } from "../several-at-once.js";
import { ObjectMissing, type ObjectStore } from "../storage/object-store.js";
import { compressFrame, type Effort, frameBytesBound } from "./compression.js";
import {
  type DataIndex,
  type FooterOf,
  type FrameEntry,
  indexOf,
  type Kind,
  kinds,
} from "./data-kinds.js";
import { checked } from "./fields.js";
import { decompress } from "./zstd.js";

export const formatVersion = 1;
const magic = Buffer.from("THINKBK1", "latin1");
const skippableMagic = 0x184d2a54;
const skippableHeaderBytes = 8;
export const trailerBytes = 48;
/**
 * How many bytes of lines close a frame; a longer line has a frame of its own. Larger frames make it dearer to read one
 * document, which takes a whole frame. Frames of half the size would need 1 % more storage.
 */
export const frameBytesTarget = 1024 * 1024;
/**
 * At most this many bytes of lines per frame: twice the largest document. An index with more is refused before reading.
 */
const frameBytesMax = 1024 * 1024 * 1024;
/** How many bytes from its end are read to open an object, in one request. Nearly every index fits. */
const tailBytes = 64 * 1024;

/** How many frames are fetched at once when frames are read in order: each request to a bucket takes its time. */
const framesAtOnce = 4;
/**
 * If an object has a frame above this size, its frames are fetched singly, because many objects may be read at once.
 */
const framesAheadBytes = 1024 * 1024;

/** The facts about a frame that its writer gives when adding it. */
export type FrameLabel = Pick<FrameEntry, "table" | "firstKey" | "minTime" | "maxTime">;

/** A finished object: its bytes and its checksum. */
export interface EncodedObject {
  bytes: Buffer;
  /**
   * SHA-256 from the trailer, hexadecimal. It covers the index, which holds the checksum of each frame, and so every
   * byte. References to this object give it.
   */
  checksum: string;
}

/** Takes the frames of an object, one after another. */
export interface FrameWriter {
  /** Adds `lines` (whole NDJSON lines, `rows` of them) as one frame. They may be overwritten afterwards. */
  addFrame(lines: Buffer, rows: number, label: FrameLabel): void;
  /** Frames that are added from now on come before those that were added until now. */
  precede(): void;
}

/**
 * Collects the frames of an object in memory. An object has at most about 16 MiB, so one put writes it. One writer can
 * make one object after another; it uses the same memory for all.
 */
export class DataObjectWriter implements FrameWriter {
  /** The object so far, and room for more. */
  private buffer = Buffer.alloc(0);
  private length = 0;
  private frames: FrameEntry[] = [];
  /** How many frames there were at each call of `precede`. */
  private blockEnds: number[] = [];
  /** Bytes of the lines so far, before compression. */
  lineBytes = 0;

  constructor(
    private readonly kind: Kind,
    private readonly effort: Effort = "fast",
  ) {}

  /** Compressed bytes so far. */
  get byteLength(): number {
    return this.length;
  }

  addFrame(lines: Buffer, rows: number, label: FrameLabel = {}): void {
    const room = this.reserve(frameBytesBound(lines.length));
    const length = compressFrame(lines, room, this.effort);
    this.frames.push({
      offset: this.length,
      length,
      size: lines.length,
      rows,
      checksum: sha256(room.subarray(0, length)),
      ...label,
    });
    this.length += length;
    this.lineBytes += lines.length;
  }

  precede(): void {
    this.blockEnds.push(this.frames.length);
  }

  /** Completes the object; the next may begin. */
  finish(footer: object): EncodedObject {
    const { frames, bytes } = this.inOrder();
    const encoded = encodeObject(this.kind, bytes, { frames, footer });
    // A writer whose object was empty gives its memory back.
    if (this.length === 0) this.buffer = Buffer.alloc(0);
    this.frames = [];
    this.blockEnds = [];
    this.length = 0;
    this.lineBytes = 0;
    return encoded;
  }

  /** The frames in their final order, and their bytes. */
  private inOrder(): { frames: FrameEntry[]; bytes: Buffer[] } {
    const frames: FrameEntry[] = [];
    const bytes: Buffer[] = [];
    let offset = 0;
    let end = this.frames.length;
    for (const begin of [0, ...this.blockEnds].reverse()) {
      const block = this.frames.slice(begin, end);
      const from = block[0]?.offset ?? 0;
      const to = this.frames[end]?.offset ?? this.length;
      end = begin;
      if (block.length === 0) continue;
      for (const frame of block) frames.push({ ...frame, offset: offset + frame.offset - from });
      bytes.push(this.buffer.subarray(from, to));
      offset += to - from;
    }
    return { frames, bytes };
  }

  /** Returns room for `size` bytes after the object so far. */
  private reserve(size: number): Buffer {
    const end = this.length + size;
    if (end > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, 2 * this.buffer.length));
      larger.set(this.buffer.subarray(0, this.length));
      this.buffer = larger;
    }
    return this.buffer.subarray(this.length, end);
  }
}

/** Encodes an object. `pieces` hold the frames, one after another, as the index in `content` says. */
export function encodeObject(
  kind: Kind,
  pieces: Buffer[],
  content: DataIndex<object>,
): EncodedObject {
  const index = Buffer.from(JSON.stringify(content));
  const header = Buffer.alloc(skippableHeaderBytes);
  header.writeUInt32LE(skippableMagic, 0);
  header.writeUInt32LE(index.length + trailerBytes, 4);
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeUInt32LE(index.length, 0);
  trailer.writeUInt16LE(formatVersion, 4);
  trailer.writeUInt8(kinds[kind].code, 6);
  const checksum = sha256(header, index, trailer.subarray(0, 8));
  trailer.write(checksum, 8, "hex");
  magic.copy(trailer, 40);
  return { bytes: Buffer.concat([...pieces, header, index, trailer]), checksum };
}

/** An object opened for reading. Its index is read and checked; its frames are fetched when they are asked for. */
export class DataObject<Footer = unknown> {
  private constructor(
    private readonly store: ObjectStore,
    readonly name: string,
    readonly index: DataIndex<Footer>,
    readonly checksum: string,
    /** The object's size in bytes. */
    readonly size: number,
    /** The whole object, if it was small enough to come with the tail. */
    private readonly whole: Buffer | undefined,
  ) {}

  /**
   * Opens an object and checks its magic, version, kind and index. Frames are checked when they are read.
   * @param expectedChecksum the checksum that the reference to this object gives
   */
  static async open<K extends Kind>(
    store: ObjectStore,
    name: string,
    kind: K,
    expectedChecksum?: string,
  ): Promise<DataObject<FooterOf<K>>> {
    const { bytes: tail, size } = await present(name, store.tail(name, tailBytes));
    const trailer = readTrailer(name, tail, kind);
    if (expectedChecksum !== undefined && expectedChecksum !== trailer.checksum) {
      throw damaged(name, "it is not the object that its reference names (checksums differ)");
    }
    const end = skippableHeaderBytes + trailer.indexLength + trailerBytes;
    if (end > size) throw damaged(name, "its index length is impossible");
    const ending =
      end <= tail.length
        ? tail.subarray(tail.length - end)
        : // A very large index: read all of it.
          await present(name, store.get(name, { start: size - end, end: size }));
    const index = readIndex(name, ending, trailer.checksum, kind, size - end);
    const whole = tail.length === size ? tail : undefined;
    return new DataObject(store, name, index, trailer.checksum, size, whole);
  }

  /** Reads and checks a frame; returns its lines. */
  async readFrame(entry: FrameEntry): Promise<Buffer> {
    return this.decode(entry, await this.fetch(entry));
  }

  /** Reads and checks frames in order; yields the lines of each. The next frames are fetched meanwhile. */
  async *readFrames(entries: readonly FrameEntry[]): AsyncGenerator<Buffer> {
    const isLarge = entries.some(({ length }) => length > framesAheadBytes);
    const atOnce = isLarge ? 1 : framesAtOnce;
    const fetching = severalAtOnce(entries, atOnce, async (entry) => {
      return { entry, bytes: await this.fetch(entry) };
    });
    for await (const { entry, bytes } of fetching) yield this.decode(entry, bytes);
  }

  private async fetch({ offset, length }: FrameEntry): Promise<Buffer> {
    const range = { start: offset, end: offset + length };
    return (
      this.whole?.subarray(range.start, range.end) ??
      present(this.name, this.store.get(this.name, range))
    );
  }

  private decode(entry: FrameEntry, bytes: Buffer): Buffer {
    const start = entry.offset;
    if (bytes.length !== entry.length) throw damaged(this.name, "it is truncated");
    if (sha256(bytes) !== entry.checksum) {
      throw damaged(this.name, `the frame at byte ${start} fails its checksum`);
    }
    let lines: Buffer;
    try {
      lines = decompress(bytes);
    } catch (error) {
      throw damaged(this.name, `the frame at byte ${start} cannot be decompressed`, error);
    }
    if (lines.length !== entry.size) {
      throw damaged(
        this.name,
        `the frame at byte ${start} does not have the length that its index says`,
      );
    }
    return lines;
  }
}

/** The result of `read`; throws if the object is missing, as it may have been deleted since it was listed. */
async function present<T>(name: string, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ObjectMissing) throw damaged(name, "it is missing", error);
    throw error;
  }
}

function readTrailer(name: string, tail: Buffer, kind: Kind) {
  const trailer = tail.subarray(Math.max(0, tail.length - trailerBytes));
  if (trailer.length !== trailerBytes || !trailer.subarray(40).equals(magic)) {
    throw damaged(name, "it does not end as a Thinkback object does (truncated?)");
  }
  const version = trailer.readUInt16LE(4);
  if (version > formatVersion) {
    throw newerFormat(name, version, formatVersion);
  }
  if (trailer.readUInt8(6) !== kinds[kind].code) throw damaged(name, `it is not of kind ${kind}`);
  return { indexLength: trailer.readUInt32LE(0), checksum: trailer.toString("hex", 8, 40) };
}

/** Parses and checks an index; also checks that its frames fill the object from 0 to `framesEnd` without a gap. */
function readIndex<K extends Kind>(
  name: string,
  ending: Buffer,
  checksum: string,
  kind: K,
  framesEnd: number,
): DataIndex<FooterOf<K>> {
  const covered = ending.subarray(0, ending.length - trailerBytes + 8);
  if (sha256(covered) !== checksum) throw damaged(name, "its index fails its checksum");
  const text = ending.toString("utf8", skippableHeaderBytes, ending.length - trailerBytes);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw damaged(name, "its index cannot be read", error);
  }
  const index = checked(indexOf(kind), content, name);
  let offset = 0;
  for (const frame of index.frames) {
    if (frame.offset !== offset || frame.size > frameBytesMax) {
      throw damaged(name, "its index does not fit its frames");
    }
    offset += frame.length;
  }
  if (offset !== framesEnd) throw damaged(name, "its index does not fit its frames");
  return index;
}
