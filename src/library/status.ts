import { systemClock } from "../clock.js";
import type { Instant } from "../instant.js";
import { lookAt } from "../repository/repository-view.js";
import * as stored from "../repository/status.js";
import type { Repository } from "./repository.js";
import { storedAt } from "./stored-at.js";

/**
 * How well an instant of a table, the catalog or access is known. `exact`: everything acknowledged by then is there.
 * `late`: every version is there, but may be labelled too late. `gap`: it was not watched, but the states at both ends
 * are known. `unwatched`: nothing is known. `damaged`: a stored object that it needs is missing or altered.
 */
export type CoverageClass = "exact" | "late" | "gap" | "unwatched" | "damaged";

/** A closed interval of one class. */
export interface CoverageInterval {
  from: Instant;
  to: Instant;
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  /** If it is late: by how many ms at most. */
  lateMs?: number;
  /** If the history is thinned: only the last ms of every span of so many ms is kept, and the instants in `kept`. */
  resolutionMs?: number;
  kept?: Instant[];
}

export interface TableStatus {
  /** A UUID, which a table keeps when it is renamed. */
  id: string;
  /** "db.table"; the last name it had, for a dropped table. */
  name: string;
  /** The state in which the last capture left the table. `capture` of the repository says whether one still runs. */
  state:
    | "copying"
    | "resyncing"
    | "live"
    | "gap"
    | "stopped"
    | "dropped"
    | "moved"
    | "not captured";
  /** Documents at the last captured instant; undefined before the first copy is complete. */
  documents: number | undefined;
  /** False if `documents` is only approximate. A fold makes it exact. */
  documentsExact: boolean;
  /** The first and the last instant to which it can be restored exactly. */
  firstRestorable: Instant | undefined;
  lastRestorable: Instant | undefined;
  /** In order, without overlap. */
  intervals: CoverageInterval[];
  /** The proof by the newest drill that found the table equal. */
  lastProven: Proof | undefined;
}

/** What is known of the catalog, or of access (users and grants). */
export interface SystemStatus {
  /** The instant up to which it is known; undefined if it never was. */
  knownTo: Instant | undefined;
  /** By how many ms `knownTo` is behind the tables. */
  behindMs: number;
  intervals: CoverageInterval[];
}

/** The proof that an instant can be restored: a drill restored it and found it equal. */
export interface Proof {
  instant: Instant;
  /** When the drill ended. */
  done: Instant;
}

export interface RepositoryStatus {
  /** The repository's id. */
  repository: string;
  /**
   * The newest instant to which everything can be restored exactly: all tables that are there and watched, the catalog,
   * and users and grants if they were ever known. Undefined while a first copy is not complete.
   */
  restorableUntil: Instant | undefined;
  /** The same without users and grants. */
  restorableWithoutAccess: Instant | undefined;
  /**
   * Whether a capture runs, judged by what is stored. `ended`: it ended in order. `silent`: nothing was stored for
   * longer than a capture that runs and can store ever pauses. `heardOf` is when something was last stored.
   */
  capture: {
    state: "running" | "ended" | "silent" | "never";
    heardOf: Instant | undefined;
  };
  /** End of the last segment: at most about ten seconds old while a capture runs and can store. */
  lastSegment: Instant | undefined;
  /** The proof by the drill that covers most of the existing tables: `tables` of `of`. */
  lastProven: (Proof & { tables: number; of: number }) | undefined;
  /** True if the newest drill failed. */
  lastDrillFailed: boolean;
  /** The tiers that are declared, such as "all:7d, 1d:365d"; null if every change is kept for ever. */
  keep: string | null;
  /** In the order of names. */
  tables: TableStatus[];
  /** Undefined if it was never read. */
  catalog: SystemStatus | undefined;
  /** Undefined if it was never read. */
  access: SystemStatus | undefined;
}

/**
 * Reads what is captured, and which instants can be restored. Reads stored objects alone, so it does not need the
 * source.
 * @throws {ThinkbackError} `damaged` if an object that it needs is missing or cannot be used; `repository`
 */
export async function readStatus(repository: Repository): Promise<RepositoryStatus> {
  const now = systemClock.now();
  const status = await lookAt(await storedAt(repository), (view) => stored.readStatus(view, now));
  const { restorableUntil, restorableWithoutAccess, lastSegment, lastProven } = status;
  const { capture, keep, catalog, access } = status;
  return {
    repository: repository.id,
    restorableUntil,
    restorableWithoutAccess,
    capture,
    lastSegment,
    lastProven,
    lastDrillFailed: status.lastDrillFailed !== undefined,
    keep,
    tables: status.tables.map(tableStatus),
    catalog: catalog && systemStatus(catalog),
    access: access && systemStatus(access),
  };
}

function tableStatus(table: stored.TableStatus): TableStatus {
  const { id, name, state, documents, documentsExact, intervals, lastProven } = table;
  const { firstRestorable, lastRestorable } = table;
  return {
    id,
    name,
    state,
    documents,
    documentsExact,
    firstRestorable,
    lastRestorable,
    intervals,
    lastProven,
  };
}

function systemStatus({ frontier, behindMs, intervals }: stored.SystemStatus): SystemStatus {
  return { knownTo: frontier, behindMs, intervals };
}
