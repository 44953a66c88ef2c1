/** Reads neighbouring segments into memory, to be sorted. */
import { lineSpans, parseLine } from "../format/lines.js";
import { isLater } from "../format/merge.js";
import type { Place } from "../format/names.js";
import type { ObjectReference, SegmentFooter, SystemStream, Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { type OrderCode, orderCode } from "../key-order.js";
import type { LogView } from "../repository/log/log-view.js";

/** How many bytes of memory a line costs besides its own bytes: measured. */
const entryBytes = 400;

interface CollectedLine {
  code: OrderCode;
  key: Buffer;
  time: Instant;
  sequence: number;
  /** The line without its newline. */
  line: Buffer;
}

/** What a batch holds of an epoch. */
export interface BatchEpoch {
  /** Footer of the epoch's last segment in the batch. */
  footer: SegmentFooter;
  /** Totals of the tables that the footers name, by table id. */
  totals: Record<string, Totals>;
  /** True if one of the footers is a checkpoint, which names all tables. */
  isWhole: boolean;
}

export class SegmentBatch {
  private readonly streams = new Map<string, CollectedLine[]>();
  readonly epochs = new Map<number, BatchEpoch>();
  private firstFooter: SegmentFooter | undefined;
  private lastFooter: SegmentFooter | undefined;
  private lastReference: ObjectReference | undefined;
  private bytes = 0;
  segments = 0;
  /** Bytes of the stored segments. */
  storedBytes = 0;

  private constructor() {}

  /** Reads the segments after `after`, up to `until` or until they fill `bytesMax`, but at least one. */
  static async read(
    view: LogView,
    after: Instant,
    until: Instant,
    bytesMax: number,
  ): Promise<SegmentBatch> {
    const batch = new SegmentBatch();
    for await (const segment of view.chain(after, until)) {
      if ("manifest" in segment || batch.bytes >= bytesMax) break;
      const { frames, footer } = segment.index;
      for (const frame of frames) {
        batch.addFrame(frame.table ?? "", await segment.readFrame(frame), frame.rows, segment.name);
      }
      batch.firstFooter ??= footer;
      batch.lastFooter = footer;
      batch.addTotals(footer);
      batch.lastReference = { name: segment.name, checksum: segment.checksum };
      batch.segments += 1;
      batch.storedBytes += segment.storedSize;
    }
    return batch;
  }

  get from(): Instant {
    return this.firstFooter!.from;
  }

  get to(): Instant {
    return this.lastFooter!.to;
  }

  get first(): Place {
    return placeOf(this.firstFooter!);
  }

  get last(): Place {
    return placeOf(this.lastFooter!);
  }

  get lastSegment(): ObjectReference {
    return this.lastReference!;
  }

  get previous(): ObjectReference | null {
    return this.firstFooter!.previous;
  }

  get coverageLink(): string | null {
    return this.firstFooter!.links.coverage;
  }

  tables(): string[] {
    return [...this.streams.keys()].filter((id) => id !== "catalog" && id !== "coverage").sort();
  }

  /** The lines of a table, sorted by key; those of one key in the order of capture. */
  sorted(table: string): CollectedLine[] {
    const lines = this.streams.get(table) ?? [];
    return lines.sort((a, b) =>
      a.code === b.code ? (isLater(a, b) ? 1 : -1) : a.code < b.code ? -1 : 1,
    );
  }

  /** The lines of a system stream, in the order of capture. */
  records(stream: SystemStream): Buffer[] {
    return (this.streams.get(stream) ?? []).map(({ line }) => line);
  }

  private addTotals(footer: SegmentFooter): void {
    const { epoch, totals, checkpoint } = footer;
    const before = this.epochs.get(epoch);
    const isWhole = checkpoint || before?.isWhole === true;
    this.epochs.set(epoch, { footer, totals: { ...before?.totals, ...totals }, isWhole });
  }

  private addFrame(stream: string, lines: Buffer, rows: number, object: string): void {
    const isTable = stream !== "catalog" && stream !== "coverage";
    let collected = this.streams.get(stream);
    if (!collected) this.streams.set(stream, (collected = []));
    const before = collected.length;
    for (const { start, end } of lineSpans(lines, object)) {
      const { key, time, sequence } = parseLine(lines, start, end, object);
      const code = isTable ? orderCode(key) : "";
      collected.push({ code, key, time, sequence, line: lines.subarray(start, end) });
    }
    if (collected.length - before !== rows) {
      throw new Error(`${object} has ${collected.length - before} lines in a frame of ${rows}`);
    }
    this.bytes += lines.length + rows * entryBytes;
  }
}

function placeOf({ epoch, sequence }: SegmentFooter): Place {
  return { epoch, sequence };
}
