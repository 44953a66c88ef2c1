/** Plans what a restore will do, from stored objects alone, before anything is written. */
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import { isDamage, ThinkbackError, UnusableObject } from "../errors.js";
import type { CoverageClass } from "../format/coverage-record.js";
import { formatInstant, type Instant } from "../instant.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { catalogInScope } from "../repository/catalog-in-scope.js";
import { type AsOf, asOf, type NoState } from "../repository/coverage/as-of.js";
import {
  intervalAt,
  isKeptAt,
  isWhole,
  type TableCoverage,
} from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import type { Catalog } from "../repository/log/catalog.js";
import { type LogHole, passing, type ReadLog } from "../repository/log/log-view.js";
import type { LogPiece } from "../repository/log/pieces.js";
import type { Wanted } from "../repository/log/runs.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { capturedAt, Restorable } from "../repository/restorable.js";
import type { TableName } from "../rethinkdb/target.js";
import { type PlannedAccess, planAccess } from "./access.js";
import { nameAt } from "./beside.js";
import { chooseTables } from "./choose.js";
import { sayingWhen } from "./gone-table.js";
import type { HeldBack } from "./held-back.js";
import {
  type Allowed,
  accessUnknown,
  inexact,
  inexactAccess,
  inexactCatalog,
  isAllowed,
} from "./inexact.js";
import { newestInstant } from "./newest.js";
import {
  type ChosenDocuments,
  type DocumentMask,
  isPart,
  nameOf,
  type RestoreRequest,
  refuseIdleRenames,
  refuseMeetingGrants,
  refuseMeetingTables,
  refuseSystemDatabase,
  refuseTwoChoices,
  refuseUnknownMapped,
  scopeOf,
  selected,
  wholeDatabases,
} from "./request.js";

/** A table of a plan. Its own `instant` is inside a gap the end of the gap that was asked for. */
export interface PlannedTable extends AsOf {
  config: TableConfig;
  indexes: IndexStatus[];
  from: TableName;
  to: TableName;
  /** The lane that it is restored from: base and log are those of the lane. */
  lane: number;
  base: BaseManifest;
  /** Holes of the log between the base and the instant: their changes are not restored. Empty unless damaged. */
  missing: LogHole[];
  /** Which of its documents are restored. */
  chosen: ChosenDocuments;
  /** How they are changed; undefined if they are restored as they were. */
  mask: DocumentMask | undefined;
}

export interface RestorePlan {
  instant: Instant;
  /** The instant asked for, if the history is thinned there and `instant` is the nearest one that is kept. */
  asked?: Instant;
  /** Why no later instant was taken, though tables could be restored to one. */
  heldBack?: HeldBack;
  /** Databases that the target has to have, in its names. */
  databases: string[];
  tables: PlannedTable[];
  /** The class of the catalog, and the instant as of which names, indexes and hooks are taken. */
  catalog: AsOf;
  /** Users and grants; empty unless the whole cluster is restored. */
  access: PlannedAccess;
  /** The same for users and grants; undefined if they are not restored. */
  accessAsOf: AsOf | undefined;
  /** The newest instant for a restore without users and grants; undefined if an instant was asked for. */
  withoutAccess: Instant | undefined;
  /** Tables that existed at the instant, but of which nothing was captured. */
  notCaptured: string[];
  /** Tables that were asked for, but none of whose documents is. */
  notSelected: string[];
  /** The file that says of which tables documents are asked for. */
  selectedBy?: string;
  /**
   * The log of each lane that is read, as the plan was made from it. The restore MUST read these: in a later look the
   * history may be thinned at the instant, or expired.
   */
  logs: ReadonlyMap<number, ReadLog>;
  /** How many pieces of the log are read, for all tables together. */
  segments: number;
}

/** What a plan is made from, all of one look. */
interface Ground {
  view: RepositoryView;
  coverage: Coverage;
  request: RestoreRequest;
  instant: Instant;
}

export async function planRestore(
  view: RepositoryView,
  request: RestoreRequest,
): Promise<RestorePlan> {
  refuseTwoChoices(request);
  return sayingWhen(view, () => planBy(view, request));
}

async function planBy(view: RepositoryView, request: RestoreRequest): Promise<RestorePlan> {
  const coverage = await view.coverage();
  const newest = request.at === undefined ? await newestInstant(view, request) : undefined;
  const { instant, heldBack } = newest ?? { instant: request.at! };
  const ground: Ground = { view, coverage, request, instant };
  const { catalog, catalogAsOf, refusal } = await planCatalog(ground);
  if (scopeOf(request).access && !coverage.access) throw accessUnknown(instant);
  const known = chooseKnown(catalog, request, catalogAsOf.instant, refusal);
  const { tables: chosen, notSelected } = selected(known, request);
  refuseIdleRenames(chosen, catalog, request);
  refuseSystemDatabase(request);
  const captured = capturedOf(chosen, coverage.tables, instant, request);
  const kept = request.nearest ? await nearestKept(captured, ground) : undefined;
  if (kept !== undefined) {
    return { asked: instant, ...(await planRestore(view, { ...request, at: kept })) };
  }
  const tables: PlannedTable[] = [];
  for (const config of captured) tables.push(await planTable(ground, config, catalog));
  // Thrown only now, because an error about a table tells more.
  if (refusal) throw refusal;
  refuseMeetingTables(tables);
  const access = await planAccessAt(ground, catalog);
  refuseMeetingGrants(access.access);
  const mapping = request.documentsOf?.mapping;
  const without = newest && (await newestInstant(view, { ...request, withoutAccess: true }));
  return {
    instant,
    ...(heldBack ? { heldBack } : {}),
    databases: databasesToHave(catalog, tables, request),
    tables,
    catalog: catalogAsOf,
    ...access,
    withoutAccess: without?.instant,
    notCaptured: chosen.filter((table) => !captured.includes(table)).map(nameOf),
    notSelected,
    ...(mapping ? { selectedBy: mapping.file } : {}),
    ...logsOf(view, tables),
  };
}

