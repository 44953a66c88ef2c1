/** The status of a repository, computed from stored objects alone. */
import type { Stopped } from "../format/coverage-record.js";
import type { SegmentFooter } from "../format/segment.js";
import type { Instant } from "../instant.js";
import type { CaptureState } from "./capture-state.js";
import { catalogFor } from "./coverage/catalog-for.js";
import { type CoverageInterval, damageNow, type TableCoverage } from "./coverage/coverage.js";
import type { Coverage } from "./coverage/coverage-reader.js";
import { type DocumentCount, DocumentCounter } from "./document-counter.js";
import { type LookedAtPin, lookAtPins } from "./kept-pins.js";
import { type LaneStatus, laneStatuses, worstCapture } from "./lane-status.js";
import type { EpochClaim } from "./log/claims.js";
import type { LogView } from "./log/log-view.js";
import { addTotals, noTotals, totalsAt } from "./log/totals.js";
import { type Acknowledgement, listAcknowledgements } from "./records/acknowledgement.js";
import { type Drill, type Proof, type Proofs, readProofs } from "./records/drills.js";
import type { RepositoryView } from "./repository-view.js";
import { firstCommon, lastCommon, Restorable } from "./restorable.js";
import { TableNames } from "./table-names.js";

export interface TableStatus extends DocumentCount {
  id: string;
  /** The lane in which it is captured, or was last. */
  lane: number;
  /** "db.table"; for a dropped table its last name. */
  name: string;
  /** The state after the last coverage record; "not captured" if there is none. */
  state: TableCoverage["state"] | "not captured";
  /** Undefined unless a defect has stopped its capture, see TableCoverage. */
  stopped: Stopped | undefined;
  /** The gap that has not ended, see TableCoverage. */
  openGap: TableCoverage["openGap"];
  changes: number;
  /** Bytes of its log lines, before compression. */
  logBytes: number;
  firstRestorable: Instant | undefined;
  lastRestorable: Instant | undefined;
  /** The instant up to which its capture is proven, late or not. */
  provenTo: Instant | undefined;
  /** Set if the table is captured but damaged from this instant on: it has to be copied again. */
  damagedSince: Instant | undefined;
  intervals: CoverageInterval[];
  late: LateSummary;
  /** The proof of the newest drill that found the table equal. */
  lastProven: Proof | undefined;
  /** The newest drill of the table, if it found it different. */
  failedDrill: Drill | undefined;
}

/** The late intervals of a table, the catalog or access. */
export interface LateSummary {
  spans: number;
  /** The greatest `lateMs` of all; 0 if nothing is late. */
  worstMs: number;
  /** End of the last late interval. */
  last: Instant | undefined;
}

/** How far the catalog may be behind the tables before status mentions it. */
export const behindNoteMs = 30_000;

/** The status of the catalog, or of users and grants. */
export interface SystemStatus {
  state: TableCoverage["state"];
  openGap: TableCoverage["openGap"];
  frontier: Instant | undefined;
  intervals: CoverageInterval[];
  late: LateSummary;
  /**
   * By how many ms its frontier is behind the greatest frontier of the tables; 0 if it is not. The least is not used,
   * because a table that was renamed meanwhile is not proven either.
   */
  behindMs: number;
}

