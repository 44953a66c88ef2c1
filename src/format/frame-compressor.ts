import { sha256 } from "../digest.js";
import { compressFrame, frameBytesBound } from "./compression.js";

/** A frame as it is stored. */
export interface CompressedFrame {
  bytes: Buffer;
  /** SHA-256 of `bytes`, hexadecimal. */
  checksum: string;
}

/**
 * Who compresses the frames of what is kept for long, with effort `dense`. The same lines MUST give the same bytes,
 * whoever compresses them.
 */
export interface FrameCompressor {
  /** Compresses lines as one frame. They may be overwritten as soon as this has returned. */
  compress(lines: Buffer): CompressedFrame | Promise<CompressedFrame>;
  /**
   * To be awaited before more frames are given: resolves when there is room for them; undefined if there is. Whoever
   * does not wait is not refused, but takes memory.
   */
  room(): Promise<void> | undefined;
}

/** Compresses at once, in the thread that calls. */
export const compressHere: FrameCompressor = {
  compress: (lines) => {
    const { bytes, checksum } = compressDensely(lines);
    return { bytes: Buffer.from(bytes), checksum };
  },
  room: () => undefined,
};

/** What frames are compressed into before their length is known. */
let scratch = Buffer.alloc(0);

/** The frame's bytes are lent: the next call overwrites them. */
export function compressDensely(lines: Buffer): CompressedFrame {
  const bytesMax = frameBytesBound(lines.length);
  if (scratch.length < bytesMax) scratch = Buffer.allocUnsafeSlow(bytesMax);
  const bytes = scratch.subarray(0, compressFrame(lines, scratch, "dense"));
  return { bytes, checksum: sha256(bytes) };
}