function logsOf(
  view: RepositoryView,
  tables: PlannedTable[],
): Pick<RestorePlan, "logs" | "segments"> {
  const logs = new Map<number, ReadLog>();
  let segments = 0;
  for (const [lane, own] of byLane(tables)) {
    const { log } = view.lanes[lane]!;
    const missing = own.flatMap((table) => table.missing);
    logs.set(lane, passing(log.read, missing));
    segments += log.pieces.filter(isRead(own)).length;
  }
  return { logs, segments };
}

function byLane(tables: PlannedTable[]): Map<number, PlannedTable[]> {
  const lanes = new Map<number, PlannedTable[]>();
  for (const table of tables) lanes.set(table.lane, [...(lanes.get(table.lane) ?? []), table]);
  return lanes;
}

/** The instants next to the one asked for to which everything that is asked for can be restored exactly. */
function nearestTo({ view, coverage, request, instant }: Ground): Promise<Instant[]> {
  return new Restorable(view, coverage, scopeOf(request)).nearest(instant);
}

/** What of the log of a lane the plan's tables need. */
export function wantedOf({ tables }: RestorePlan, lane: number): Wanted[] {
  return tables
    .filter((table) => table.lane === lane)
    .map(({ config, base, instant }) => {
      return { table: config.id, after: base.logFrom, until: instant };
    });
}

/** Returns a test of a piece of the log: true if one of the tables needs it. */
function isRead(tables: PlannedTable[]): (piece: LogPiece) => boolean {
  return (piece) =>
    tables.some(({ base, instant }) => piece.to > base.logFrom && piece.from <= instant);
}

/** The catalog that the restore uses; with `refusal`, the error if it is less exact than the request allows. */
async function planCatalog(
  ground: Ground,
): Promise<{ catalog: Catalog; catalogAsOf: AsOf; refusal: ThinkbackError | undefined }> {
  const { view, request, instant } = ground;
  const coverage = await catalogInScope(view, ground.coverage, request, instant);
  const found = systemAsOf(coverage, instant, request);
  const catalog = await view.catalog(found.instant ?? instant).catch(async (error: unknown) => {
    if (!isDamage(error) || found.class !== "damaged") throw error;
    throw inexactCatalog(found, instant, coverage, await nearestTo(ground), false);
  });
  if (catalog.records.size === 0) throw await nothingKnown(ground);
  const isEnough = found.instant === undefined ? request.allowInexact : isAllowed(found, request);
  const refusal = isEnough
    ? undefined
    : inexactCatalog(found, instant, coverage, await nearestTo(ground), !request.exactOnly);
  if (found.instant !== undefined) return { catalog, catalogAsOf: found, refusal };
  const { why: _, ...of } = found;
  return { catalog, catalogAsOf: { ...of, instant, isOpen: false }, refusal };
}

/**
 * The state of the catalog, or of access. While a server is missing both are still read, and hold what the other
 * servers acknowledged. So with `allowInexact` they are taken as of the instant itself, with the tables that were made
 * since.
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
  ground: Ground,
  catalog: Catalog,
): Promise<Pick<RestorePlan, "access" | "accessAsOf">> {
  const { view, coverage, request, instant } = ground;
  if (!scopeOf(request).access) return { access: { users: [], grants: [] }, accessAsOf: undefined };
  const found = systemAsOf(coverage.access, instant, request);
  if (found.instant === undefined && found.why.is === "unknown") throw accessUnknown(instant);
  if (found.instant === undefined || !isAllowed(found, request)) {
    throw inexactAccess(found, instant, coverage.access, await nearestTo(ground));
  }
  const { renames } = request;
  const access = planAccess(catalog, await view.catalog(found.instant, "access"), (db, table) => {
    if (table === undefined) return { db: renames.get(db) ?? db };
    const to = renamed({ db, name: table }, renames);
    return { db: to.db, table: to.name };
  });
  return { access, accessAsOf: found };
}

/** The chosen tables that were captured. Throws if one that is asked for by name never was. */
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

