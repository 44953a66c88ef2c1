/** What a restore will do, computed from stored objects before anything is written. */
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { type BaseManifest, newestBase } from "../repository/base.js";
import { type Catalog, catalogAt, tableNamed } from "../repository/catalog.js";
import {
  type CoverageClass,
  type CoverageInterval,
  intervalAt,
  isExactAt,
  lastExactIn,
  nearestExact,
  type TableCoverage,
} from "../repository/coverage.js";
import { readCoverage } from "../repository/coverage-reader.js";
import { formatResolution } from "../repository/keep-policy.js";
import { endOfLog } from "../repository/log-end.js";
import { LogView } from "../repository/log-view.js";
import type { Repository } from "../repository/repository.js";
import type { IndexStatus, TableConfig } from "../rethinkdb/catalog-reader.js";
import type { TableName } from "../rethinkdb/target.js";
import { RememberedStore } from "../storage/remembered-store.js";
import { type PlannedAccess, planAccess } from "./access.js";

export interface RestoreRequest {
  /** The newest instant to which all chosen tables can be restored, if absent. */
  at?: Instant;
  /** "db.table" each; all tables of `databases`, or of the cluster, if empty. */
  tables: string[];
  databases: string[];
  /** Old name to new: "db.table" to "db.table", or "db" to "db". */
  renames: Map<string, string>;
  /** Restore instants that are not exact. */
  allowInexact: boolean;
  /** Where the history is thinned, restore the last instant before that is kept. */
  nearest: boolean;
}

export interface PlannedTable {
  config: TableConfig;
  indexes: IndexStatus[];
  from: TableName;
  to: TableName;
  class: CoverageClass;
  /** Why it is not exact. */
  reason?: string;
  base: BaseManifest;
}

export interface RestorePlan {
  instant: Instant;
  /** The instant asked for, if the history is thinned there and `instant` is the nearest one that is kept. */
  asked?: Instant;
  /** Databases to have, in the names of the target. */
  databases: string[];
  tables: PlannedTable[];
  /** Users and grants; empty unless the whole cluster is restored. */
  access: PlannedAccess;
  /** Tables that existed at the instant, but of which nothing was captured. */
  notCaptured: string[];
  /**
   * The log as it was looked at: this is to be read. A later look may find the history thinned at the instant, or let go.
   */
  log: LogView;
  /** What is read of the log, for all tables together. */
  segments: number;
}

export async function planRestore(of: Repository, request: RestoreRequest): Promise<RestorePlan> {
  const store = new RememberedStore(of.store);
  const repository = { ...of, store };
  const log = await LogView.read(store);
  const coverage = await readCoverage(log);
  const instant = request.at ?? (await newestInstant(repository, request, coverage));
  const catalog = await catalogAt(store, instant);
  if (catalog.records.size === 0) throw nothingKnown(coverage, instant);
  const chosen = chooseTables(catalog, request, instant);
  refuseIdleRenames(chosen, catalog, request);
  const isCaptured = ({ id }: TableConfig) => capturedAt(coverage.get(id), instant);
  const named = request.tables.length > 0;
  const captured = chosen.filter((table) => (named ? coverage.has(table.id) : isCaptured(table)));
  const notCaptured = chosen.filter((table) => !captured.includes(table)).map(nameOf);
  if (named && notCaptured.length > 0) throw notCapturedError(notCaptured);
  const kept = nearestKept(captured, coverage, instant);
  if (kept !== undefined && kept !== instant && request.nearest) {
    return { asked: instant, ...(await planRestore(of, { ...request, at: kept })) };
  }
  const tables: PlannedTable[] = [];
  for (const config of captured) {
    tables.push(
      await planTable(repository, config, catalog, coverage.get(config.id)!, instant, request),
    );
  }
  const from = Math.min(...tables.map(({ base }) => base.logFrom));
  const segments = log.pieces.filter((piece) => piece.to > from && piece.from <= instant);
  const wholeCluster = request.tables.length === 0 && request.databases.length === 0;
  return {
    instant,
    databases: databasesToHave(catalog, tables, request),
    tables,
    access: wholeCluster ? accessOf(catalog, request) : noAccess,
    notCaptured,
    log: log.readFrom(of.store),
    segments: segments.length,
  };
}

