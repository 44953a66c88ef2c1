/**
 * What the repository says of itself: what no process knows of its own work, such as the last drill that proved
 * something, or an object that is missing.
 */
import type { CoverageClass } from "../format/coverage-record.js";
import { type Instant, leastOf } from "../instant.js";

export interface RepositoryState {
  /** When it was read. */
  at: Instant;
  /** The newest instant to which everything can be restored exactly. */
  restorableUntil: Instant | undefined;
  /** When the drill ended that proved the most tables, and how many of all that are captured. */
  proven: { done: Instant | undefined; tables: number; of: number };
  /** The table whose last proof by a drill is the oldest: when that drill ended; undefined if one was never proven. */
  leastProven: Instant | undefined;
  /** Whether the newest drill failed, or the newest one of a table. */
  hasFailedDrill: boolean;
  /** How many intervals of the captured tables are of each class that is not exact. */
  holes: Record<HoleClass, number>;
  /** Names of captured tables of which nothing new can be restored, because a stored object is damaged. */
  damagedTables: string[];
  /** Names of keys that nobody has proven to have for too long. */
  overdueKeys: string[];
  /** Lanes in use in which no capture runs. */
  silentLanes: number[];
  segments: number;
  foldedSegments: number;
}

export const holeClasses = ["late", "gap", "unwatched", "damaged"] as const;
export type HoleClass = (typeof holeClasses)[number] & CoverageClass;

/**
 * What `thinkback status --json` prints, as far as metrics and alarms read it. It is of the same version as this
 * program. Instants are ISO 8601.
 */
export interface StatusPrinted {
  restorableUntil: string | null;
  behindNowMs: number | null;
  lastProven: { done: string; tables: number; of: number } | null;
  lastDrillFailed: { ended: string } | null;
  pins: { name: string; ended: boolean; losses: unknown[] }[];
  clockWaitedOutMs: number;
  aheadOfSource: { ms: number } | null;
  overdueKeys: { name: string }[];
  lanes: { lane: number; inUse: boolean; capture: { state: string } }[];
  segments: number;
  foldedSegments: number;
  tables: {
    id: string;
    name: string;
    lane: number;
    state: string;
    openGap: TroublePrinted | null;
    stopped: TroublePrinted | null;
    lastRestorable: string | null;
    lastProven: { done: string } | null;
    failedDrill: object | null;
    damagedSince: string | null;
    documents: number | null;
    intervals: { class: CoverageClass }[];
  }[];
}

interface TroublePrinted {
  since: string;
  reason: string;
}

/** What is printed, as a value. @param at when it was read */
export function stateOf(printed: StatusPrinted, at: Instant): RepositoryState {
  const tables = printed.tables.filter(isCaptured);
  const proofs = tables.map(({ lastProven }) => instantOf(lastProven?.done));
  const count = (wanted: HoleClass) =>
    tables.flatMap(({ intervals }) => intervals).filter((one) => one.class === wanted).length;
  const holes = Object.fromEntries(holeClasses.map((name) => [name, count(name)]));
  const { lastProven, lastDrillFailed, lanes } = printed;
  return {
    at,
    restorableUntil: instantOf(printed.restorableUntil),
    proven: {
      done: instantOf(lastProven?.done),
      tables: lastProven?.tables ?? 0,
      of: lastProven?.of ?? tables.length,
    },
    leastProven: leastOf(proofs),
    hasFailedDrill: [lastDrillFailed, ...tables.map(({ failedDrill }) => failedDrill)].some(
      Boolean,
    ),
    holes: holes as Record<HoleClass, number>,
    damagedTables: tables.filter((table) => table.damagedSince !== null).map(({ name }) => name),
    overdueKeys: printed.overdueKeys.map(({ name }) => name),
    silentLanes: lanes
      .filter(({ inUse, capture }) => inUse && capture.state !== "running")
      .map(({ lane }) => lane),
    segments: printed.segments,
    foldedSegments: printed.foldedSegments,
  };
}

/** False for a table that is not captured any more, or never was. */
export const isCaptured = ({ state }: { state: string }) =>
  !["dropped", "moved", "not captured"].includes(state);

export const instantOf = (text: string | null | undefined): Instant | undefined =>
  text === null || text === undefined ? undefined : Date.parse(text);
