/**
 * Maintenance of a repository, in the order that makes it safe: fold the log, make new bases, expire what the tiers do
 * not keep, delete what was replaced long enough ago. A lease lets only one process at a time do it.
 */
import type { Clock } from "../clock.js";
import { type FoldedTable, type FoldOptions, fold } from "../fold/fold.js";
import { type FoldedLog, foldLog } from "../fold/fold-log.js";
import { hasLeft } from "../format/coverage-record.js";
import { commonStore, type Repository } from "../format/description.js";
import type { FrameCompressor } from "../format/frame-compressor.js";
import type { Instant } from "../instant.js";
import type { Owner } from "../owner.js";
import { renewBundle } from "../repository/bundle-writer.js";
import { damageNow, type TableCoverage } from "../repository/coverage/coverage.js";
import { laneStore } from "../repository/lanes.js";
import { endOfLog } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import { putEvidence } from "../repository/records/evidence.js";
import { forgetHolds, liveHolds } from "../repository/registers/holds.js";
import {
  type KeepTier,
  parseKeep,
  pinsOnlyMs,
  resolutionAt,
} from "../repository/registers/keep-policy.js";
import { withLease } from "../repository/registers/lease.js";
import { livePins, type Pin, wantsAllOf } from "../repository/registers/pins.js";
import { lanesOf } from "../repository/registers/settings.js";
import { RepositoryView } from "../repository/repository-view.js";
import { type ObjectStore, type StoredObject, StoreFull } from "../storage/object-store.js";
import { UrgentStore } from "../storage/urgent-store.js";
import { type ExpiryPlan, firstWanted, planExpiry, publishExpiry } from "./expire.js";
import { ageOfLog, type LogAge } from "./log-age.js";
import { withGapEnds } from "./pinned-gaps.js";
import { renewLocks } from "./renew-locks.js";
import { planSweep, type SweepOptions, sweep } from "./sweep.js";

const dayMs = 86_400_000;

/** New bases of some tables, up to an instant. */
export type BasesWanted = Pick<
  FoldOptions,
  "tables" | "until" | "skipUnchanged" | "partBytesTarget"
>;

export interface MaintenanceOptions {
  clock: Clock;
  owner: Owner;
  /** Letters and digits that no other maintenance uses. */
  unique: string;
  /** Says which new bases to make, given the repository as it is; none if absent, or if it returns undefined. */
  bases?: (view: RepositoryView) => BasesWanted | undefined | Promise<BasesWanted | undefined>;
  /** Fold what has settled of the log even if its span is not over. */
  partial: boolean;
  /** Segments younger than this are not folded: a writer that takes over may still disown them. */
  settleMs: number;
  /** Expire what the tiers do not keep. */
  expires: boolean;
  /** How long what was replaced or expired stays, in ms; undefined to delete nothing at all. */
  graceMs: number | undefined;
  /** At most how much further history ages, in ms, once nothing is captured any more; 0 if absent. */
  agesBeyondLogMs?: number;
  /** Compresses what folds write; in this thread, if absent. */
  compressor?: FrameCompressor;
}

export interface MaintenanceObserver {
  onRows(table: string, rows: number): void;
  phase(name: "log" | "bases" | "expiry" | "sweep"): void;
}

export interface Maintained {
  /** The instant from which ages were counted back; see LogAge. */
  aged: Instant;
  log: FoldedLog;
  tables: FoldedTable[];
  expiry: ExpiryPlan | undefined;
  /** Tables that cannot be restored to their present state, and of which no evidence told that before. */
  damaged: DamagedTable[];
  deleted: StoredObject[];
  /** How many objects were looked at to renew their locks. */
  locksRenewed: number;
  /** The error if the store was full, so that not everything was folded. The round still made what room it could. */
  full: StoreFull | undefined;
}

export interface DamagedTable {
  table: string;
  /** The first instant from which on it cannot be restored. */
  since: Instant;
  /** What is damaged: names an object. */
  reason: string;
}

