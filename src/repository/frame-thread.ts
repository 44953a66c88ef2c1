/** What runs in the threads of compression-threads.ts. The memory of frames is handed over and back, not copied. */
import { move, transferableSymbol, valueSymbol } from "piscina";
import { compressDensely } from "./frame-compressor.js";

/** Lines, at the begin of a buffer. */
export interface FrameTask {
  buffer: ArrayBuffer;
  length: number;
}

export interface FrameDone {
  bytes: Uint8Array<ArrayBuffer>;
  /** See CompressedFrame. */
  checksum: string;
  /** That of the task, to be used again. */
  buffer: ArrayBuffer;
}

export default function compress({ buffer, length }: FrameTask): object {
  const { bytes, checksum } = compressDensely(Buffer.from(buffer, 0, length));
  const done = { bytes, checksum, buffer };
  return move({ [transferableSymbol]: [bytes.buffer, buffer], [valueSymbol]: done });
}
