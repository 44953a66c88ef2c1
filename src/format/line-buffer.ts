import { frameBytesTarget } from "./object-writer.js";

/** Collects the lines of one frame in a growing buffer, which is used again for the next frame. */
export class LineBuffer {
  private buffer: Buffer;
  /** Where the next line begins. */
  end = 0;
  rows = 0;

  constructor(initialBytes = frameBytesTarget + 64 * 1024) {
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  get byteLength(): number {
    return this.end;
  }

  /** Returns the buffer with room for a line of at most `bytesMax` bytes. Write it at `end`, then call `commit`. */
  reserve(bytesMax: number): Buffer {
    if (this.end + bytesMax > this.buffer.length) this.grow(this.end + bytesMax);
    return this.buffer;
  }

  /** Takes in the line that was just written; it ends at `end`. */
  commit(end: number): void {
    this.end = end;
    this.rows += 1;
  }

  /** The lines so far; valid until the next line. */
  lines(): Buffer {
    return this.buffer.subarray(0, this.end);
  }

  clear(): void {
    this.end = 0;
    this.rows = 0;
  }

  private grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buffer.length));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}
