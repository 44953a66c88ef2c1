import {
  type CoverageRecord,
  type CoverageState,
  isSystemTable,
  type LateSpan,
  type TableState,
} from "../../format/coverage-record.js";
import type { Instant } from "../../instant.js";
import {
  type CoverageInterval,
  overlaid,
  type TableCoverage,
  within,
  withLate,
} from "./coverage.js";

/** A writer that is well proves more often, also while nothing happens. */
const unprovenMs = 30_000;

/** Folds one table's records, in the order of the log, into intervals. */
export class CoverageBuilder {
  private intervals: CoverageInterval[] = [];
  private state: TableState = "copying";
  /** Begin of the exact interval that is still open. */
  private exactFrom: Instant | undefined;
  /** Begin and reason of the gap that is still open; only once something was exact. */
  private gap: CoverageState["gap"];
  private stopped: CoverageState["stopped"];
  /** How far the log's proof reaches, if the records of since when the table was watched are lost. */
  private reached: Instant | undefined;
  private frontier: Instant | undefined;
  /** What is late, of all that the records said so. */
  readonly late: LateSpan[] = [];
  /** Where a record that is lost may have said that something is late. */
  private readonly doubts: CoverageInterval[] = [];

  /** The instants of the copies: from each one on, only the base that it made, or a later one, will do. */
  readonly copies: Instant[] = [];

  /** @param opening where earlier records left the table */
  constructor(
    readonly table: string,
    opening?: CoverageState,
  ) {
    if (!opening) return;
    this.state = opening.state;
    this.exactFrom = opening.exactFrom;
    this.gap = opening.gap;
    this.stopped = opening.stopped;
    this.frontier = opening.frontier;
    if (opening.lastCopy !== undefined) this.copies.push(opening.lastCopy);
    this.late.push(...(opening.late ?? []));
  }

  /** Where the records so far leave the table when what comes next begins at `from`. */
  current(from: Instant): CoverageState {
    const { state, exactFrom, gap, stopped, frontier } = this;
    const late = this.late.filter(({ to }) => to >= from);
    const reached = { state, exactFrom, gap, stopped, frontier, lastCopy: this.copies.at(-1) };
    return late.length > 0 ? { ...reached, late } : reached;
  }

  apply(record: CoverageRecord): void {
    if (record.state === "late") {
      const { since, to, lateMs } = record;
      this.late.push({ since, to, lateMs });
      return;
    }
    const isCopied = record.state === "live" && this.state === "copying";
    if (isCopied && !isSystemTable(this.table)) this.copies.push(record.since);
    this.state = record.state;
    switch (record.state) {
      case "live":
        this.closeGap(record.since, "gap");
        this.exactFrom ??= record.since;
        this.frontier = record.since;
        this.stopped = undefined;
        break;
      case "gap":
        this.beginGap(record.since, record.reason);
        break;
      case "stopped":
        this.beginGap(record.since, record.reason);
        this.stopped = { since: this.stopped?.since ?? record.since, reason: record.reason };
        break;
      case "dropped":
        this.closeExact(record.since);
        this.closeGap(record.since, "unwatched");
        this.frontier = undefined;
        this.stopped = undefined;
        break;
      case "copying":
      case "resyncing":
        break;
    }
  }

  /**
   * The writer ended, having proven capture up to `frontier`.
   * @param to the end of what it wrote
   * @param lost the missing segment, if what it captured after that is lost
   */
  end(frontier: Instant, to = frontier, lost?: string): void {
    if (this.state === "dropped") return;
    const stopped = "capture was not running";
    const reason = lost
      ? `what was captured is lost: object ${lost} is missing`
      : to - frontier > unprovenMs
        ? `nothing could be proven of it, and then ${stopped}`
        : stopped;
    if (this.exactFrom !== undefined) this.beginGap(frontier, reason);
    this.state = "gap";
    this.stopped = undefined;
  }

  /** The writer may still run; its proof reaches to `frontier`. */
  reach(frontier: Instant): void {
    if (this.exactFrom !== undefined) this.frontier = Math.max(frontier, this.exactFrom);
    else this.reached = frontier;
  }

  /**
   * Goes on from what is known of after a gap in the records; up to `proven` the table is known from before it. Where it
   * is not in one stretch with what comes after, nothing is said of the gap.
   * @param lost where the gap begins and why there is one, if records are lost in it: they may have said that what came
   * in after `proven` was late
   */
  resume(
    opening: CoverageState,
    proven: Instant,
    lost: { from: Instant; reason: string } | undefined,
  ): void {
    const { exactFrom, gap, stopped, state, frontier, lastCopy } = opening;
    if (lost) {
      const { from, reason } = lost;
      this.doubts.push({ from: proven + 1, to: from - 1, class: "damaged", reason });
    }
    this.late.push(...(opening.late ?? []));
    if (this.exactFrom !== exactFrom) this.closeExact(Math.min(proven, gap?.since ?? proven));
    if (this.gap?.since !== gap?.since) this.closeGap(proven + 1, "unwatched");
    this.state = state;
    this.exactFrom = exactFrom;
    this.gap = gap;
    this.stopped = stopped;
    this.frontier = frontier;
    if (lastCopy !== undefined && !this.copies.includes(lastCopy)) this.copies.push(lastCopy);
  }

  /** Records are lost: after `proven` the table may have been watched or not. */
  lose(proven: Instant, reason: string): void {
    if (this.state === "dropped") return;
    this.beginGap(proven, reason);
    if (this.gap) this.gap = { ...this.gap, lost: true };
    this.state = "gap";
    this.stopped = undefined;
  }

  build(): Omit<TableCoverage, "watched" | "copies"> {
    const stretches = this.stretches();
    return { ...stretches, intervals: withLate(stretches.intervals, this.late) };
  }

  /** The coverage without regard to what is late: each stretch that was watched is one interval. */
  stretches(): Omit<TableCoverage, "watched" | "copies"> {
    const intervals = [...this.intervals];
    if (this.exactFrom !== undefined && this.frontier !== undefined) {
      intervals.push({ from: this.exactFrom, to: this.frontier, class: "exact" });
    }
    const { table, state, stopped, frontier, gap, reached } = this;
    if (gap?.lost && reached !== undefined && reached > gap.since) {
      const { since, reason } = gap;
      intervals.push({ from: since + 1, to: reached, class: "damaged", reason });
    }
    const undoubted = this.doubts.reduce(overlaid, intervals);
    const lastCopy = this.copies.at(-1);
    return { table, state, stopped, intervals: undoubted, frontier, lastCopy };
  }

  private beginGap(since: Instant, reason: string): void {
    if (this.exactFrom === undefined) return;
    this.closeExact(since);
    this.gap = { since, reason };
  }

  private closeExact(at: Instant): void {
    if (this.exactFrom === undefined) return;
    if (at >= this.exactFrom) {
      this.intervals.push({ from: this.exactFrom, to: at, class: "exact" });
    } else {
      // A clock that was set back shows what lies after `at` once more: nothing is claimed of it twice.
      this.intervals = this.intervals.flatMap((of) => within(of, of.from, at));
    }
    this.exactFrom = undefined;
    this.frontier = this.intervals.findLast((of) => of.class === "exact")?.to;
  }

  private closeGap(at: Instant, as: "gap" | "unwatched"): void {
    if (!this.gap) return;
    const { since, reason, lost } = this.gap;
    this.gap = undefined;
    if (at <= since + 1) return;
    this.intervals.push({ from: since + 1, to: at - 1, class: lost ? "damaged" : as, reason });
  }
}
