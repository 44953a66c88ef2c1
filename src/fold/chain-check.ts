/**
 * Checks version chains: each version names the digest of the version before it. If the version stored before it has
 * another digest, a change was missed.
 */
import { digestOf } from "../digest.js";
import type { Version } from "../format/lines.js";
import type { Instant } from "../instant.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { intervalAt, isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Evidence } from "../repository/records/evidence.js";
import { textOfJson } from "../server-text.js";

/** At most so many breaks are noted: one is proof enough, more only say where else. */
const breaksMax = 100;

export class ChainCheck {
  readonly breaks: Evidence[] = [];

  constructor(
    private readonly coverage: TableCoverage,
    private readonly base: BaseManifest,
  ) {}

  /** Notes a break unless `after` names `before`, which is undefined if no earlier version of the key is known. */
  follow(before: Version | undefined, after: Version): void {
    if (after.previous === undefined || this.breaks.length >= breaksMax) return;
    const at = after.firstTime ?? after.time;
    if (!this.isProvable(at)) return;
    const stored = before?.document ? digestOf(before.document) : null;
    if (stored === after.previous) return;
    this.breaks.push({
      table: this.coverage.table,
      key: textOfJson(after.key),
      before: Math.max(before?.time ?? 0, this.base.instant),
      at,
      sequence: after.sequence,
      named: after.previous,
      stored,
    });
  }

  /**
   * True if a break at `at` proves something. While a scan runs, an event may arrive after a row that already holds it.
   * So chains are checked only after the base, and only in intervals that hold every version. The first millisecond of
   * such an interval is left out: all versions of one millisecond have the same time, and the last events of the scan
   * may be among them. At an instant at which a writer went on where another ended, versions may come a second time.
   */
  private isProvable(at: Instant): boolean {
    const interval = intervalAt(this.coverage, at);
    const isRepeat = this.coverage.continued?.includes(at) === true;
    return (
      at > this.base.instant &&
      interval !== undefined &&
      isWhole(interval) &&
      at > interval.from &&
      !isRepeat
    );
  }
}
