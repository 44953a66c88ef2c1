/**
 * Claims of epochs. There is one writer at a time. A writer claims the next epoch by putting writers/<epoch>.json,
 * which only one process can. The claim names the last segment that it continues. No reader believes what a writer of
 * an older epoch writes after that segment.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../clock.js";
import { ThinkbackError } from "../../errors.js";
import type { Repository } from "../../format/description.js";
import { encodeStored } from "../../format/json-object.js";
import {
  type FoldedName,
  parseFoldedName,
  parseManifestName,
  parseSegmentName,
  type SegmentName,
  writerName,
} from "../../format/names.js";
import { formatInstant, type Instant } from "../../instant.js";
import { isGone, isRunning, type Owner, spaceOf } from "../../owner.js";
import { ObjectExists, type ObjectStore, storedForm } from "../../storage/object-store.js";
import { WithoutStore } from "../../storage/without-store.js";
import { claimKind, type EpochClaim, listClaims, refuseImported } from "./claims.js";
import { endOfLog, type LogEnd } from "./log-end.js";
import { LogView } from "./log-view.js";
import { byPlaceInLog } from "./places.js";

/** What a claim states of its writer, besides who the owner is. */
export interface ClaimFacts {
  /** Patterns of the tables that it captures, and of those that it does not; `thinkback status` shows them. */
  include?: string[];
  exclude?: string[];
  /** The process's name among the members. */
  member?: string;
  /** Gives a word that no other claim has, another one at each call. Random words if absent. */
  unique?: () => string;
  /** The longest tick that it makes, in ms. */
  tickMs?: number;
  /** How often it puts a segment when nothing changes, in ms, if not every ten seconds. */
  idleMs?: number;
  /** By the operator's word nobody else writes to the store. */
  singleWriter?: boolean;
}

/** The epoch that this process has claimed and may write in. */
export interface OwnEpoch {
  epoch: number;
  /** The segment that the epoch continues; undefined for the first of a repository. */
  last: LogEnd | undefined;
  /** The bytes of the claim object. */
  object: Buffer;
  /** How many bytes are stored of it. */
  storedBytes: number;
}

/** A lost end of the log: a segment that the writer of an epoch had stored is missing. */
export interface LostEnd {
  segment: SegmentName;
  epoch: number;
}

/** The store without the lost segment and everything after it in the log. */
export function withoutEnd(store: ObjectStore, { segment }: LostEnd): ObjectStore {
  const has = (name: string) => {
    const place = parseSegmentName(name) ?? parseFoldedName(name)?.first;
    return place !== undefined && byPlaceInLog(place, segment) >= 0;
  };
  return new WithoutStore(store, { has });
}

/** How long a writer may be silent before it counts as gone; with long ticks, so many of them. */
const silenceMs = 180_000;
const silentTicks = 3;

/** A claim uses a reading of the log that is at most this old, because it disowns everything written since. */
const lookMsMax = 30_000;
/** How often the log is read before the store counts as too slow. */
const looksMax = 5;

/**
 * Claims the next epoch. Throws WriterMayRun if the writer before may still run.
 * @param takeOver claim it nevertheless; given an error that was thrown, only if that writer has stored nothing since
 * @param check called with the end of the log before anything is put; it throws if the log must not be continued
 * @param lost if given, the claim continues the log from before its lost end, and takes a greater epoch than its
 * writer's
 */
export async function claimEpoch(
  repository: Repository,
  clock: Clock,
  owner: Owner & ClaimFacts,
  takeOver: boolean | WriterMayRun,
  check: (last: LogEnd | undefined) => void = () => undefined,
  lost?: LostEnd,
): Promise<OwnEpoch> {
  const store = lost ? withoutEnd(repository.store, lost) : repository.store;
  const late = new Set<number>();
  for (let looks = 1; ; looks += 1) {
    const lookedAt = timesOf(clock);
    const claims = await listClaims(store);
    refuseImported(store, claims);
    const before = claims.at(-1);
    const withdraws = await lateClaims(store, claims, late);
    const last = await endOfLog(await LogView.read(store, { withdrawn: withdraws }));
    check(last);
    if (before && !last) await refuseWithoutLog(store);
    const mayTakeOver =
      takeOver instanceof WriterMayRun ? before && takeOver.isStillAt(before, last) : takeOver;
    if (before && !mayTakeOver) refuseIfAlive(before, last, owner, clock.now());
    const epoch = (before?.epoch ?? 0) + 1;
    const claim: EpochClaim = {
      epoch,
      started: clock.now(),
      host: owner.host,
      process: owner.process,
      space: spaceOf(owner),
      unique: owner.unique?.() ?? randomBytes(8).toString("hex"),
      ...(owner.member === undefined ? {} : { member: owner.member }),
      previous: last ? { name: last.name, checksum: last.checksum } : null,
      ...(owner.include === undefined ? {} : { include: owner.include }),
      ...(owner.exclude === undefined ? {} : { exclude: owner.exclude }),
      ...(owner.tickMs === undefined ? {} : { tickMs: owner.tickMs }),
      ...(owner.idleMs === undefined ? {} : { idleMs: owner.idleMs }),
      ...(owner.singleWriter ? { singleWriter: true } : {}),
      ...(withdraws.length > 0 ? { withdraws } : {}),
      ...(lost ? { lost: lost.segment.name } : {}),
    };
    // A claim of a key that is distrusted by now closes the log: nobody believes it, and nothing says that he need not.
    await store.sealing?.renewKeys(`claiming epoch ${epoch}`);
    // The process may have been stopped meanwhile, or the machine asleep.
    const isOld = () => timesOf(clock).some((time, i) => time - lookedAt[i]! > lookMsMax);
    if (isOld() && looks >= looksMax) throw tooSlow(store.location);
    if (isOld()) continue;
    try {
      const object = encodeStored(claimKind, claim);
      const stored = storedForm(store, writerName(epoch), object);
      await stored.store.put(writerName(epoch), stored.bytes);
      // If claims are lost too, put them again: epochs are counted without a gap.
      if (lost && epoch <= lost.epoch) continue;
      if (!isOld()) return { epoch, last, object, storedBytes: stored.bytes.length };
      // The claim came so late that a folded segment may already cross the place where it cuts the log.
      late.add(epoch);
      if (looks >= looksMax) throw tooSlow(store.location);
    } catch (error) {
      // Another writer was faster: read again which one.
      if (!(error instanceof ObjectExists)) throw error;
    }
  }
}

