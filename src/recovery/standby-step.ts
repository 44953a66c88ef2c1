/** Decides from one look at a repository what a standby does next: up to which instant, and by what for each table. */
import type { TableConfig } from "../catalog-record.js";
import { damaged, ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { catalogInScope } from "../repository/catalog-in-scope.js";
import { asOf } from "../repository/coverage/as-of.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import type { Catalog } from "../repository/log/catalog.js";
import { isDisowned } from "../repository/log/claims.js";
import { RepositoryView } from "../repository/repository-view.js";
import { Restorable } from "../repository/restorable.js";
import { instantsText } from "../restore/inexact.js";
import { proofWaitMs } from "../restore/when-proven.js";
import type { FollowedTable, StandbyRecord } from "./standby-record.js";

/** A table that does not come along now. */
export interface HeldTable {
  config: TableConfig;
  reason: string;
  /** As of which instant the standby has it; null if it has none of it. */
  reached: Instant | null;
}

export interface Step {
  instant: Instant;
  catalog: Catalog;
  /** False if the catalog is not proven at the instant: then no table counts as dropped. */
  isCatalogProven: boolean;
  /** The tables that are wanted at the instant. */
  ready: TableConfig[];
  held: HeldTable[];
  /** Tables, "db.table" each, that exist at the instant, but of which nothing was captured. */
  notCaptured: string[];
  /** Those of the ready ones that are late at the instant. */
  late: string[];
}

/**
 * The next step; undefined if nothing is captured that could be followed.
 * @param until no step goes beyond it
 * @throws an error with code "damaged" if a table is damaged at the instant
 */
export async function nextStep(
  view: RepositoryView,
  record: StandbyRecord,
  until: Instant,
): Promise<Step | undefined> {
  const coverage = await view.coverage();
  const end = await view.lastInstant();
  if (end === undefined) return undefined;
  const instant = Math.min(until, await leastProven(view, coverage, record, end));
  const catalog = await view.catalog(instant);
  if (catalog.records.size === 0) {
    if (instant < until) return undefined;
    throw new ThinkbackError("instant", `nothing was captured yet at ${formatInstant(instant)}`, {
      hint: "give a later --until; `thinkback status` shows which instants are exact",
    });
  }
  const step: Step = {
    instant,
    catalog,
    isCatalogProven: isWholeAt(coverage.catalog, instant),
    ready: [],
    held: [],
    notCaptured: [],
    late: [],
  };
  for (const config of chosen(catalog, record)) {
    const name = `${config.db}.${config.name}`;
    const of = coverage.tables.get(config.id);
    const { reached = null } = record.followed[config.id] ?? {};
    const then = asOf(of, instant, "before");
    if (then.class === "damaged") {
      throw damaged(`of ${name}`, then.reason ?? "an object that it needs is missing");
    }
    if (then.instant === instant) {
      step.ready.push(config);
      if (then.class === "late") step.late.push(name);
    } else if (of?.watched || reached !== null) {
      step.held.push({ config, reason: reasonOf(of, then.reason, reached), reached });
    } else step.notCaptured.push(name);
  }
  return step;
}

/**
 * Throws if names, indexes or documents may be later than the step's instant, because the table or the catalog is late
 * there. For an instant at which a standby is to end.
 */
export async function refuseLate(
  view: RepositoryView,
  { instant, ready, late }: Step,
  { databases, tables }: StandbyRecord,
): Promise<void> {
  const coverage = await view.coverage();
  const isAll = databases.length + tables.length === 0;
  const names = isAll ? [] : ready.map(({ db, name }) => `${db}.${name}`);
  const ofCatalog = await catalogInScope(view, coverage, { tables: names, databases }, instant);
  const isCatalogLate = asOf(ofCatalog, instant, "before").class === "late";
  if (late.length === 0 && !isCatalogLate) return;
  const what = isCatalogLate
    ? "names, indexes and hooks changed between two readings around that instant"
    : `${late.join(", ")} ${late.length === 1 ? "is" : "are"} late there`;
  const scope = { tables: names, databases: [], access: false };
  const nearest = await new Restorable(view, coverage, scope).nearest(instant);
  throw new ThinkbackError(
    "instant",
    `the standby cannot be brought exactly to ${formatInstant(instant)}: ${what}`,
    { hint: `nearest exact: ${instantsText(nearest)}` },
  );
}

/**
 * Throws if the log will not reach the instant soon: no capture runs that would prove it.
 * @param waitedMs how long nothing more has been proven
 */
export async function refuseUnproven(
  repository: Repository,
  until: Instant,
  { databases, tables }: StandbyRecord,
  waitedMs: number,
  now: Instant,
): Promise<void> {
  const waitMsMax = await proofWaitMs(repository, Math.min(until, now));
  if (waitMsMax !== undefined && (until > now || waitedMs <= waitMsMax)) return;
  const view = await RepositoryView.read(repository);
  const scope = { tables, databases, access: false };
  const last = await new Restorable(view, await view.coverage(), scope).atOrBefore(until);
  throw new ThinkbackError(
    "instant",
    `${formatInstant(until)} is not proven, and no capture runs that would prove it`,
    {
      hint:
        last === undefined
          ? "`thinkback status` shows which instants are exact, and whether a capture runs"
          : `start \`thinkback run\` again; or, if the source is lost, give the last exact instant: --until ${formatInstant(last)}`,
    },
  );
}

function reasonOf(
  of: TableCoverage | undefined,
  reason: string | undefined,
  reached: Instant | null,
): string {
  const known = reason ?? of?.openGap?.reason;
  if (known !== undefined) return known;
  return reached === null ? "its first copy is not complete" : "it is not proven at this instant";
}

/** A catalog that is proven so much less far than the tables does not hold them back: a server may be missing. */
const catalogBehindMsMax = 30_000;

/** The instant up to which the catalog and every table is proven that is captured now. */
async function leastProven(
  view: RepositoryView,
  coverage: Coverage,
  record: StandbyRecord,
  end: Instant,
): Promise<Instant> {
  const frontiers = chosen(await view.catalog(end), record)
    .map(({ id }) => coverage.tables.get(id))
    .filter((of) => of?.state === "live" && of.frontier !== undefined)
    .map((of) => of!.frontier!);
  const ofCatalog = coverage.catalog?.frontier;
  if (frontiers.length === 0) return ofCatalog ?? end;
  const ofTables = Math.min(...frontiers);
  const isFarBehind = ofCatalog === undefined || ofCatalog < ofTables - catalogBehindMsMax;
  return isFarBehind ? ofTables : Math.min(ofTables, ofCatalog);
}

/** The tables that are to be followed. One that was followed before still is, also if it has another name by now. */
function chosen(catalog: Catalog, { databases, tables, followed }: StandbyRecord): TableConfig[] {
  const isAll = databases.length + tables.length === 0;
  return catalog.tables().filter(({ id, db, name }) => {
    const isNamed = databases.includes(db) || tables.includes(`${db}.${name}`);
    return isAll || isNamed || followed[id] !== undefined;
  });
}

const isWholeAt = (of: TableCoverage | undefined, instant: Instant) =>
  isWhole(of?.intervals.find(({ from, to }) => from <= instant && instant <= to));

/**
 * True if what the log has after the instant that the table has reached makes it what it was at `instant`. Otherwise
 * all its keys have to be compared.
 */
export function isInLog(
  view: RepositoryView,
  coverage: TableCoverage | undefined,
  { reached, lane }: FollowedTable,
  instant: Instant,
): boolean {
  const expiredTo = view.log.expiry?.logTo ?? -1;
  if (reached === null || lane !== view.lane || expiredTo > reached || !coverage) return false;
  // A new copy does not put into the log what changed before it.
  if (coverage.copies.some((copy) => copy > reached && copy <= instant)) return false;
  let at = reached;
  for (const { from, to, class: is } of coverage.intervals) {
    if (to <= at || from > instant) continue;
    // A resync at the end of a gap has put into the log what changed in the gap.
    if (from > at + 1 || is === "damaged" || is === "unwatched") return false;
    at = to;
  }
  return at >= instant;
}

/** The lanes of which a part that was applied does not count any more: another writer did not continue it. */
export function disownedLanes(view: RepositoryView, { places }: StandbyRecord): number[] {
  return view.lanes
    .filter(({ lane, log }) => {
      const place = places[lane];
      return place !== undefined && isDisowned(place, log.claims);
    })
    .map(({ lane }) => lane);
}

/** The last object of each lane's log that holds something up to `instant`. */
export function placesAt(view: RepositoryView, instant: Instant): StandbyRecord["places"] {
  const places: StandbyRecord["places"] = {};
  for (const { lane, log } of view.lanes) {
    const last = log.pieces.findLast(({ from }) => from <= instant)?.last;
    if (last) places[lane] = { epoch: last.epoch, sequence: last.sequence };
  }
  return places;
}
