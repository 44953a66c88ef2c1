/**
 * Fencing: one writer at a time. A writer claims the next epoch by putting writers/<epoch>.json, which exactly one can;
 * the claim names the last segment that it continues, and whatever an older epoch writes after that is not believed.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../clock.js";
import { ThinkbackError } from "../../errors.js";
import type { Repository } from "../../format/description.js";
import { encodeStored } from "../../format/json-object.js";
import {
  type FoldedName,
  parseFoldedName,
  parseSegmentName,
  type SegmentName,
  writerName,
} from "../../format/names.js";
import { formatInstant, type Instant } from "../../instant.js";
import type { Owner } from "../../owner.js";
import { ObjectExists, type ObjectStore } from "../../storage/object-store.js";
import { WithoutStore } from "../../storage/without-store.js";
import { byPlaceInLog, claimKind, type EpochClaim, listClaims } from "./log.js";
import { endOfLog, type LogEnd } from "./log-end.js";
import { LogView } from "./log-view.js";

/** A claimed epoch. */
export interface ClaimedEpoch {
  epoch: number;
  /** The segment that the epoch continues; undefined for the first of a repository. */
  last: LogEnd | undefined;
  /** The bytes of its claim. */
  object: Buffer;
}

/** The end of the log is lost: a segment that the writer of an epoch had stored is not there any more. */
export interface LostEnd {
  segment: SegmentName;
  epoch: number;
}

/** The store without the segment that is lost, and without all that follows it. */
export function withoutEnd(store: ObjectStore, { segment }: LostEnd): ObjectStore {
  const has = (name: string) => {
    const place = parseSegmentName(name) ?? parseFoldedName(name)?.first;
    return place !== undefined && byPlaceInLog(place, segment) >= 0;
  };
  return new WithoutStore(store, { has });
}

/** A writer that has not been heard of for so long is taken to be gone: three idle segments missed. */
const silenceMs = 180_000;

/** A look at the log that is older than this is no ground for a claim: what came since would be disowned. */
const lookMsMax = 30_000;
const looksMax = 5;

/**
 * Claims the next epoch. Refuses, with code "fenced", while the writer before seems to live, unless `takeOver`.
 * @param check told where the log ends, before anything is put; throws if the log must not be continued
 * @param lost continue the log from before its end that is lost, and take an epoch that is greater than its writer's
 */
export async function claimEpoch(
  repository: Repository,
  clock: Clock,
  owner: Owner,
  takeOver: boolean,
  check: (last: LogEnd | undefined) => void = () => undefined,
  lost?: LostEnd,
): Promise<ClaimedEpoch> {
  const store = lost ? withoutEnd(repository.store, lost) : repository.store;
  const late = new Set<number>();
  for (let looks = 1; ; looks += 1) {
    const lookedAt = timesOf(clock);
    const claims = await listClaims(store);
    const before = claims.at(-1);
    const withdraws = await lateClaims(store, claims, late);
    const last = await endOfLog(await LogView.read(store, { withdrawn: withdraws }));
    check(last);
    if (before && !takeOver) refuseIfAlive(before, last, owner, clock.now());
    const epoch = (before?.epoch ?? 0) + 1;
    const claim: EpochClaim = {
      epoch,
      started: clock.now(),
      host: owner.host,
      process: owner.process,
      unique: randomBytes(8).toString("hex"),
      previous: last ? { name: last.name, checksum: last.checksum } : null,
      ...(owner.include === undefined ? {} : { include: owner.include }),
      ...(owner.exclude === undefined ? {} : { exclude: owner.exclude }),
      ...(owner.tickMs === undefined ? {} : { tickMs: owner.tickMs }),
      ...(withdraws.length > 0 ? { withdraws } : {}),
      ...(lost ? { lost: lost.segment.name } : {}),
    };
    // The process may have stood still since, or the machine slept.
    const isOld = () => timesOf(clock).some((time, i) => time - lookedAt[i]! > lookMsMax);
    if (isOld() && looks >= looksMax) throw tooSlow(store.location);
    if (isOld()) continue;
    try {
      const object = encodeStored(claimKind, claim);
      await store.put(writerName(epoch), object);
      // Where claims are lost too, they are said anew: epochs are counted without a gap.
      if (lost && epoch <= lost.epoch) continue;
      if (!isOld()) return { epoch, last, object };
      // It came so late that what was written meanwhile may be folded across it.
      late.add(epoch);
      if (looks >= looksMax) throw tooSlow(store.location);
    } catch (error) {
      // Another writer was faster: look again who it is.
      if (!(error instanceof ObjectExists)) throw error;
    }
  }
}

/**
 * The epochs whose claims came so late that they do not say any more where the log ended, and in which nothing was
 * written: those of `late`, and those that a folded segment crosses. What is folded has settled for longer than a look
 * may be old, so a claim that came in time lies before no end of a folded segment that it cuts. If it counted, it would
 * disown the whole folded segment, in place of segments that are not there any more.
 */
async function lateClaims(
  store: ObjectStore,
  claims: EpochClaim[],
  late: ReadonlySet<number>,
): Promise<number[]> {
  const folded: FoldedName[] = [];
  const written = new Set<number>();
  for await (const { name } of store.list("folded/")) {
    const said = parseFoldedName(name);
    if (said) folded.push(said);
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

function tooSlow(location: string): ThinkbackError {
  const seconds = lookMsMax / 1000;
  return new ThinkbackError(
    "repository",
    `${location} takes more than ${seconds} s to say where the log ends, which is too long to begin a capture`,
    { hint: "see why the repository's store is so slow, and start again" },
  );
}

/** By the clock that stops while a machine sleeps, and by the one that may be set. */
function timesOf(clock: Clock): [number, number] {
  return [clock.monotonicMs(), clock.now()];
}

function refuseIfAlive(
  before: EpochClaim,
  last: LogEnd | undefined,
  owner: Owner,
  now: Instant,
): void {
  const ofBefore = last?.epoch === before.epoch ? last : undefined;
  if (ofBefore?.closed) return;
  // A number that is our own again, as in a container that was started anew, was that of a process that is gone.
  const isGone = before.process === owner.process || !owner.isAlive(before.process);
  if (before.host === owner.host && isGone) return;
  const heardOf = ofBefore?.to ?? before.started;
  if (now - heardOf > silenceMs) return;
  throw new ThinkbackError(
    "fenced",
    `another writer (process ${before.process} on ${before.host}) captures to this repository; ` +
      `it was last heard of at ${formatInstant(heardOf)}`,
    { hint: "stop it first; or give --take-over if you know that it is gone: it will be shut out" },
  );
}