/**
 * False if a restore of everything goes on without the table: its first copy was not complete yet, or it had been left
 * out of the capture. A hole is not that: there the table was meant to be watched.
 */
export function capturedAt(coverage: TableCoverage | undefined, instant: Instant): boolean {
  const [first, last] = [coverage?.intervals.at(0), coverage?.intervals.at(-1)];
  if (!coverage || !first || !last || instant < first.from) return false;
  return coverage.watched || instant <= last.to;
}

/** The databases of the chosen tables, and the empty ones, unless only tables were asked for. In the target's names. */
function databasesToHave(
  catalog: Catalog,
  tables: PlannedTable[],
  { tables: names, databases, renames }: RestoreRequest,
): string[] {
  const whole = catalog
    .databases()
    .map(({ name }) => name)
    .filter((name) => names.length === 0 && (databases.length === 0 || databases.includes(name)))
    .map((name) => renames.get(name) ?? name);
  return [...new Set([...whole, ...tables.map(({ to }) => to.db)])].sort();
}

/** A rename that touches nothing is a mistake that would restore under the old name. */
function refuseIdleRenames(chosen: TableConfig[], catalog: Catalog, request: RestoreRequest): void {
  const databases = catalog.databases().map(({ name }) => name);
  const names = new Set([...chosen.map(nameOf), ...chosen.map(({ db }) => db), ...databases]);
  const idle = [...request.renames.keys()].find((from) => !names.has(from));
  if (idle === undefined) return;
  throw new ThinkbackError("usage", `--rename of ${idle}, which is not among what is restored`, {
    hint: `restored are: ${chosen.map(nameOf).join(", ")}`,
  });
}

const noAccess: PlannedAccess = { users: [], grants: [] };

function accessOf(catalog: Catalog, { renames }: RestoreRequest): PlannedAccess {
  return planAccess(catalog, (db, table) => {
    if (table === undefined) return { db: renames.get(db) ?? db };
    const to = renamed({ db, name: table }, renames);
    return { db: to.db, table: to.name };
  });
}

/** The least frontier of the chosen tables: the newest instant that all of them can be restored to. */
async function newestInstant(
  repository: Repository,
  request: RestoreRequest,
  coverage: Map<string, TableCoverage>,
): Promise<Instant> {
  const newest = (await endOfLog(await LogView.read(repository.store)))?.to ?? 0;
  const catalog = await catalogAt(repository.store, newest);
  const chosen = newest === 0 ? [] : chooseTables(catalog, request, newest);
  const named = request.tables.length > 0;
  const frontiers = chosen
    .map(({ id }) => coverage.get(id))
    .filter((of) => of?.watched || named)
    .map((of) => of?.frontier)
    .filter((frontier) => frontier !== undefined);
  // Databases without tables are in the catalog alone, which is known as far as the log goes.
  if (chosen.length === 0 && newest > 0) return newest;
  if (frontiers.length === 0) {
    throw new ThinkbackError(
      "instant",
      "nothing can be restored yet: no table has a complete base",
      {
        hint: "let `thinkback run` finish its first copy; `thinkback status` shows how far it is",
      },
    );
  }
  return Math.min(...frontiers);
}

function chooseTables(catalog: Catalog, request: RestoreRequest, instant: Instant): TableConfig[] {
  if (request.tables.length > 0) {
    return request.tables.map((name) => tableNamed(catalog, name, instant));
  }
  const known = catalog.databases().map(({ name }) => name);
  const unknown = request.databases.find((db) => !known.includes(db));
  if (unknown !== undefined) {
    throw new ThinkbackError("unknown", `there was no database ${unknown} at that instant`, {
      hint: `databases known then: ${known.join(", ")}`,
    });
  }
  return catalog
    .tables()
    .filter(({ db }) => request.databases.length === 0 || request.databases.includes(db));
}