export interface RepositoryStatus {
  /** Id of the repository. */
  repository: string | undefined;
  tables: TableStatus[];
  /** Undefined if it was never read. */
  catalog: SystemStatus | undefined;
  /** Users and grants; undefined if they were never read. */
  access: SystemStatus | undefined;
  /** Names of the servers that the catalog's proof waits for: those not connected at the catalog's last reading. */
  missingServers: string[];
  /** Exact instants were proven within this many ms, as the last segment says; undefined if there is no segment. */
  proofBoundMs: number | undefined;
  /**
   * The newest instant to which everything can be restored exactly: the tables that exist and are watched, the catalog,
   * and access if it was ever read. Undefined while one of the tables has no base, or the catalog was not read.
   */
  restorableUntil: Instant | undefined;
  /** By how many ms `restorableUntil` is behind the present; undefined if there is none, or no present was given. */
  behindNowMs: number | undefined;
  /** The same as `restorableUntil`, without users and grants. */
  restorableWithoutAccess: Instant | undefined;
  /**
   * The proof of the drill that proved the most of those tables: it proved `tables` of all `of` tables. Undefined if no
   * drill has proven any of them.
   */
  lastProven: (Proof & { tables: number; of: number }) | undefined;
  /** The newest drill, if it failed. */
  lastDrillFailed: Drill | undefined;
  /** The newest drill, if it did not find what was expected. */
  lastDrillUnexpected: Drill | undefined;
  /** The error messages of drills that cannot be read; such drills prove nothing. */
  damagedDrills: string[];
  /** Whether a capture is running. With several lanes: in the lane where it is worst. */
  capture: CaptureState;
  /** Each lane; only one unless more were ever set. */
  lanes: LaneStatus[];
  /** End of the last segment. */
  lastSegment: Instant | undefined;
  /** How many segments are stored, including those that a folded segment stands for. */
  segments: number;
  /** How many folded segments are in use. */
  foldedSegments: number;
  /** The declared tiers; null if every change is kept for ever. */
  keep: string | null;
  /** How finely the log is kept, from its start on; a resolution of 1 keeps every change. */
  resolutions: { from: Instant; to: Instant; resolutionMs: number }[];
  /** Patterns of the tables that the last writer was told to capture, and of those it was told not to; none for all. */
  chosen: { include: string[]; exclude: string[] };
  /** True if the last writer was the only one by its operator's word: the store need not refuse a second one. */
  singleWriter: boolean;
  /** Set if the repository is an import: of which archive, and when its documents were read. */
  imported: EpochClaim["imported"];
  /** This and the next three are as the last segment says, see SegmentFooter. */
  serverClock: SegmentFooter["serverClock"];
  clockAheadMs: number;
  clockWaitedOutMs: number;
  aheadOfSource: SegmentFooter["aheadOfSource"];
  acknowledgements: Acknowledgement[];
  pins: LookedAtPin[];
}

/** @param now the time that decides whether the capture is silent; if it is undefined, no capture counts as silent */
export async function readStatus(look: RepositoryView, now?: Instant): Promise<RepositoryStatus> {
  const { log: view, store } = look;
  const all = await look.coverage();
  const { tables: coverage, ...system } = all;
  const catalog = await look.catalog();
  const present = new Map(catalog.tables().map((table) => [table.id, `${table.db}.${table.name}`]));
  const latest = await Promise.all(
    look.lanes.map(({ log }) => totalsAt(log, Number.MAX_SAFE_INTEGER)),
  );
  const last = await look.end();
  const isPresent = (id: string) => present.has(id) && coverage.get(id)?.watched === true;
  const proofs = await readProofs(
    store,
    [...coverage.keys()],
    [...coverage.keys()].filter(isPresent),
  );
  const tables: TableStatus[] = [];
  const counters = look.lanes.map(({ log }) => new DocumentCounter(log));
  const names = await TableNames.read(look);
  for (const id of new Set([...present.keys(), ...coverage.keys()])) {
    const { lane, view: own } = await look.laneOf(id, coverage.get(id)?.frontier ?? 0);
    const base = (await own.bases()).usable.get(id)?.at(-1);
    const totals = latest.map((of) => of.get(id) ?? noTotals).reduce(addTotals);
    const inLane = latest[lane]!.get(id) ?? noTotals;
    tables.push({
      id,
      lane,
      name: names.nameOf(id),
      ...(await counters[lane]!.count(base, inLane, coverage.get(id))),
      changes: totals.changes,
      logBytes: totals.bytes,
      ...restorable(coverage.get(id), catalogFor(all, new Set([id]))),
      lastProven: proofs.tables.get(id),
      failedDrill: proofs.failed.get(id),
    });
  }
  const watched = tables.filter(({ id }) => isPresent(id));
  const used = watched.map(({ id }) => coverage.get(id)!);
  const restorableTo = await restorableUntil(look, all, used);
  const lanes = await laneStatuses(look, now);
  const inAll = (count: (of: LogView) => number) =>
    look.lanes.reduce((sum, { log }) => sum + count(log), 0);
  return {
    repository: look.repository,
    tables: tables.sort((a, b) => (a.name < b.name ? -1 : 1)),
    catalog: systemStatus(catalogFor(all), used),
    access: systemStatus(system.access, used),
    missingServers: catalog.missingServers().map(({ name }) => name),
    proofBoundMs: last?.proofBoundMs,
    ...restorableTo,
    behindNowMs: behindMs(restorableTo.restorableUntil, now),
    ...provenBy(proofs, watched.length),
    capture: worstCapture(lanes),
    lanes,
    lastSegment: await look.lastInstant(),
    segments: inAll(({ believed }) => believed.segments.length),
    foldedSegments: inAll(({ pieces }) => pieces.filter(({ kind }) => kind === "folded").length),
    keep: (await look.settings()).keep,
    resolutions: resolutionsOf(view),
    chosen: chosenBy(view),
    singleWriter: view.claims.at(-1)?.singleWriter === true,
    imported: view.claims.at(-1)?.imported,
    serverClock: last?.serverClock ?? null,
    clockAheadMs: last?.clockAheadMs ?? 0,
    clockWaitedOutMs: last?.clockWaitedOutMs ?? 0,
    aheadOfSource: last?.aheadOfSource,
    acknowledgements: await listAcknowledgements(store),
    pins: await lookAtPins(look),
  };
}