export function maintain(
  repository: Repository,
  options: MaintenanceOptions,
  observer: MaintenanceObserver,
): Promise<Maintained> {
  const { store } = repository;
  const common = commonStore(repository);
  const { agesBeyondLogMs, clock, owner, unique, compressor } = options;
  // Without lease and expiry no room can be made: on a full disk they are written into room kept aside for them.
  const urgent = new UrgentStore(store);
  return withLease(new UrgentStore(common), clock, owner, unique, async (gone, lease) => {
    const room = new RoomToMake(options.graceMs !== undefined);
    const signal = { throwIfAborted: () => lease.check(gone) };
    // First of all, because otherwise every listing from here on would read what this removes.
    if (options.graceMs !== undefined) await common.tidy?.(clock.now() - dayMs);
    const looks = new Looks(repository);
    const policy = await readPolicy(await looks.now(), clock.now(), { agesBeyondLogMs });
    // Expiring and deleting cannot be undone, so they do not trust a clock that is ahead of the source's.
    const now = () => clock.now() - policy.leadMs;
    observer.phase("log");
    const folding = foldLog(repository, (await looks.now()).log, {
      ...policy,
      now: clock.now(),
      publishedAt: () => clock.now(),
      settleMs: options.settleMs,
      partial: options.partial,
      unique,
      compressor,
      signal,
    });
    const log = await room.unlessFull(folding, nothingFolded);
    if (log.written > 0 || room.full) looks.pass();
    observer.phase("bases");
    const onRows: FoldOptions["onRows"] = (table, rows) => observer.onRows(table, rows);
    const bases = await options.bases?.(await looks.now());
    const tables = bases
      ? await room.unlessFull(
          fold(repository, await looks.now(), { ...bases, unique, onRows, signal, compressor }),
          [],
        )
      : [];
    if (tables.some(hasWritten) || room.full) looks.pass();
    let expiry: ExpiryPlan | undefined;
    let damaged: DamagedTable[] = [];
    if (options.expires) {
      observer.phase("expiry");
      const first = { unique: `${unique}x`, onRows, signal, compressor };
      const begun = foldFirstBases(repository, await looks.now(), policy, first);
      if ((await room.unlessFull(begun, [])).some(hasWritten) || room.full) looks.pass();
      expiry = await planExpiry(await looks.now(), { ...policy, now: clock.now() });
      damaged = await room.unlessFull(noteDamage(repository, expiry.coverage), []);
      if (expiry.expiry) {
        // A renewal that succeeds proves that no other process maintains.
        await lease.renew();
        signal.throwIfAborted();
        expiry = await publishExpiry({ ...repository, store: urgent }, expiry, clock.now());
        looks.pass();
      }
    }
    let deleted: StoredObject[] = [];
    if (options.graceMs !== undefined) {
      observer.phase("sweep");
      const ended = room.full && unique;
      const sweeping = { graceMs: options.graceMs, now: now(), aged: policy.aged, ended };
      deleted = await planSweepNow(await looks.now(), common, sweeping);
      if (deleted.length > 0) {
        await lease.renew();
        signal.throwIfAborted();
        await sweep(repository, deleted, signal);
        looks.pass();
      }
      await forgetHolds(common, (await looks.now()).common, now());
      await common.keepRoom?.();
    }
    const bundling = { at: clock.now(), signal };
    await room.unlessFull(renewBundle(repository, await looks.now(), bundling), undefined);
    const renewing = renewLocks(repository, await looks.now(), clock.now(), signal);
    const locksRenewed = await room.unlessFull(renewing, 0);
    const { aged } = policy;
    return { aged, log, tables, expiry, damaged, deleted, locksRenewed, full: room.full };
  });
}

const hasWritten = ({ bytesWritten, breaks }: FoldedTable) => bytesWritten > 0 || breaks > 0;

/** The views of a round: each one is used until something is written or deleted. */
class Looks {
  private view: Promise<RepositoryView> | undefined;

  constructor(private readonly repository: Repository) {}

  now(): Promise<RepositoryView> {
    this.view ??= RepositoryView.read(this.repository, { whole: true });
    return this.view;
  }

  /** Marks the present view as out of date. */
  pass(): void {
    this.view = undefined;
  }
}

/**
 * Stores as evidence which tables are damaged at their newest instants: a running capture then copies them anew. No
 * fold can help, because a fold cannot lead across what is missing.
 */
async function noteDamage(
  repository: Repository,
  planned: Map<string, TableCoverage>,
): Promise<DamagedTable[]> {
  if (![...planned.values()].some(damageNow)) return [];
  const noted: DamagedTable[] = [];
  // Read anew, because the plan's listing may lack the base of a copy that has just been completed.
  const { tables } = await (await RepositoryView.read(repository)).coverage();
  for (const coverage of tables.values()) {
    const damage = damageNow(coverage);
    if (!damage) continue;
    const { table } = coverage;
    const { from, reason = "" } = damage;
    const evidence = { table, at: from, sequence: 0 as const, reason };
    if (await putEvidence(repository.store, evidence)) {
      noted.push({ table, since: from, reason });
    }
  }
  return noted;
}

const nothingFolded: FoldedLog = {
  written: 0,
  thinned: 0,
  rows: 0,
  bytesRead: 0,
  bytesWritten: 0,
};

/** Lets a round go on after a full store has cut work short, if the round makes room afterwards. */
class RoomToMake {
  full: StoreFull | undefined;

  /** @param makesRoom false if the round deletes nothing: then a full store ends it */
  constructor(private readonly makesRoom: boolean) {}

  async unlessFull<T, O>(work: Promise<T>, otherwise: O): Promise<T | O> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof StoreFull) || !this.makesRoom) throw error;
      this.full ??= error;
      return otherwise;
    }
  }
}

