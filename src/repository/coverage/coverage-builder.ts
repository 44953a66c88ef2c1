import {
  type CoverageRecord,
  type CoverageState,
  hasLeft,
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

/** How long a writer may go without a proof before a gap's reason says so. It proves more often, even when idle. */
const unprovenMs = 30_000;

/** Turns one table's coverage records, in the order of the log, into intervals. */
export class CoverageBuilder {
  private intervals: CoverageInterval[] = [];
  private state: TableState = "copying";
  /** Start of the open exact interval. */
  private exactFrom: Instant | undefined;
  /** Start and reason of the open gap; there is none before something was exact. */
  private gap: CoverageState["gap"];
  private stopped: CoverageState["stopped"];
  /** How far the log's proof reaches, if no exact interval is open. It counts if the record that opened one is lost. */
  private reached: Instant | undefined;
  private frontier: Instant | undefined;
  /** The late spans of all records so far. */
  readonly late: LateSpan[] = [];
  /** Damaged intervals: lost records may have said that something in them was late. */
  private readonly doubts: CoverageInterval[] = [];

  /**
   * When each copy was complete. From each of these instants on, only the base that the copy made, or a later one, will
   * do.
   */
  readonly copies: Instant[] = [];

  /** The times of what writers had been delivered before they went on where the writer before ended. */
  readonly continued: Instant[] = [];

  /** @param opening the state of the table after earlier records */
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

  /** True if the last record says that the table is in another lane. */
  get hasMoved(): boolean {
    return this.state === "moved";
  }

  /** The state of the table after the records so far, for a folded segment that begins at `from`. */
  current(from: Instant): CoverageState {
    const { state, exactFrom, gap, stopped, frontier } = this;
    const late = this.late.filter(({ to }) => to >= from);
    const reached = { state, exactFrom, gap, stopped, frontier, lastCopy: this.copies.at(-1) };
    return late.length > 0 ? { ...reached, late } : reached;
  }

  apply(record: CoverageRecord): void {
    if (record.state === "late") {
      const { state: _, ...span } = record;
      this.late.push(span);
      return;
    }
    if (record.state === "continued") {
      this.continue(record.since, record.at);
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
      case "moved":
        this.closeExact(record.since);
        this.closeGap(record.since, "gap");
        this.stopped = undefined;
        break;
      case "copying":
      case "resyncing":
        break;
    }
  }

  /**
   * Takes back the gap that the end of the epoch before has opened: there was none. If that gap begins earlier than the
   * record says, the end of the log before is lost.
   */
  private continue(since: Instant, at: Instant): void {
    const { gap } = this;
    if (!gap) return;
    if (gap.lost || gap.since < since) {
      this.gap = { ...gap, lost: true };
      this.closeGap(since, "gap");
      this.exactFrom = Math.max(since, gap.since + 1);
    } else {
      const last = this.intervals.at(-1);
      const isOpenAgain = last?.class === "exact" && last.to === gap.since;
      if (isOpenAgain) this.intervals.pop();
      this.exactFrom = isOpenAgain ? last.from : gap.since;
      this.gap = undefined;
    }
    this.frontier = since;
    this.state = "live";
    this.continued.push(at);
  }

  /**
   * Takes in that an epoch ended, with capture proven up to `frontier`.
   * @param to the end of its last segment
   * @param lost name of the missing segment, if what it captured from there on is lost
   */
  end(frontier: Instant, to = frontier, lost?: string): void {
    if (hasLeft(this.state)) return;
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

  /** Takes in the frontier of the last epoch, whose writer may still run. */
  reach(frontier: Instant): void {
    if (this.exactFrom !== undefined) this.frontier = Math.max(frontier, this.exactFrom);
    else this.reached = frontier;
  }

  /**
   * Continues after a hole in the log from `opening`, which a folded segment gives. Up to `proven` the table is known
   * from before the hole. If the table was not watched in one stretch across the hole, nothing is said of the hole.
   * @param lost if records may be lost in the hole: where the hole begins, and why. These records may have said that
   * versions after `proven` were late
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

  /** Takes in that records are lost: whether the table was watched after `proven` is not known. */
  lose(proven: Instant, reason: string): void {
    if (hasLeft(this.state)) return;
    this.beginGap(proven, reason);
    if (this.gap) this.gap = { ...this.gap, lost: true };
    this.state = "gap";
    this.stopped = undefined;
  }

  build(): Omit<TableCoverage, "watched" | "copies"> {
    const stretches = this.stretches();
    return { ...stretches, intervals: withLate(stretches.intervals, this.late) };
  }

  /** The coverage without lateness: each stretch that was watched is one exact interval. */
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
    const continued = this.continued.length > 0 ? { continued: this.continued } : {};
    return { table, state, stopped, intervals: undoubted, frontier, lastCopy, ...continued };
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
      // After a clock was set back, instants after `at` come a second time: what was covered of them is taken off.
      this.intervals = this.intervals.flatMap((one) => within(one, one.from, at));
    }
    this.exactFrom = undefined;
    this.frontier = this.intervals.findLast((one) => one.class === "exact")?.to;
  }

  private closeGap(at: Instant, as: "gap" | "unwatched"): void {
    if (!this.gap) return;
    const { since, reason, lost } = this.gap;
    this.gap = undefined;
    if (at <= since + 1) return;
    this.intervals.push({ from: since + 1, to: at - 1, class: lost ? "damaged" : as, reason });
  }
}
