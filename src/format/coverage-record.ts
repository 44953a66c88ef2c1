/**
 * Coverage records, as they stand in the log. Capture writes one at each change of a table's state. Between records a table
 * stays as it was, up to the frontier of the epoch: where a writer ended without a word, its last segment says how far it
 * had proof.
 */
import * as v from "valibot";
import { count, fields, flag, instant, list, type Of, oneOf, text } from "./fields.js";

/** A closed interval whose versions may be labelled too late, and by how much at most. */
const late = fields({ since: instant, to: instant, lateMs: count });

const state = <const S extends string>(name: S) => ({ state: v.literal(name), since: instant });

/** A coverage record; its key is the table's id, `since` the instant from which it holds. */
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
    /** Not watched, because of a defect: tried again seldom. */
    fields({ ...state("stopped"), reason: text }),
    /** The table is gone from the source. */
    fields(state("dropped")),
    /** Changes no state: two proofs were too far apart. What came in from `since` to `to` may be labelled too late. */
    fields({ ...state("late"), ...late.entries }),
  ],
  "a state",
);

export type CoverageRecord = Of<typeof coverageRecord>;

export type LateRecord = Extract<CoverageRecord, { state: "late" }>;

/** The state that a record leaves a table in. */
export type TableState = Exclude<CoverageRecord["state"], "late">;

/** What is watched as tables are, beside them: without bases, because all of it is in the log. */
export const systemTables = ["catalog", "access"] as const;

export type SystemTable = (typeof systemTables)[number];

export function isSystemTable(table: string): table is SystemTable {
  return (systemTables as readonly string[]).includes(table);
}

/**
 * `exact`: what was acknowledged by then is there. `late`: every version is there, but may be labelled too late. `gap`:
 * not watched, but the states at both ends are known. `unwatched`: nothing is known. `damaged`: a stored object that it
 * needs is missing or unfit.
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
  /** What went wrong last. */
  reason: text,
});

/** A table that a defect has stopped, and that has not been live again. */
export type Stopped = Of<typeof stopped>;

const tableStates = ["copying", "resyncing", "live", "gap", "stopped", "dropped"] as const;

export const coverageState = fields({
  state: oneOf(tableStates),
  /** Begin of the exact interval that is still open. */
  exactFrom: v.optional(instant),
  /** The gap that is still open; `lost` if it is one only because records are lost. */
  gap: v.optional(fields({ since: instant, reason: text, lost: v.exactOptional(flag) })),
  stopped: v.optional(stopped),
  frontier: v.optional(instant),
  lastCopy: v.optional(instant),
  /** What is late and reaches beyond that place. */
  late: v.exactOptional(list(late)),
});

/** Where the records up to some place in the log leave a table; from there on more can be applied. */
export type CoverageState = Of<typeof coverageState>;

export type LateSpan = Of<typeof late>;
