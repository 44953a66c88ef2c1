import { systemClock } from "../clock.js";
import type { Instant } from "../instant.js";
import { lookAt } from "../repository/repository-view.js";
import * as stored from "../repository/status.js";
import type { Repository } from "./repository.js";
import { storedAt } from "./stored-at.js";

/**
 * What may be claimed of an instant of a table, the catalog or access.
 * `exact`: what was acknowledged by then is there. `late`: every version is there, but may be labelled too late. `gap`:
 * not watched, but the states at both ends are known. `unwatched`: nothing is known. `damaged`: a stored object that it
 * needs is missing or altered.
 */
export type CoverageClass = "exact" | "late" | "gap" | "unwatched" | "damaged";

/** A closed interval of one class. */
export interface CoverageInterval {
  from: Instant;
  to: Instant;
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  /** Of what is late: by how many ms at most. */
  lateMs?: number;
  /** Where the history is thinned: of every span of so many ms only the last ms is kept, and the instants `kept`. */
  resolutionMs?: number;
  kept?: Instant[];
}

export interface TableStatus {
  /** A UUID, which a table keeps when it is renamed. */
  id: string;
  /** "db.table"; the last name it had, for a dropped table. */
  name: string;
  /** What the last capture said of it. Whether one runs still says `capture` of the repository. */
  state: "copying" | "resyncing" | "live" | "gap" | "stopped" | "dropped" | "not captured";
  /** Documents at the last captured instant; undefined before the first copy is complete. */
  documents: number | undefined;
  /** False if `documents` is only near. A fold makes it exact. */
  documentsExact: boolean;
  /** The first and the last instant to which it can be restored exactly. */
  firstRestorable: Instant | undefined;
  lastRestorable: Instant | undefined;
  /** In order, without overlap. */
  intervals: CoverageInterval[];
  /** What the newest drill that found the table equal has proven. */
  lastProven: Proof | undefined;
}

/** What is known of the catalog, or of access: of users and grants. */
export interface SystemStatus {
  /** The instant up to which it is known; undefined if it never was. */
  knownTo: Instant | undefined;
  /** By how many ms that is behind the tables. */
  behindMs: number;
  intervals: CoverageInterval[];
}

/** That a drill restored an instant and found it equal. */
export interface Proof {
  instant: Instant;
  /** When the drill ended. */
  done: Instant;
}

export interface RepositoryStatus {
  /** The repository's id. */
  repository: string;
  /**
   * The newest instant to which everything can be restored exactly: all tables that are there and watched, the catalog, and
   * users and grants if they were ever known. Undefined while a first copy is not complete.
   */
  restorableUntil: Instant | undefined;
  /** The same without users and grants. */
  restorableWithoutAccess: Instant | undefined;
  /**
   * Whether somebody captures, by what is stored. `ended`: in order. `silent`: nothing was stored for longer than a capture
   * is still that runs and can store. `heardOf` is when it last was.
   */
  capture: {
    state: "running" | "ended" | "silent" | "never";
    heardOf: Instant | undefined;
  };
  /** End of the last segment: some ten seconds old at most while a capture runs and its store is well. */
  lastSegment: Instant | undefined;
  /** Of the drill that covers most of the tables that are there: it covers `tables` of `of`. */
  lastProven: (Proof & { tables: number; of: number }) | undefined;
  /** True if the newest drill failed. */
  lastDrillFailed: boolean;
  /** The tiers that are declared, such as "all:7d, 1d:365d"; null if every change is kept for ever. */
  keep: string | null;
  /** By name. */
  tables: TableStatus[];
  /** Undefined if it was never read. */
  catalog: SystemStatus | undefined;
  access: SystemStatus | undefined;
}

/**
 * What is captured, and which instants can be restored. Reads stored objects alone, so the source is not needed.
 * @throws {ThinkbackError} `damaged` for an object that this needs and cannot be used; `repository`
 */
export async function readStatus(repository: Repository): Promise<RepositoryStatus> {
  const now = systemClock.now();
  const status = await lookAt(storedAt(repository), (view) => stored.readStatus(view, now));
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
