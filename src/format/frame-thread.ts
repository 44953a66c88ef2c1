/** The code that runs in the threads of compression-threads.ts. */
import { move, transferableSymbol, valueSymbol } from "piscina";
import { compressDensely } from "./frame-compressor.js";

/** Lines at the start of a buffer that has room for their largest possible frame. The buffer is moved, not copied. */
export interface FrameTask {
  buffer: ArrayBuffer;
  /** Length of the lines, bytes. */
  length: number;
}

/** The frame in place of the lines. */
export interface FrameDone {
  buffer: ArrayBuffer;
  /** Length of the frame, bytes. */
  length: number;
  /** See CompressedFrame. */
  checksum: string;
}

export default function compress({ buffer, length }: FrameTask): object {
  const { bytes, checksum } = compressDensely(Buffer.from(buffer, 0, length));
  new Uint8Array(buffer).set(bytes);
  const done: FrameDone = { buffer, length: bytes.length, checksum };
  return move({ [transferableSymbol]: buffer, [valueSymbol]: done });
}
