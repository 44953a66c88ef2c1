import { sha256 } from "../digest.js";
import { compressFrame, frameBytesBound } from "./compression.js";

/** A frame as it is stored. */
export interface CompressedFrame {
  bytes: Buffer;
  /** SHA-256 of `bytes`, hexadecimal. */
  checksum: string;
}

/**
 * Compresses the frames of long-lived objects, with effort `dense`. The same lines MUST give the same bytes with every
 * implementation.
 */
export interface FrameCompressor {
  /** Compresses lines as one frame. They may be overwritten as soon as this has returned. */
  compress(lines: Buffer): CompressedFrame | Promise<CompressedFrame>;
  /**
   * Resolves when there is room for more frames; undefined if there is room now. The caller should await it before
   * giving more; a caller that does not is not refused, but its frames take memory.
   */
  room(): Promise<void> | undefined;
}

/** Compresses at once, in the calling thread. */
export const compressHere: FrameCompressor = {
  compress: (lines) => {
    const { bytes, checksum } = compressDensely(lines);
    return { bytes: Buffer.from(bytes), checksum };
  },
  room: () => undefined,
};

/** The buffer that frames are compressed into before their length is known. */
let scratch = Buffer.alloc(0);

/** Compresses lines with effort `dense`. The next call overwrites the returned bytes. */
export function compressDensely(lines: Buffer): CompressedFrame {
  const bytesMax = frameBytesBound(lines.length);
  if (scratch.length < bytesMax) scratch = Buffer.allocUnsafeSlow(bytesMax);
  const bytes = scratch.subarray(0, compressFrame(lines, scratch, "dense"));
  return { bytes, checksum: sha256(bytes) };
}