/**
 * The epochs to withdraw: nothing was written in them, and their claims came so late that they no longer name the end
 * of the log. These are the epochs in `late`, and those whose claim cuts a folded segment. A fold takes only segments
 * that are older than a reading of the log may be, so a claim that came in time never cuts a folded segment. If a late
 * claim counted, it would disown the whole folded segment, whose segments may be deleted already.
 */
async function lateClaims(
  store: ObjectStore,
  claims: EpochClaim[],
  late: ReadonlySet<number>,
): Promise<number[]> {
  const folded: FoldedName[] = [];
  const written = new Set<number>();
  for await (const { name } of store.list("folded/")) {
    const parsed = parseFoldedName(name);
    if (parsed) folded.push(parsed);
  }
  for await (const { name } of store.list("log/")) written.add(parseSegmentName(name)?.epoch ?? 0);
  const isWritten = (epoch: number) =>
    written.has(epoch) ||
    folded.some(({ first, last }) => first.epoch <= epoch && epoch <= last.epoch);
  const isCrossed = ({ epoch, previous }: EpochClaim) => {
    const end = previous && parseSegmentName(previous.name);
    return folded.some(
      ({ first, last }) =>
        last.epoch < epoch &&
        (!end || (byPlaceInLog(first, end) <= 0 && byPlaceInLog(end, last) < 0)),
    );
  };
  return claims
    .filter((claim) => !isWritten(claim.epoch) && (late.has(claim.epoch) || isCrossed(claim)))
    .map(({ epoch }) => epoch);
}

/**
 * Throws if the store has finished bases and no segment: they were made of one. A claim that continues no segment would
 * disown every segment that comes to light again, such as under a directory that is mounted late. A log that is there,
 * and that nobody believes any more because its writer's key is distrusted, is not lost.
 */
async function refuseWithoutLog(store: ObjectStore): Promise<void> {
  for (const prefix of ["log/", "folded/"]) {
    for await (const { name } of store.list(prefix)) {
      if (parseSegmentName(name) ?? parseFoldedName(name)) return;
    }
  }
  for await (const { name } of store.list("bases/")) {
    if (parseManifestName(name) === undefined) continue;
    throw new ThinkbackError(
      "repository",
      `${store.location} has the base ${name}, and no segment of the log that it was made of`,
      {
        hint: "put log/ back: is another directory or disk mounted in its place? Where it is lost for good, capture into a new repository",
      },
    );
  }
}

function tooSlow(location: string): ThinkbackError {
  const seconds = lookMsMax / 1000;
  return new ThinkbackError(
    "repository",
    `${location} takes more than ${seconds} s to show where the log ends, which is too long to begin a capture`,
    { hint: "find out why the repository's store is so slow, then start again" },
  );
}

/** The time by two clocks: one that stops while the machine sleeps, and one that may be set. */
function timesOf(clock: Clock): [number, number] {
  return [clock.monotonicMs(), clock.now()];
}

/** Throws if the writer before may still run. */
function refuseIfAlive(
  before: EpochClaim,
  last: LogEnd | undefined,
  owner: Owner,
  now: Instant,
): void {
  // A reader has put it, and writes nothing.
  if (before.distrusts) return;
  const ofBefore = last?.epoch === before.epoch ? last : undefined;
  if (ofBefore?.closed || isGone(owner, before)) return;
  const heardOf = ofBefore?.to ?? before.started;
  if (now - heardOf > Math.max(silenceMs, silentTicks * (before.tickMs ?? 0))) return;
  throw new WriterMayRun(before, ofBefore, heardOf, isRunning(owner, before));
}

/** Another writer captures to the repository, or has until a short time ago. */
export class WriterMayRun extends ThinkbackError {
  constructor(
    readonly claim: EpochClaim,
    /** The last segment of its epoch; undefined if it has stored none. */
    readonly last: LogEnd | undefined,
    heardOf: Instant,
    /** It runs for certain. */
    readonly isCertain: boolean,
  ) {
    super(
      "fenced",
      `another writer (process ${claim.process} on ${claim.host}) captures to this repository; ` +
        `it was last heard of at ${formatInstant(heardOf)}`,
      {
        hint: "stop it first; or, if you know that it is gone, give --take-over, which shuts it out",
      },
    );
  }

  /** True if the writer has stored nothing more since: its epoch is still the last, and has the same end. */
  isStillAt(before: EpochClaim, last: LogEnd | undefined): boolean {
    const end = last?.epoch === before.epoch ? last.name : undefined;
    return before.unique === this.claim.unique && end === this.last?.name;
  }
}
