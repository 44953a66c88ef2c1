/**
 * Writes bulk objects: zstd frames of NDJSON, then one skippable frame with an index and a trailer. docs/format.md
 * §3.1.
 */
import { sha256 } from "../digest.js";
import { compressFrame, type Effort, frameBytesBound } from "./compression.js";
import {
  formatVersion,
  magic,
  skippableHeaderBytes,
  skippableMagic,
  trailerBytes,
} from "./container.js";
import { type DataIndex, type FrameEntry, type Kind, kinds } from "./data-kinds.js";

/**
 * How many bytes of lines close a frame; a longer line has a frame of its own. Larger frames make it dearer to read one
 * document, which takes a whole frame. Frames of half the size would need 1 % more storage.
 */
export const frameBytesTarget = 1024 * 1024;

/** The facts about a frame that its writer gives when adding it. */
export type FrameLabel = Pick<FrameEntry, "table" | "keys" | "firstKey" | "minTime" | "maxTime">;

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