function chosenBy({ claims }: LogView): RepositoryStatus["chosen"] {
  const { include = [], exclude = [] } = claims.at(-1) ?? {};
  return { include, exclude };
}

function resolutionsOf({ pieces }: LogView): RepositoryStatus["resolutions"] {
  const spans: RepositoryStatus["resolutions"] = [];
  for (const piece of pieces) {
    const resolutionMs = piece.kind === "folded" ? piece.manifest.resolutionMs : 1;
    const last = spans.at(-1);
    if (last?.resolutionMs === resolutionMs) last.to = piece.to;
    else spans.push({ from: piece.from, to: piece.to, resolutionMs });
  }
  return spans;
}

/** @param catalog the catalog's coverage, which a restore needs too; undefined if the catalog was never read */
function restorable(coverage: TableCoverage | undefined, catalog: TableCoverage | undefined) {
  const used = coverage && catalog ? [coverage, catalog] : [];
  const ends = [firstCommon(used, 0), lastCommon(used, Number.MAX_SAFE_INTEGER)];
  const [first, last] = ends.map(({ at, isCommon }) =>
    used.length > 0 && isCommon ? at : undefined,
  );
  return {
    state: coverage?.state ?? ("not captured" as const),
    stopped: coverage?.stopped,
    openGap: coverage?.openGap,
    firstRestorable: first,
    lastRestorable: last,
    provenTo: coverage?.frontier,
    damagedSince: damageNow(coverage)?.from,
    intervals: coverage?.intervals ?? [],
    late: lateSummary(coverage?.intervals ?? []),
  };
}

function lateSummary(intervals: CoverageInterval[]): LateSummary {
  const late = intervals.filter((interval) => interval.class === "late");
  return {
    spans: late.length,
    worstMs: late.reduce((worst, { lateMs }) => Math.max(worst, lateMs ?? 0), 0),
    last: late.at(-1)?.to,
  };
}

function systemStatus(
  coverage: TableCoverage | undefined,
  tables: TableCoverage[],
): SystemStatus | undefined {
  if (!coverage) return undefined;
  const { state, openGap, frontier, intervals } = coverage;
  const reached = tables.map((table) => table.frontier ?? Number.NEGATIVE_INFINITY);
  const behindMs = Math.max(...reached) - (frontier ?? 0);
  return {
    state,
    openGap,
    frontier,
    intervals,
    late: lateSummary(intervals),
    behindMs: Number.isFinite(behindMs) ? Math.max(0, behindMs) : 0,
  };
}

/** The newest instants to which everything can be restored exactly: with users and grants, and without. */
async function restorableUntil(
  look: RepositoryView,
  coverage: Coverage,
  watched: TableCoverage[],
): Promise<Pick<RepositoryStatus, "restorableUntil" | "restorableWithoutAccess">> {
  const to = await look.lastInstant();
  const isComplete = watched.length > 0 && watched.every(({ frontier }) => frontier !== undefined);
  if (!isComplete || to === undefined) {
    return { restorableUntil: undefined, restorableWithoutAccess: undefined };
  }
  const newest = (access: boolean) =>
    new Restorable(look, coverage, { tables: [], databases: [], access }).atOrBefore(to);
  const restorableWithoutAccess = await newest(false);
  const isKnown = coverage.access !== undefined;
  return {
    restorableUntil: isKnown ? await newest(true) : restorableWithoutAccess,
    restorableWithoutAccess,
  };
}

function behindMs(at: Instant | undefined, now: Instant | undefined): number | undefined {
  return at === undefined || now === undefined ? undefined : Math.max(0, now - at);
}

function provenBy({ widest, lastFailed, lastUnexpected, damaged }: Proofs, of: number) {
  return {
    lastProven: widest && { ...widest, of },
    lastDrillFailed: lastFailed,
    lastDrillUnexpected: lastUnexpected,
    damagedDrills: damaged.map(({ message }) => message),
  };
}