/** In the target's names: the databases of the tables and, unless tables were asked for by name, the empty ones too. */
function databasesToHave(
  catalog: Catalog,
  tables: PlannedTable[],
  request: RestoreRequest,
): string[] {
  const whole = wholeDatabases(catalog, request).map((name) => request.renames.get(name) ?? name);
  return [...new Set([...whole, ...tables.map(({ to }) => to.db)])].sort();
}

/**
 * The chosen tables. If one is missing in a catalog that is not exact, it may have existed: then `refusal` is thrown.
 */
function chooseKnown(
  catalog: Catalog,
  request: RestoreRequest,
  instant: Instant,
  refusal: ThinkbackError | undefined,
): TableConfig[] {
  try {
    refuseUnknownMapped(catalog, request);
    return chooseTables(catalog, request, instant);
  } catch (error) {
    throw refusal ?? error;
  }
}

async function planTable(
  ground: Ground,
  config: TableConfig,
  catalog: Catalog,
): Promise<PlannedTable> {
  const { coverage, request, instant } = ground;
  const from = { db: config.db, name: config.name };
  const of = coverage.tables.get(config.id)!;
  const found = asOf(of, instant, request.gap ?? "before", request.nearest);
  const { lane, view } = await ground.view.laneOf(config.id, found.instant ?? instant);
  const { base, lost } = await baseOf(view, config.id, found.instant ?? instant);
  // The base was not damaged when the coverage was read: a second look may find an object in its place.
  if (lost && found.class !== "damaged") throw lost;
  if (found.instant === undefined || !base || !isAllowed(found, request)) {
    const [nearest, hasFlags] = [await nearestTo(ground), !request.exactOnly];
    throw inexact(from, of, instant, nearest, found, base !== undefined, hasFlags);
  }
  const missing = found.class === "damaged" ? missingOf(view, instant, config.id, base) : [];
  const indexes = catalog.indexes(config.id);
  const chosen = request.documentsOf?.(nameOf(config)) ?? {};
  const mask = request.maskOf?.(nameOf(config), config.primary_key);
  const lacking = isPart(chosen) ? "part" : mask && mask.rules.length > 0 ? "masked" : undefined;
  const to = request.beside
    ? { db: from.db, name: nameAt(from.name, found.instant, lacking) }
    : renamed(from, request.renames);
  return { ...found, config, indexes, from, to, lane, base, missing, chosen, mask };
}

/** The base that a restore begins with; or `lost`, the error if a base is damaged. */
async function baseOf(
  view: RepositoryView,
  table: string,
  instant: Instant,
): Promise<{ base?: BaseManifest | undefined; lost?: UnusableObject }> {
  try {
    return { base: await view.newestBase(table, instant) };
  } catch (error) {
    if (!(error instanceof UnusableObject) || error.code !== "damaged") throw error;
    return { lost: error };
  }
}

/** The holes of the log that a restore of the table skips. */
function missingOf(
  view: RepositoryView,
  instant: Instant,
  table: string,
  base: BaseManifest,
): LogHole[] {
  return view.log
    .holes()
    .filter((hole) => hole.table === undefined || hole.table === table)
    .filter(({ from, to }) => to > base.logFrom && from <= instant);
}

function renamed(from: TableName, renames: Map<string, string>): TableName {
  const to = renames.get(`${from.db}.${from.name}`);
  if (to !== undefined) {
    const dot = to.indexOf(".");
    return { db: to.slice(0, dot), name: to.slice(dot + 1) };
  }
  return { db: renames.get(from.db) ?? from.db, name: from.name };
}

/**
 * If the history of a table is thinned at the instant: the last instant before it that is kept for everything that is
 * restored. Undefined if it is not thinned there, or there is no such instant.
 */
async function nearestKept(tables: TableConfig[], ground: Ground): Promise<Instant | undefined> {
  const { view, coverage, request, instant } = ground;
  const isThinned = tables.some(({ id }) => {
    const interval = intervalAt(coverage.tables.get(id)!, instant);
    return interval && isWhole(interval) && !isKeptAt(interval, instant);
  });
  if (!isThinned) return undefined;
  const classes = allowedClasses(request);
  return new Restorable(view, coverage, scopeOf(request), classes).atOrBefore(instant);
}

/** The classes that the request allows at any instant of an interval. */
function allowedClasses({ gap, allowInexact }: Allowed): CoverageClass[] {
  const late: CoverageClass[] = allowInexact ? ["late"] : [];
  return ["exact", ...late, ...(gap || allowInexact ? (["gap"] as const) : [])];
}

async function nothingKnown(ground: Ground): Promise<ThinkbackError> {
  const [first] = await nearestTo(ground);
  const { instant } = ground;
  return new ThinkbackError("instant", `nothing was captured yet at ${formatInstant(instant)}`, {
    hint:
      first === undefined
        ? "no instant can be restored yet; `thinkback status` shows how far the first copy is"
        : `the first restorable instant is ${formatInstant(first)}`,
  });
}

function notCapturedError(names: string[]): ThinkbackError {
  return new ThinkbackError("instant", `nothing was captured of ${names.join(", ")}`, {
    hint: "either `thinkback run` excluded it (see its --include and --exclude), or the first copy had not begun",
  });
}
