/**
 * Thins a history: a version stays if it is the state of its key at some kept instant. Kept instants are the last
 * millisecond of every span of the resolution, and the pinned instants.
 *
 * The last version of a key always stays: what comes after the folded segment is merged onto it.
 */

import { lineOverheadBytes, writeVersionLine } from "../format/lines.js";
import type { MergedLine } from "../format/merge.js";
import type { Instant } from "../instant.js";

export class Thinning {
  /** The version taken last; whether it stays depends on the next one. */
  private held: MergedLine | undefined;
  private readonly pinned: Instant[];

  constructor(
    private readonly resolutionMs: number,
    pinned: Instant[],
  ) {
    this.pinned = [...pinned].sort((a, b) => a - b);
  }

  /** Takes versions sorted by key, those of one key in the order of capture; returns those that stay. */
  next(lines: MergedLine[]): MergedLine[] {
    const staying: MergedLine[] = [];
    for (const line of lines) {
      const { held } = this;
      if (held && (held.code !== line.code || this.isShown(held, line.version.time))) {
        staying.push(withoutPrevious(held));
      }
      this.held = line;
    }
    return staying;
  }

  /** Ends a table: returns its last version, which stays. */
  end(): MergedLine[] {
    const { held } = this;
    this.held = undefined;
    return held ? [withoutPrevious(held)] : [];
  }

  /** True if a kept instant lies at or after the version and before the next one of its key. */
  private isShown({ version: { time } }: MergedLine, next: Instant): boolean {
    const endOfSpan = (Math.floor(time / this.resolutionMs) + 1) * this.resolutionMs - 1;
    return endOfSpan < next || this.pinned.some((pin) => time <= pin && pin < next);
  }
}

/** The line without the digest of the version before: that one may be gone, so its digest proves nothing any more. */
function withoutPrevious({ code, version }: MergedLine): MergedLine {
  const { key, time, sequence, document } = version;
  const line = Buffer.allocUnsafe(key.length + (document?.length ?? 4) + lineOverheadBytes);
  const end = writeVersionLine(line, 0, key, time, sequence, document);
  return { code, version, line: line.subarray(0, end - 1) };
}
