/** The catalog before each stretch that a fold writes. It is read once; each folded batch brings it up to date. */
import { lineOverheadBytes, parseLine, writeVersionLine } from "../format/lines.js";
import type { Instant } from "../instant.js";
import { catalogBefore, catalogRecord } from "../repository/log/catalog.js";
import type { LogView } from "../repository/log/log-view.js";
import type { SegmentPiece } from "../repository/log/pieces.js";
import type { SegmentBatch } from "./segment-batch.js";

export class CatalogAhead {
  private constructor(
    /** JSON text of each record, by the JSON text of its key. */
    private readonly records: Map<string, string>,
    /** Names of lost objects that may have held catalog records. */
    readonly lost: string[],
  ) {}

  /** The catalog right before `segment`. */
  static async at(view: LogView, segment: SegmentPiece): Promise<CatalogAhead> {
    const { catalog, lost } = await catalogBefore(view, segment);
    return new CatalogAhead(new Map(catalog.records), lost);
  }

  /** Moves the catalog on to the end of `batch`. */
  apply(batch: SegmentBatch): void {
    for (const line of batch.records("catalog")) {
      const { name } = batch.lastSegment;
      const [key, value] = catalogRecord(parseLine(line, 0, line.length, name), name);
      if (value === null) this.records.delete(key);
      else this.records.set(key, value);
    }
  }

  /** All records as lines without newlines; each has the time `time`. */
  lines(time: Instant): Buffer[] {
    return [...this.records].map(([key, value], i) => {
      const [k, d] = [Buffer.from(key), Buffer.from(value)];
      const line = Buffer.allocUnsafe(k.length + d.length + lineOverheadBytes);
      return line.subarray(0, writeVersionLine(line, 0, k, Math.max(0, time), i, d) - 1);
    });
  }
}
