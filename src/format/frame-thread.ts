/** What runs in the threads of compression-threads.ts. */
import { move, transferableSymbol, valueSymbol } from "piscina";
import { compressDensely } from "./frame-compressor.js";

/** Lines at the begin of a buffer that has room for the largest frame they can become. It is handed over, not copied. */
export interface FrameTask {
  buffer: ArrayBuffer;
  /** Bytes of the lines. */
  length: number;
}

/** The frame in place of the lines. */
export interface FrameDone {
  buffer: ArrayBuffer;
  /** Bytes of the frame. */
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
