/**
 * Coverage records, as they are stored in the log. Capture writes one at each change of a table's state. Between
 * records a table keeps its state, up to the frontier of the epoch: if a writer was killed, its last segment says up to
 * where capture was proven.
 */
import * as v from "valibot";
import { count, fields, flag, instant, list, type Of, oneOf, text } from "./fields.js";

/** A closed interval whose versions may be labelled too late, by at most `lateMs`. */
const late = fields({
  since: instant,
  to: instant,
  lateMs: count,
  /** Why; if absent, because two proofs were so far apart. */
  reason: v.exactOptional(text),
  /**
   * Only of the catalog: ids of the tables and databases that were changed between two of its readings. All else in it
   * is not late. If absent, all of it is.
   */
  of: v.exactOptional(list(text)),
  /**
   * Beside `of`: ids of tables that were dropped meanwhile. What it says of such a table is late only where the table
   * itself is neither exact nor late: up to its last proof it was there.
   */
  gone: v.exactOptional(list(text)),
});

const state = <const S extends string>(name: S) => ({ state: v.literal(name), since: instant });

/** A coverage record. Its key is the table's id; it holds from `since` on. */
export const coverageRecord = v.variant(
  "state",
  [
    /** The feed is open; a scan makes the first base (or a new one, after a gap). */
    fields(state("copying")),
    /** The feed is open; a scan finds out what changed in the gap. */
    fields(state("resyncing")),
    /** Every version is captured. */
    fields(state("live")),
    /** Not watched. */
    fields({ ...state("gap"), reason: text }),
    /** Not watched, because of a defect; capture retries rarely. */
    fields({ ...state("stopped"), reason: text }),
    /** The table is gone from the source. */
    fields(state("dropped")),
    /** It is captured in another lane, which has a base of it, and not in this one any more. */
    fields({ ...state("moved"), lane: count }),
    /**
     * Every version is captured, as by the writer before, whose last proof is `since`: this writer's feed was open
     * before that. What its feed had delivered until `at` is in the log with the time `at`, and part of it a second
     * time.
     */
    fields({ ...state("continued"), at: instant }),
    /** Changes no state. Two proofs were too far apart, so versions from `since` to `to` may be labelled too late. */
    fields({ ...state("late"), ...late.entries }),
  ],
  "a state",
);

export type CoverageRecord = Of<typeof coverageRecord>;

export type LateRecord = Extract<CoverageRecord, { state: "late" }>;

/** The state that a record leaves a table in. */
export type TableState = Exclude<CoverageRecord["state"], "late" | "continued">;

/** True if the table is not in the lane any more, and no gap is open there: it is gone, or in another lane. */
export function hasLeft(state: TableState): boolean {
  return state === "dropped" || state === "moved";
}

/** What capture watches like tables besides the tables. It has no bases, because all of it is in the log. */
export const systemTables = ["catalog", "access"] as const;

export type SystemTable = (typeof systemTables)[number];

export function isSystemTable(table: string): table is SystemTable {
  return (systemTables as readonly string[]).includes(table);
}

/**
 * `exact`: everything acknowledged by then is there. `late`: every version is there, but may be labelled too late.
 * `gap`: not watched, but the states at both ends are known. `unwatched`: nothing is known. `damaged`: an object that
 * the state needs is missing or damaged.
 */
export type CoverageClass = "exact" | "late" | "gap" | "unwatched" | "damaged";

export const classesWorstFirst: readonly CoverageClass[] = [
  "damaged",
  "unwatched",
  "gap",
  "late",
  "exact",
];

const stopped = fields({
  /** It is not watched after this instant. */
  since: instant,
  /** The latest defect. */
  reason: text,
});

/** A stop of capture by a defect. It lasts until the table is live again. */
export type Stopped = Of<typeof stopped>;

const tableStates = ["copying", "resyncing", "live", "gap", "stopped", "dropped", "moved"] as const;

export const coverageState = fields({
  state: oneOf(tableStates),
  /** Start of the open exact interval. */
  exactFrom: v.optional(instant),
  /** The open gap; `lost` if it is only assumed because records are lost. */
  gap: v.optional(fields({ since: instant, reason: text, lost: v.exactOptional(flag) })),
  stopped: v.optional(stopped),
  frontier: v.optional(instant),
  lastCopy: v.optional(instant),
  /** Late spans that reach beyond that place. */
  late: v.exactOptional(list(late)),
});

/** The state of a table after the records up to some place in the log; later records are applied on top of it. */
export type CoverageState = Of<typeof coverageState>;

export type LateSpan = Of<typeof late>;
