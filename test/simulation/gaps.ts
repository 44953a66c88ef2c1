/** What is not exact must be so because of a fault: one that was there, and whose effect can last so long. */
import type { CoverageInterval, TableCoverage } from "../../src/repository/coverage/coverage.js";
import type { FaultWindow } from "./faults.js";
import { at } from "./model.js";

/** How long before a fault begins its effect may begin, and how long after its end it may end. */
interface Reach {
  beforeMs: number;
  afterMs: number;
}

/**
 * A frontier is the end of a tick, at most a minute old in what a writer that died had written. A gap ends when the resync
 * is done: the heartbeat, the longest pause before opening again, the scan.
 */
const gapReach: Reach = { beforeMs: 65_000, afterMs: 45_000 };
/** A proof that was under way when it began had its mark a second before; an answer is waited for 30 s. */
const lateReach: Reach = { beforeMs: 4000, afterMs: 35_000 };
/**
 * Of a table of a few documents nothing can be proven from when writes that change nothing come together with the first
 * document of a hash shard, or with the end of its first one, until nothing is written for a second: no count fits, and
 * no fence is known to reach all.
 */
const briefMsMax = 6000;
/** Two surveys lie within a pause of this length that are a second apart. */
export const calmMs = 2500;
/** A frontier is as old as a tick, when a table is dropped. */
const beforeDropMs = 3000;

export class Gaps {
  /** How much time was seen of each class, over all that is watched. */
  readonly measured = { exactMs: 0, lateMs: 0, otherMs: 0, unexplainedMs: 0 };

  constructor(
    private readonly windows: readonly FaultWindow[],
    private readonly momentOf: (instant: number) => number | undefined,
  ) {}

  /**
   * What of a table's coverage no fault explains.
   * @param isExcused true if a clock explains what ends with an instant, and so at a moment
   * @param isBusy true if it never went unchanged for calmMs between two moments
   */
  find(
    { table, intervals }: TableCoverage,
    droppedMs: number,
    isExcused: (to: number, endedMs: number) => boolean,
    isBusy: (fromMs: number, toMs: number) => boolean,
  ): string[] {
    const gaps: string[] = [];
    for (const interval of intervals) {
      const { from, to, class: of, reason, lateMs = Infinity } = interval;
      const began = this.momentOf(from - 1);
      const ended = this.momentOf(to);
      if (began === undefined || ended === undefined) continue;
      this.measure(of, ended - began);
      // That a table is gone is no gap.
      if (of === "exact" || began >= droppedMs - beforeDropMs || isExcused(to, ended)) continue;
      const explained = this.explainedTo(began, of);
      if (explained >= ended) continue;
      this.measured.unexplainedMs += ended - explained;
      if (lateMs <= briefMsMax || (of === "late" && isBusy(explained, ended))) continue;
      gaps.push(
        `${table} is ${of} (${reason}) from ${at(began)} to ${at(ended)}, but nothing was wrong after ${at(explained)}`,
      );
    }
    return gaps;
  }

  private measure(of: CoverageInterval["class"], ms: number): void {
    const { measured } = this;
    if (of === "exact") measured.exactMs += ms;
    else if (of === "late") measured.lateMs += ms;
    else measured.otherMs += ms;
  }

  /** Until when faults explain what begins at a moment and is of a class. */
  private explainedTo(began: number, of: CoverageInterval["class"]): number {
    const { beforeMs, afterMs } = of === "late" ? lateReach : gapReach;
    let explained = began;
    for (const { fromMs, toMs, makes } of this.windows) {
      const counts = makes !== "late" || of === "late";
      if (counts && fromMs - beforeMs <= explained) {
        explained = Math.max(explained, toMs + afterMs);
      }
    }
    return explained;
  }
}
