import type { Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import type { BaseManifest } from "./bases/base.js";
import { type CoverageInterval, isWhole, type TableCoverage } from "./coverage/coverage.js";
import type { LogView } from "./log/log-view.js";
import type { LogPiece } from "./log/pieces.js";
import { type Counts, countsAt, pieceAt, totalsAt } from "./log/totals.js";

/** How often a status reads a table's changes at most, to count the documents exactly. */
const countedMax = 20;

/** How many documents a table has. */
export interface DocumentCount {
  /** Documents at the last captured instant; undefined before the first base. */
  documents: number | undefined;
  /**
   * False if `documents` is only about right: changes came while the base was being copied, or the table was not
   * watched for a time after it. It is exact again after a fold.
   */
  documentsExact: boolean;
  /**
   * The least and the most that it may have, if changes came while the base was being copied: the copy may have seen
   * none or all of them. Absent if `documents` is exact, or if nobody knows.
   */
  documentsBetween?: [least: number, most: number];
}

/** Counts the documents of a table in one lane: those of its newest base, plus inserts and minus deletes since. */
export class DocumentCounter {
  private counted = 0;
  private readonly totals = new Map<LogPiece | undefined, Promise<Map<string, Totals>>>();

  constructor(private readonly view: LogView) {}

  async count(
    base: BaseManifest | undefined,
    now: Totals,
    coverage: TableCoverage | undefined,
  ): Promise<DocumentCount> {
    if (!base) return { documents: undefined, documentsExact: false };
    const { instant, logFrom, rows, table } = base;
    const atInstant = await this.countsAt(table, instant);
    const atLogFrom = logFrom === instant ? atInstant : await this.countsAt(table, logFrom);
    if (!atInstant || !atLogFrom) return { documents: rows, documentsExact: false };
    const inserts = now.inserts - atInstant.inserts;
    const deletes = now.deletes - atInstant.deletes;
    const documents = rows + inserts - deletes;
    if (!watchedSince(base, coverage)) return { documents, documentsExact: false };
    if (atInstant.changes === atLogFrom.changes) return { documents, documentsExact: true };
    const least = documents - (atInstant.deletes - atLogFrom.deletes);
    const most = documents + (atInstant.inserts - atLogFrom.inserts);
    return { documents, documentsExact: false, documentsBetween: [Math.max(0, least), most] };
  }

  /** The counts up to `instant`; undefined if they cannot be had any more, or after `countedMax` reads. */
  private async countsAt(table: string, instant: Instant): Promise<Counts | undefined> {
    const { view, totals } = this;
    const piece = pieceAt(view, instant);
    const isRead = piece !== undefined && piece.to > instant;
    const isReadable = view.store.sealing?.readsDocuments ?? true;
    if (isRead && (this.counted >= countedMax || !isReadable)) return undefined;
    if (isRead) this.counted += 1;
    const known = totals.get(piece) ?? totalsAt(view, instant);
    totals.set(piece, known);
    return countsAt(view, table, instant, await known);
  }
}

/** True if the table was watched without a gap from the base's instant on. */
function watchedSince(base: BaseManifest, coverage: TableCoverage | undefined): boolean {
  if (!coverage || coverage.state === "copying" || coverage.state === "resyncing") return false;
  const { intervals } = coverage;
  let at = intervals.length - 1;
  while (at > 0 && isOneStretch(intervals[at - 1]!, intervals[at]!)) at -= 1;
  const first = intervals[at];
  return isWhole(first) && isWhole(intervals.at(-1)) && first!.from <= base.instant;
}

/**
 * True if two neighbouring intervals differ only in lateness. Two neighbours that are both exact have a gap between
 * them, even if no instant lies in it.
 */
function isOneStretch(before: CoverageInterval, after: CoverageInterval): boolean {
  const isLate = before.class === "late" || after.class === "late";
  return isLate && isWhole(before) && isWhole(after) && before.to + 1 === after.from;
}