/**
 * What maintenance would expire and delete now, without changing anything.
 * @param keep tiers to plan with in place of the declared ones
 */
export async function planMaintenance(
  view: RepositoryView,
  graceMs: number | undefined,
  clockNow: Instant,
  keep?: string,
): Promise<Pick<Maintained, "aged" | "deleted"> & { expiry: ExpiryPlan }> {
  const policy = await readPolicy(view, clockNow, { keep });
  const now = clockNow - policy.leadMs;
  const expiry = await planExpiry(view, { ...policy, now });
  const { aged } = policy;
  if (graceMs === undefined) return { aged, expiry, deleted: [] };
  return { aged, expiry, deleted: await planSweepNow(view, view.common, { now, aged, graceMs }) };
}

/** What the declared tiers and the pins mean for folding and expiring. */
export interface Policy extends LogAge {
  tiers: KeepTier[] | undefined;
  /** For each pinned instant in a gap, also pins of the ends of that gap. */
  pins: Pin[];
  pinned: Instant[];
  resolutionOf: (span: { from: Instant; to: Instant }) => number;
  spanMaxMs: (span: { from: Instant; to: Instant }) => number;
}

/**
 * What the declared tiers and the pins mean for the history at its present age.
 * @param of `keep`: tiers in place of the declared ones; `agesBeyondLogMs`: see ageOfLog
 */
export async function readPolicy(
  view: RepositoryView,
  now: Instant,
  of: { keep?: string | undefined; agesBeyondLogMs?: number | undefined } = {},
): Promise<Policy> {
  const beyondMs = of.agesBeyondLogMs ?? (await endedBeforeMs(view));
  const age = await ageOfLog(view.log, now, beyondMs);
  const pins = livePins(await view.pins(), age.aged);
  const kept = pins.length === 0 ? pins : withGapEnds(pins, await view.coverage());
  return policyOf(kept, age, of.keep ?? (await view.settings()).keep);
}

/**
 * How long before that of lane 0 the log of a lane has ended from which all tables have moved, in ms; 0 for any other
 * lane. Nothing is written there any more, and its history ages as that of the other lanes does.
 */
async function endedBeforeMs(view: RepositoryView): Promise<number> {
  if (view.lane === 0 || view.lane < lanesOf(await view.settings())) return 0;
  const { tables } = await view.coverage();
  if (![...tables.values()].every(({ state }) => hasLeft(state))) return 0;
  const first = await endOfLog(await LogView.read(laneStore(view.common, 0)));
  return Math.max(0, (first?.to ?? 0) - (view.log.to ?? 0));
}

function policyOf(pins: Pin[], age: LogAge, keep: string | null): Policy {
  const { aged } = age;
  const tiers = keep === null ? undefined : parseKeep(keep);
  const last = tiers?.at(-1);
  const first = firstWanted({ aged, tiers, pins });
  return {
    ...age,
    tiers,
    pins,
    pinned: pins.map(({ at }) => at),
    resolutionOf: (span) => {
      // What neither tiers nor pins want is not thinned: the first base of the kept history may still be made of it.
      if (!tiers || (first !== undefined && span.to < first) || wantsAllOf(span, pins)) return 1;
      return resolutionAt(tiers, span, aged) ?? pinsOnlyMs;
    },
    // A folded segment is thinned as a whole, so all of it must enter the next tier at the same time.
    spanMaxMs: (span) => {
      const resolutionMs = tiers && resolutionAt(tiers, span, aged);
      if (!last || resolutionMs === undefined) return Number.MAX_SAFE_INTEGER;
      // In the last tier it is expired as a whole.
      return resolutionMs === last.resolutionMs ? Math.max(dayMs, last.ageMs / 4) : dayMs;
    },
  };
}

/** Makes the bases that the kept history begins with. Without them the whole log before it would be needed for ever. */
async function foldFirstBases(
  repository: Repository,
  view: RepositoryView,
  policy: Policy,
  options: Pick<FoldOptions, "unique" | "onRows" | "signal" | "compressor">,
): Promise<FoldedTable[]> {
  const first = firstWanted(policy);
  if (first === undefined || first <= 0) return [];
  const isPinned = policy.pins.some(({ at }) => at === first);
  // The last millisecond of a day is kept in every resolution.
  const until = isPinned ? first : first - 1;
  return fold(repository, view, { ...options, until, olderThan: until - dayMs });
}

/** @param common where holds are listed, after `now`: the view may be from before one of them was placed */
async function planSweepNow(
  view: RepositoryView,
  common: ObjectStore,
  options: Omit<SweepOptions, "holdsBegan">,
): Promise<StoredObject[]> {
  const unheld = await planSweep(view, { ...options, holdsBegan: [] });
  if (unheld.length === 0) return unheld;
  const holds = await liveHolds(common, options.now);
  return planSweep(view, { ...options, holdsBegan: holds.map(({ begun }) => begun) });
}