async function planTable(
  repository: Repository,
  config: TableConfig,
  catalog: Catalog,
  coverage: TableCoverage,
  instant: Instant,
  request: RestoreRequest,
): Promise<PlannedTable> {
  const from = { db: config.db, name: config.name };
  const interval = intervalAt(coverage, instant);
  const base = await newestBase(repository.store, config.id, instant);
  // Between the instants that are kept, versions are missing: no state that ever was would come out.
  const isThinned = interval?.class === "exact" && !isExactAt(interval, instant);
  const allowed = interval?.class === "exact" || request.allowInexact;
  if (!base || isThinned || !allowed) throw inexact(from, coverage, instant);
  return {
    config,
    indexes: catalog.indexes(config.id),
    from,
    to: renamed(from, request.renames),
    class: interval?.class ?? "unwatched",
    ...(interval?.reason === undefined ? {} : { reason: interval.reason }),
    base,
  };
}

function renamed(from: TableName, renames: Map<string, string>): TableName {
  const to = renames.get(`${from.db}.${from.name}`);
  if (to !== undefined) {
    const dot = to.indexOf(".");
    return { db: to.slice(0, dot), name: to.slice(dot + 1) };
  }
  return { db: renames.get(from.db) ?? from.db, name: from.name };
}

/** The last instant at or before `instant` that is kept of every table; undefined if there is none. */
function nearestKept(
  tables: TableConfig[],
  coverage: Map<string, TableCoverage>,
  instant: Instant,
): Instant | undefined {
  let nearest: Instant | undefined = instant;
  for (let before: Instant | undefined; nearest !== undefined && nearest !== before; ) {
    before = nearest;
    for (const { id } of tables) {
      const interval: CoverageInterval | undefined =
        nearest === undefined ? undefined : intervalAt(coverage.get(id)!, nearest);
      if (interval?.class === "exact") nearest = lastExactIn(interval, nearest!);
    }
  }
  return nearest;
}

/** The error for an instant that cannot be restored exactly. */
export function inexact(
  from: TableName,
  coverage: TableCoverage,
  instant: Instant,
): ThinkbackError {
  const interval = intervalAt(coverage, instant);
  const nearest = nearestExact(coverage, instant).map(formatInstant);
  if (interval?.class === "exact" && interval.resolutionMs !== undefined) {
    const resolution = formatResolution(interval.resolutionMs);
    return new ThinkbackError(
      "instant",
      `${from.db}.${from.name} cannot be restored exactly to ${formatInstant(instant)}: ` +
        `its history is thinned there, to ${resolution}`,
      {
        hint:
          nearest.length === 0
            ? "none is kept of this table"
            : `kept: ${nearest.join(" and ")}; --nearest takes the one before, if there is one`,
      },
    );
  }
  const why = interval?.reason === undefined ? "" : ` (${interval.reason})`;
  return new ThinkbackError(
    interval?.class === "damaged" ? "damaged" : "instant",
    `${from.db}.${from.name} cannot be restored exactly to ${formatInstant(instant)}: ` +
      `that instant is ${interval?.class ?? "unwatched"}${why}`,
    {
      hint:
        nearest.length === 0
          ? "no instant of this table can be restored yet; `thinkback status` shows how far its copy is"
          : `nearest exact: ${nearest.join(" and ")}${interval ? "; or give --allow-inexact" : ""}`,
    },
  );
}

function nothingKnown(coverage: Map<string, TableCoverage>, instant: Instant): ThinkbackError {
  const first = Math.min(
    ...[...coverage.values()].flatMap(({ intervals }) => intervals.map((i) => i.from)),
  );
  return new ThinkbackError("instant", `nothing was captured yet at ${formatInstant(instant)}`, {
    hint: Number.isFinite(first)
      ? `the first restorable instant is ${formatInstant(first)}`
      : "no instant can be restored yet; `thinkback status` shows how far the first copy is",
  });
}

function notCapturedError(names: string[]): ThinkbackError {
  return new ThinkbackError("instant", `nothing was captured of ${names.join(", ")}`, {
    hint: "it was excluded (see --include and --exclude of `thinkback run`), or its first copy had not begun",
  });
}

function nameOf({ db, name }: TableConfig): string {
  return `${db}.${name}`;
}
