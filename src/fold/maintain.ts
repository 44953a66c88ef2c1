/**
 * Maintenance of a repository, in the order that makes it safe: fold the log, make new bases, let go what the tiers do
 * not keep, delete what was replaced long enough ago. One process at a time, by lease.
 */
import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";
import { renewBundle } from "../repository/bundle-writer.js";
import type { Owner } from "../repository/claim.js";
import { damageNow, type TableCoverage } from "../repository/coverage.js";
import { readAllCoverage } from "../repository/coverage-reader.js";
import { putEvidence } from "../repository/evidence.js";
import type { FrameCompressor } from "../repository/frame-compressor.js";
import { type KeepTier, parseKeep, pinsOnlyMs, resolutionAt } from "../repository/keep-policy.js";
import { withLease } from "../repository/lease.js";
import { listPins, type Pin } from "../repository/pins.js";
import { forgetReaders, liveReaders } from "../repository/readers.js";
import type { Repository } from "../repository/repository.js";
import { readSettings } from "../repository/settings.js";
import { type ObjectStore, type StoredObject, StoreFull } from "../storage/object-store.js";
import { UrgentStore } from "../storage/urgent-store.js";
import { type ExpiryPlan, firstWanted, planExpiry, publishExpiry } from "./expire.js";
import { type FoldedTable, type FoldOptions, fold } from "./fold.js";
import { type FoldedLog, foldLog } from "./fold-log.js";
import { ageOfLog, type LogAge } from "./log-age.js";
import { withGapEnds } from "./pinned-gaps.js";
import { planSweep, type SweepOptions, sweep } from "./sweep.js";

const dayMs = 86_400_000;

export interface MaintenanceOptions {
  clock: Clock;
  owner: Owner;
  /** Letters and digits that no other maintenance has. */
  unique: string;
  /** Make new bases, of these tables and up to this instant; not, if absent. */
  bases?: Pick<FoldOptions, "tables" | "until" | "skipUnchanged" | "partBytesTarget">;
  /** Fold what has settled of the log even if its span is not over. */
  partial: boolean;
  /** Segments younger than this are not folded: a writer that takes over may yet disown them. */
  settleMs: number;
  /** Let go what the tiers do not keep. */
  expires: boolean;
  /** How long what was replaced stays; undefined to delete nothing at all. */
  graceMs: number | undefined;
  /** How much older history gets once nothing is captured any more; 0 if absent. */
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
  /** Tables found that no restore to what they are now is possible of, and that no evidence told of yet. */
  damaged: number;
  deleted: StoredObject[];
  /** That the store was full, so that not everything was folded; what could make room was done nevertheless. */
  full: StoreFull | undefined;
}

