/** What a restore will do, computed from stored objects before anything is written. */
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { type AsOf, asOf, beforeLate, leastFrontier, type NoState } from "../repository/as-of.js";
import { type BaseManifest, newestBase } from "../repository/base.js";
import { type Catalog, catalogAt, tableNamed } from "../repository/catalog.js";
import {
  type CoverageInterval,
  intervalAt,
  isWhole,
  lastExactIn,
  type TableCoverage,
} from "../repository/coverage.js";
import { type Coverage, readAllCoverage } from "../repository/coverage-reader.js";
import { endOfLog } from "../repository/log-end.js";
import { type LogPiece, LogView } from "../repository/log-view.js";
import type { Repository } from "../repository/repository.js";
import type { Wanted } from "../repository/runs.js";
import type { IndexStatus, TableConfig } from "../rethinkdb/catalog-reader.js";
import type { TableName } from "../rethinkdb/target.js";
import { RememberedStore } from "../storage/remembered-store.js";
import { type PlannedAccess, planAccess } from "./access.js";
import { type HeldBack, heldBack } from "./held-back.js";
import { accessUnknown, inexact, inexactAccess, inexactCatalog, isAllowed } from "./inexact.js";
import {
  nameOf,
  type RestoreRequest,
  refuseIdleRenames,
  refuseMeetingGrants,
  refuseMeetingTables,
  refuseTwoChoices,
  wholeDatabases,
} from "./request.js";

/** A table, as of its own `instant`: inside a gap it is the end of the gap that was asked for. */
export interface PlannedTable extends AsOf {
  config: TableConfig;
  indexes: IndexStatus[];
  from: TableName;
  to: TableName;
  base: BaseManifest;
}

export interface RestorePlan {
  instant: Instant;
  /** The instant asked for, if the history is thinned there and `instant` is the nearest one that is kept. */
  asked?: Instant;
  /** Why no later instant was taken though the tables could be restored to one. */
  heldBack?: HeldBack;
  /** Databases to have, in the names of the target. */
  databases: string[];
  tables: PlannedTable[];
  /** Of what class the catalog is, and as of when names, indexes and hooks are. */
  catalog: AsOf;
  /** Users and grants; empty unless the whole cluster is restored. */
  access: PlannedAccess;
  /** As `catalog`, of users and grants; undefined if they are not restored. */
  accessAsOf: AsOf | undefined;
  /** Without users and grants, a restore to the newest instant would go to this one. */
  withoutAccess: Instant | undefined;
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
  refuseTwoChoices(request);
  const store = new RememberedStore(of.store);
  const repository = { ...of, store };
  const log = await LogView.read(store);
  const coverage = await readAllCoverage(log);
  const instant = request.at ?? (await newestInstant(log, request, coverage));
  const { catalog, catalogAsOf, refusal } = await planCatalog(log, coverage, instant, request);
  const chosen = chooseKnown(catalog, request, catalogAsOf.instant, refusal);
  refuseIdleRenames(chosen, catalog, request);
  const captured = capturedOf(chosen, coverage.tables, instant, request);
  const kept = nearestKept(captured, coverage.tables, instant);
  if (kept !== undefined && kept !== instant && request.nearest) {
    return { asked: instant, ...(await planRestore(of, { ...request, at: kept })) };
  }
  const tables: PlannedTable[] = [];
  for (const config of captured) {
    const known = coverage.tables.get(config.id)!;
    tables.push(await planTable(repository, config, catalog, known, instant, request));
  }
  // What is wrong with a table says more, so it is said first.
  if (refusal) throw refusal;
  refuseMeetingTables(tables);
  const access = await planAccessAt(log, catalog, coverage, instant, request);
  refuseMeetingGrants(access.access);
  const held = request.at === undefined && heldBack(captured, coverage, wantsAccess(request));
  return {
    instant,
    ...(held ? { heldBack: held } : {}),
    databases: databasesToHave(catalog, tables, request),
    tables,
    catalog: catalogAsOf,
    ...access,
    withoutAccess:
      request.at === undefined ? await newestWithoutAccess(log, request, coverage) : undefined,
    notCaptured: chosen.filter((table) => !captured.includes(table)).map(nameOf),
    log: log.readFrom(of.store),
    segments: log.pieces.filter(isRead(tables)).length,
  };
}

