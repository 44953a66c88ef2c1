import type { Instant } from "../instant.js";
import { textOfJson } from "../server-text.js";
import { type FrameWriter, frameBytesTarget } from "./data-object.js";
import { LineBuffer } from "./line-buffer.js";

/** Lines in key order, cut into frames whose index entries name their first key and their times. */
export class SortedLines {
  private readonly buffer = new LineBuffer();
  private firstKey = "";
  private minTime = 0;
  private maxTime = 0;

  /** @param onFrame told the lines of each frame */
  constructor(
    private readonly object: FrameWriter,
    private readonly onFrame: (lines: Buffer) => void = () => undefined,
  ) {}

  /** Where the next line begins. */
  get end(): number {
    return this.buffer.end;
  }

  /** The buffer to write the line of this key into, at `end`; then call `commit`. */
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

  /** The line that was written ends at `end`. */
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
