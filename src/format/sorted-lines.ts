import type { Instant } from "../instant.js";
import { textOfJson } from "../server-text.js";
import { LineBuffer } from "./line-buffer.js";
import { type FrameWriter, frameBytesTarget } from "./object-writer.js";

/**
 * Cuts lines in key order into frames. The index entry of a frame names its first key and its least and greatest time.
 */
export class SortedLines {
  private readonly buffer = new LineBuffer();
  private firstKey = "";
  private minTime = 0;
  private maxTime = 0;

  /** @param onFrame called with the lines of each frame */
  constructor(
    private readonly object: FrameWriter,
    private readonly onFrame: (lines: Buffer) => void = () => undefined,
  ) {}

  /** Where the next line begins. */
  get end(): number {
    return this.buffer.end;
  }

  /** Returns the buffer with room for the line of this key. Write it at `end`, then call `commit`. */
  begin(key: Buffer, time: Instant, bytesMax: number): Buffer {
    if (this.buffer.rows === 0) {
      this.firstKey = textOfJson(key);
      this.minTime = time;
      this.maxTime = time;
    } else if (time > this.maxTime) {
      this.maxTime = time;
    } else if (time < this.minTime) {
      this.minTime = time;
    }
    return this.buffer.reserve(bytesMax);
  }

  /** Takes in the line that was just written; it ends at `end`. */
  commit(end: number): void {
    this.buffer.commit(end);
    if (end >= frameBytesTarget) this.flush();
  }

  flush(): void {
    if (this.buffer.rows === 0) return;
    const { firstKey, minTime, maxTime } = this;
    const lines = this.buffer.lines();
    this.object.addFrame(lines, this.buffer.rows, { firstKey, minTime, maxTime });
    this.onFrame(lines);
    this.buffer.clear();
  }
}