/** What the plan's tables want of the log. */
export function wantedOf({ tables }: RestorePlan): Wanted[] {
  return tables.map(({ config, base, instant }) => {
    return { table: config.id, after: base.logFrom, until: instant };
  });
}

/** Tells of a piece of the log whether one of the tables is read from it. */
function isRead(tables: PlannedTable[]): (piece: LogPiece) => boolean {
  return (piece) =>
    tables.some(({ base, instant }) => piece.to > base.logFrom && piece.from <= instant);
}

/** The catalog that the restore goes by; and why it may not, if it is less than what is allowed. */
async function planCatalog(
  log: LogView,
  coverage: Coverage,
  instant: Instant,
  request: RestoreRequest,
): Promise<{ catalog: Catalog; catalogAsOf: AsOf; refusal: ThinkbackError | undefined }> {
  const found = systemAsOf(coverage.catalog, instant, request);
  const catalog = await catalogAt(log, found.instant ?? instant);
  if (catalog.records.size === 0) throw nothingKnown(coverage.tables, instant);
  const isEnough = found.instant === undefined ? request.allowInexact : isAllowed(found, request);
  const refusal = isEnough ? undefined : inexactCatalog(found, instant, coverage.catalog);
  if (found.instant !== undefined) return { catalog, catalogAsOf: found, refusal };
  const { why: _, ...of } = found;
  return { catalog, catalogAsOf: { ...of, instant, isOpen: false }, refusal };
}

/**
 * The catalog, or access. It is read also while a server is missing, and then holds what the others acknowledged: so who
 * takes what is not exact gets it as of the instant itself, with the tables that were made since.
 */
function systemAsOf(
  coverage: TableCoverage | undefined,
  instant: Instant,
  { gap, allowInexact }: RestoreRequest,
): AsOf | NoState {
  const found = asOf(coverage, instant, gap ?? "before");
  if (!allowInexact || gap !== undefined || found.instant === undefined) return found;
  if (found.instant === instant) return found;
  const reason = `proven only up to ${formatInstant(found.instant)}`;
  return { reason, ...found, instant };
}

/** Users and grants, for a restore of the whole cluster. */
async function planAccessAt(
  log: LogView,
  catalog: Catalog,
  coverage: Coverage,
  instant: Instant,
  request: RestoreRequest,
): Promise<Pick<RestorePlan, "access" | "accessAsOf">> {
  if (!wantsAccess(request)) return { access: { users: [], grants: [] }, accessAsOf: undefined };
  const found = systemAsOf(coverage.access, instant, request);
  if (found.instant === undefined && found.why.is === "unknown") throw accessUnknown(instant);
  if (found.instant === undefined || !isAllowed(found, request)) {
    throw inexactAccess(found, instant, coverage.access);
  }
  const { renames } = request;
  const access = planAccess(catalog, await catalogAt(log, found.instant), (db, table) => {
    if (table === undefined) return { db: renames.get(db) ?? db };
    const to = renamed({ db, name: table }, renames);
    return { db: to.db, table: to.name };
  });
  return { access, accessAsOf: found };
}

function wantsAccess({
  tables,
  databases,
  withoutAccess,
}: Pick<RestoreRequest, "tables" | "databases" | "withoutAccess">): boolean {
  return tables.length === 0 && databases.length === 0 && withoutAccess !== true;
}

/** Of the chosen tables, those that can be restored. Throws if one that is asked for by name is not among them. */
function capturedOf(
  chosen: TableConfig[],
  coverage: Map<string, TableCoverage>,
  instant: Instant,
  { tables }: RestoreRequest,
): TableConfig[] {
  if (tables.length === 0) return chosen.filter(({ id }) => capturedAt(coverage.get(id), instant));
  const missing = chosen.filter(({ id }) => !coverage.has(id)).map(nameOf);
  if (missing.length > 0) throw notCapturedError(missing);
  return chosen;
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
  request: RestoreRequest,
): string[] {
  const whole = wholeDatabases(catalog, request).map((name) => request.renames.get(name) ?? name);
  return [...new Set([...whole, ...tables.map(({ to }) => to.db)])].sort();
}

/**
 * The newest instant to which all that is chosen can be restored: the least frontier of the tables, the catalog and
 * access; and unless it is allowed, not one that is late for one of them.
 */
