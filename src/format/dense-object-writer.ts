import type { FrameEntry, Kind } from "./data-kinds.js";
import type { CompressedFrame, FrameCompressor } from "./frame-compressor.js";
import {
  type EncodedObject,
  encodeObject,
  type FrameLabel,
  type FrameWriter,
} from "./object-writer.js";

/** A frame whose place in the object is not known yet. */
interface OpenFrame extends Pick<FrameEntry, "size" | "rows"> {
  label: FrameLabel;
  compressed: CompressedFrame | Promise<CompressedFrame>;
}

/** Collects the frames of a long-lived object while a compressor works on them. It writes one object after another. */
export class DenseObjectWriter implements FrameWriter {
  /** Blocks of frames, in their final order; new frames are added to the first block. */
  private blocks: OpenFrame[][] = [[]];
  /** Bytes of the lines so far, before compression. */
  lineBytes = 0;

  constructor(
    private readonly kind: Kind,
    private readonly compressor: FrameCompressor,
  ) {}

  addFrame(lines: Buffer, rows: number, label: FrameLabel = {}): void {
    const compressed = this.compressor.compress(lines);
    this.blocks[0]!.push({ size: lines.length, rows, label, compressed });
    this.lineBytes += lines.length;
  }

  /** Frames that are added from now on come before those that were added until now. */
  precede(): void {
    this.blocks.unshift([]);
  }

  /** Completes the object; the next may begin at once. Resolves when the frames are compressed. */
  finish(footer: object): Promise<EncodedObject> {
    const frames = this.blocks.flat();
    this.blocks = [[]];
    this.lineBytes = 0;
    const encoded = encode(this.kind, frames, footer);
    // If the caller never awaits it, the caller has failed for another reason.
    encoded.catch(() => undefined);
    return encoded;
  }
}

async function encode(kind: Kind, frames: OpenFrame[], footer: object): Promise<EncodedObject> {
  const entries: FrameEntry[] = [];
  const pieces: Buffer[] = [];
  let offset = 0;
  for (const { size, rows, label, compressed } of frames) {
    const { bytes, checksum } = await compressed;
    entries.push({ offset, length: bytes.length, size, rows, checksum, ...label });
    pieces.push(bytes);
    offset += bytes.length;
  }
  return encodeObject(kind, pieces, { frames: entries, footer });
}
