/**
 * The log proves itself: each version names the digest of the one before it. Where that is not the version stored before
 * it, a change was missed.
 */
import { digestOf } from "../digest.js";
import type { Version } from "../format/lines.js";
import type { Instant } from "../instant.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { intervalAt, isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Evidence } from "../repository/records/evidence.js";
import { textOfJson } from "../server-text.js";

/** One break is proof enough; more only say where else. */
const breaksMax = 100;

export class ChainCheck {
  readonly breaks: Evidence[] = [];

  constructor(
    private readonly coverage: TableCoverage,
    private readonly base: BaseManifest,
  ) {}

  /** Checks that `after` follows `before`; undefined if no version of the key is known before it. */
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
   * While a scan runs, events may come after the row that holds them already; a chain is only held against the log
   * where every version is there, and begins anew after the base. The first millisecond of such an interval may hold the
   * last events of its scan too: all versions of one millisecond have one time.
   */
  private isProvable(at: Instant): boolean {
    const interval = intervalAt(this.coverage, at);
    return (
      at > this.base.instant && interval !== undefined && isWhole(interval) && at > interval.from
    );
  }
}
