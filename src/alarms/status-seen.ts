/** What alarms take from the status of the repository, as `thinkback status --json` prints it. */
import { instantOf, isCaptured, type StatusPrinted } from "../health/repository-state.js";
import type { Instant } from "../instant.js";

export interface StatusSeen {
  /** By how much the newest restorable instant was behind; undefined if there is none. */
  behindNowMs: number | undefined;
  tables: {
    id: string;
    name: string;
    lane: number;
    /** Why it is not watched, and since when; undefined while it is. */
    trouble: { since: Instant; reason: string } | undefined;
    isDamaged: boolean;
    /** How many documents it has; undefined if that is not known. */
    documents: number | undefined;
  }[];
  /** Lanes in which tables should be captured, and nobody does. */
  uncaptured: number[];
  lostPins: string[];
  overdueKeys: string[];
  /** When the last drill that succeeded has ended, and when the newest did, if that one failed. */
  drilled: Instant | undefined;
  drillFailed: Instant | undefined;
  /** By how much this machine's clock is off the log's time, in ms; 0 if it is not. */
  clockOffMs: number;
}

export function statusSeen(status: StatusPrinted): StatusSeen {
  return {
    behindNowMs: status.behindNowMs ?? undefined,
    tables: status.tables.filter(isCaptured).map((table) => {
      const trouble = table.stopped ?? table.openGap;
      return {
        id: table.id,
        name: table.name,
        lane: table.lane,
        trouble: trouble ? { since: Date.parse(trouble.since), reason: trouble.reason } : undefined,
        isDamaged:
          table.damagedSince !== null || table.intervals.some((one) => one.class === "damaged"),
        documents: table.documents ?? undefined,
      };
    }),
    uncaptured: status.lanes.flatMap(({ lane, inUse, capture: { state } }) =>
      inUse && (state === "silent" || state === "ended") ? [lane] : [],
    ),
    lostPins: status.pins.flatMap(({ name, ended, losses }) =>
      !ended && losses.length > 0 ? [name] : [],
    ),
    overdueKeys: status.overdueKeys.map(({ name }) => name),
    drilled: instantOf(status.lastProven?.done),
    drillFailed: instantOf(status.lastDrillFailed?.ended),
    clockOffMs: Math.max(Math.abs(status.clockWaitedOutMs), status.aheadOfSource?.ms ?? 0),
  };
}