export async function newestInstant(
  log: LogView,
  request: Omit<RestoreRequest, "at" | "renames" | "nearest">,
  coverage: Coverage,
): Promise<Instant> {
  const newest = (await endOfLog(log))?.to ?? 0;
  const catalog = await catalogAt(log, newest);
  const chosen = newest === 0 ? [] : chooseTables(catalog, request, newest);
  const named = request.tables.length > 0;
  const tables = chosen
    .map(({ id }) => coverage.tables.get(id))
    .filter((of) => of !== undefined)
    .filter(({ watched, frontier }) => (watched || named) && frontier !== undefined);
  if (named && tables.length < chosen.length) {
    const earlier = await newestOfNames(log, request.tables, coverage);
    if (earlier !== undefined) return earlier;
  }
  if (chosen.length > 0 && tables.length === 0) throw named ? noneOf(chosen) : nothingYet();
  const access = wantsAccess(request) ? coverage.access : undefined;
  const used = [...tables, coverage.catalog, access].filter((of) => of?.frontier !== undefined);
  const until = leastFrontier(used as TableCoverage[]);
  if (until === undefined && newest === 0) throw nothingYet();
  if (until === undefined || request.allowInexact) return until ?? newest;
  return beforeLate(used as TableCoverage[], until);
}

function newestWithoutAccess(log: LogView, request: RestoreRequest, coverage: Coverage) {
  return newestInstant(log, { ...request, withoutAccess: true }, coverage);
}

/** How many ends of tables are looked at. Each costs a look at the catalog. */
const looksMax = 200;

/**
 * The newest instant at which tables of these names could be restored that are not there any more: a table that has
 * its name from one before it may have no base yet. Undefined if there is none.
 */
async function newestOfNames(
  log: LogView,
  names: string[],
  { tables }: Coverage,
): Promise<Instant | undefined> {
  const lastOf = ({ intervals }: TableCoverage) => {
    const whole = intervals.findLast((one) => one.class === "exact");
    return whole && lastExactIn(whole, whole.to);
  };
  const ends = [...tables.values()].map(lastOf).filter((end) => end !== undefined);
  const newestFirst = [...new Set(ends)].sort((a, b) => b - a);
  for (const end of newestFirst.slice(0, looksMax)) {
    const present = (await catalogAt(log, end)).tables();
    const ids = names.map((name) => present.find((table) => nameOf(table) === name)?.id ?? "");
    const isWholeThen = (id: string) =>
      isWhole(intervalAt(tables.get(id) ?? { intervals: [] }, end));
    if (ids.every(isWholeThen)) return end;
  }
  return undefined;
}

function noneOf(tables: TableConfig[]): ThinkbackError {
  const names = tables.map(nameOf).join(", ");
  return new ThinkbackError(
    "instant",
    `nothing of ${names} can be restored yet: it has no complete base`,
    {
      hint: "let `thinkback run` finish its first copy; for another table that had the name before, give --at",
    },
  );
}

function nothingYet(): ThinkbackError {
  return new ThinkbackError(
    "instant",
    "nothing can be restored yet: no table has a complete base",
    {
      hint: "let `thinkback run` finish its first copy; `thinkback status` shows how far it is",
    },
  );
}

/** The chosen tables. One that is not in a catalog that is not exact may be there nevertheless. */
function chooseKnown(
  catalog: Catalog,
  request: RestoreRequest,
  instant: Instant,
  refusal: ThinkbackError | undefined,
): TableConfig[] {
  try {
    return chooseTables(catalog, request, instant);
  } catch (error) {
    throw refusal ?? error;
  }
}

function chooseTables(
  catalog: Catalog,
  request: Pick<RestoreRequest, "tables" | "databases">,
  instant: Instant,
): TableConfig[] {
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
  const found = asOf(coverage, instant, request.gap ?? "before", request.nearest);
  // Throws, naming it, if the base that is needed is damaged.
  const base = await newestBase(repository.store, config.id, found.instant ?? instant);
  if (found.instant === undefined || !base || !isAllowed(found, request)) {
    throw inexact(from, coverage, instant, found);
  }
  const to = renamed(from, request.renames);
  return { ...found, config, indexes: catalog.indexes(config.id), from, to, base };
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
      if (interval && isWhole(interval)) nearest = lastExactIn(interval, nearest!);
    }
  }
  return nearest;
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
