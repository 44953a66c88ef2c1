import type { Version } from "../format/lines.js";
import type { VersionCursor } from "../format/merge.js";
import type { OrderCode } from "../key-order.js";

/** A table's versions in the log, handed out by ranges of keys: each range is merged with the part that owns it. */
export class LogRanges {
  private constructor(
    /** Each stands at its first version that has not been handed out. */
    private readonly cursors: Set<VersionCursor>,
  ) {}

  static async begin(cursors: VersionCursor[]): Promise<LogRanges> {
    const standing = new Set<VersionCursor>();
    for (const cursor of cursors) if (await cursor.advance()) standing.add(cursor);
    return new LogRanges(standing);
  }

  /** Order code of the first key that has not been handed out; undefined if none is left. */
  get next(): OrderCode | undefined {
    let least: OrderCode | undefined;
    for (const { code } of this.cursors) if (least === undefined || code < least) least = code;
    return least;
  }

  /**
   * Cursors over what is left up to and including the key `end`, or over all that is left if it is absent. They MUST be
   * read to their ends before more is taken.
   */
  take(end?: OrderCode): VersionCursor[] {
    const drop = (cursor: VersionCursor) => this.cursors.delete(cursor);
    return Array.from(this.cursors, (cursor) => new RangeCursor(cursor, end, drop));
  }
}

/** Begins where `source` stands, and stops before its first key after `end`. */
class RangeCursor implements VersionCursor {
  private begun = false;

  constructor(
    private readonly source: VersionCursor,
    private readonly end: OrderCode | undefined,
    private readonly onSourceEnd: (source: VersionCursor) => void,
  ) {}

  get version(): Version {
    return this.source.version;
  }

  get code(): OrderCode {
    return this.source.code;
  }

  advance(): boolean | Promise<boolean> {
    if (!this.begun) {
      this.begun = true;
      return this.stands(true);
    }
    const more = this.source.advance();
    return typeof more === "boolean" ? this.stands(more) : more.then((is) => this.stands(is));
  }

  private stands(more: boolean): boolean {
    if (!more) this.onSourceEnd(this.source);
    return more && (this.end === undefined || this.source.code <= this.end);
  }
}