export function maintain(
  repository: Repository,
  options: MaintenanceOptions,
  observer: MaintenanceObserver,
): Promise<Maintained> {
  const { store } = repository;
  const { clock, owner, unique, compressor } = options;
  // The lease, and what is let go, make room: on a full disk they are written with room that is kept for them.
  const urgent = new UrgentStore(store);
  return withLease(urgent, clock, owner, unique, async (gone, lease) => {
    const room = new RoomToMake(options.graceMs !== undefined);
    const signal = { throwIfAborted: () => lease.check(gone) };
    // First, because every listing from here on would walk through it.
    if (options.graceMs !== undefined) await store.tidy?.(clock.now() - dayMs);
    const policy = await readPolicy(repository, clock.now(), undefined, options.agesBeyondLogMs);
    // What is gone for good does not go by a clock that is ahead of the source's.
    const now = () => clock.now() - policy.leadMs;
    observer.phase("log");
    const folding = foldLog(repository, {
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
    observer.phase("bases");
    const onRows: FoldOptions["onRows"] = (table, rows) => observer.onRows(table, rows);
    const tables = options.bases
      ? await room.unlessFull(
          fold(repository, { ...options.bases, unique, onRows, signal, compressor }),
          [],
        )
      : [];
    let expiry: ExpiryPlan | undefined;
    let damaged = 0;
    if (options.expires) {
      observer.phase("expiry");
      const first = { unique: `${unique}x`, onRows, signal, compressor };
      await room.unlessFull(foldFirstBases(repository, policy, first), undefined);
      expiry = await planExpiry(repository, { ...policy, now: clock.now() });
      damaged = await room.unlessFull(noteDamage(store, expiry.coverage), 0);
      // That it can be renewed proves that nobody else maintains.
      await lease.renew();
      signal.throwIfAborted();
      expiry = await publishExpiry({ ...repository, store: urgent }, expiry);
    }
    let deleted: StoredObject[] = [];
    if (options.graceMs !== undefined) {
      observer.phase("sweep");
      await forgetReaders(store, now());
      await lease.renew();
      const ended = room.full && unique;
      deleted = await sweepNow(repository, { graceMs: options.graceMs, now: now(), ended }, signal);
      await store.keepRoom?.();
    }
    await room.unlessFull(renewBundle(repository, { at: clock.now(), signal }), undefined);
    return { aged: policy.aged, log, tables, expiry, damaged, deleted, full: room.full };
  });
}

/**
 * Writes down of which tables the newest instants are damaged: a capture that runs copies them anew. No fold can help,
 * because none leads over what is missing.
 */
async function noteDamage(
  store: ObjectStore,
  planned: Map<string, TableCoverage>,
): Promise<number> {
  if (![...planned.values()].some(damageNow)) return 0;
  let noted = 0;
  // Looked at anew: the plan's listing may lack the base of a copy that has just come to its end.
  for (const of of (await readAllCoverage(store)).tables.values()) {
    const damage = damageNow(of);
    if (!damage) continue;
    const { from, reason = "" } = damage;
    const evidence = { table: of.table, at: from, sequence: 0 as const, reason };
    if (await putEvidence(store, evidence)) noted += 1;
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

/** Work that a full store cuts short, in a round that makes room afterwards. */
class RoomToMake {
  full: StoreFull | undefined;

  /** @param makesRoom false if nothing is deleted: then a full store ends the round */
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
 * What maintenance would let go and delete now, without changing anything.
 * @param keep tiers to plan with in place of the declared ones
 */
export async function planMaintenance(
  repository: Repository,
  graceMs: number | undefined,
  clockNow: Instant,
  keep?: string,
): Promise<Pick<Maintained, "aged" | "deleted"> & { expiry: ExpiryPlan }> {
  const policy = await readPolicy(repository, clockNow, keep);
  const now = clockNow - policy.leadMs;
  const expiry = await planExpiry(repository, { ...policy, now });
  const { aged } = policy;
  if (graceMs === undefined) return { aged, expiry, deleted: [] };
  const readersBegan = await begins(repository, now);
  return { aged, expiry, deleted: await planSweep(repository, { now, graceMs, readersBegan }) };
}

/** What the declared tiers and the pins mean for folding and letting go. */
export interface Policy extends LogAge {
  tiers: KeepTier[] | undefined;
  /** Also of the ends of the gaps that instants are pinned in. */
  pins: Pin[];
  pinned: Instant[];
  resolutionOf: (span: { from: Instant; to: Instant }) => number;
  spanMaxMs: (span: { from: Instant; to: Instant }) => number;
}

/** What the declared tiers and the pins want of a history of this age. */
export async function readPolicy(
  { store }: Repository,
  now: Instant,
  wanted?: string,
  agesBeyondLogMs?: number,
): Promise<Policy> {
  const age = await ageOfLog(store, now, agesBeyondLogMs);
  const pins = await listPins(store);
  const kept = pins.length === 0 ? pins : withGapEnds(pins, await readAllCoverage(store));
  return policyOf(kept, age, wanted ?? (await readSettings(store)).keep);
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
      // What nobody wants any more is let go as it is: the first base of what is kept is still to be made of it.
      if (!tiers || (first !== undefined && span.to < first)) return 1;
      return resolutionAt(tiers, span, aged) ?? pinsOnlyMs;
    },
    // What ages into another tier is thinned as a whole, so it must not be older in one part than in another.
    spanMaxMs: (span) => {
      const resolutionMs = tiers && resolutionAt(tiers, span, aged);
      if (!last || resolutionMs === undefined) return Number.MAX_SAFE_INTEGER;
      // And what leaves the last one goes as a whole.
      return resolutionMs === last.resolutionMs ? Math.max(dayMs, last.ageMs / 4) : dayMs;
    },
  };
}

/** The kept history has to begin with a base, or all of the log before it would be needed for ever. */
async function foldFirstBases(
  repository: Repository,
  policy: Policy,
  options: Pick<FoldOptions, "unique" | "onRows" | "signal" | "compressor">,
): Promise<void> {
  const first = firstWanted(policy);
  if (first === undefined || first <= 0) return;
  const isPinned = policy.pins.some(({ at }) => at === first);
  // The last millisecond of a day is kept in every resolution.
  const until = isPinned ? first : first - 1;
  await fold(repository, { ...options, until, olderThan: until - dayMs });
}

async function sweepNow(
  repository: Repository,
  options: Omit<SweepOptions, "readersBegan">,
  signal: Pick<AbortSignal, "throwIfAborted">,
): Promise<StoredObject[]> {
  const readersBegan = await begins(repository, options.now);
  const objects = await planSweep(repository, { ...options, readersBegan });
  signal.throwIfAborted();
  await sweep(repository, objects, signal);
  return objects;
}

async function begins({ store }: Repository, now: Instant): Promise<Instant[]> {
  return (await liveReaders(store, now)).map(({ begun }) => begun);
}
