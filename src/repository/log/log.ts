/** Claims and segments: what the log consists of. log-view.ts says which of it a reader reads, and proves it whole. */
import * as v from "valibot";
import { damaged } from "../../errors.js";
import { DataObject } from "../../format/data-object.js";
import { count, instant, list, objectName, ordinal, reference, text } from "../../format/fields.js";
import { jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { parseLines, type Version } from "../../format/lines.js";
import {
  type Place,
  parseSegmentName,
  parseWriterName,
  type SegmentName,
  writerName,
} from "../../format/names.js";
import type { SegmentFooter } from "../../format/segment.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";

export type Segment = DataObject<SegmentFooter>;

/** The greatest epoch that a writer has claimed; 0 if none has. */
export async function latestEpoch(store: ObjectStore): Promise<number> {
  let latest = 0;
  for await (const { name } of store.list("writers/")) {
    latest = Math.max(latest, parseWriterName(name) ?? 0);
  }
  return latest;
}

/** What writers/<epoch>.json says: who claimed the epoch, and where the log stood that the epoch continues. */
export const claimKind = jsonKind("writer", {
  epoch: ordinal,
  started: instant,
  /** Name of the machine, and the number of the process on it. */
  host: text,
  process: count,
  /** Tells this claim from every other: one that a store took although its answer was lost is known again by it. */
  unique: text,
  previous: v.nullable(reference),
  /** Patterns of the tables that the writer was told to capture, and not to; absent where it captures all. */
  include: v.exactOptional(list(text)),
  exclude: v.exactOptional(list(text)),
  /** The longest tick that the writer makes; for who looks whether it still writes. */
  tickMs: v.exactOptional(count),
  /** Epochs before it whose claims do not count, because they came too late, and nothing was written in them. */
  withdraws: v.exactOptional(list(ordinal)),
  /** The segment that was found missing, if the epoch continues the log from before an end that was lost. */
  lost: v.exactOptional(objectName),
});
export type EpochClaim = Stored<typeof claimKind>;

/** All claims, by epoch. Epochs are counted from 1: without one of them, what it disowns would be believed again. */
export async function listClaims(store: ObjectStore): Promise<EpochClaim[]> {
  const claims: EpochClaim[] = [];
  await addClaimsUpTo(store, await latestEpoch(store), claims);
  return claims;
}

/** Adds the claims that a listing did not show, up to that of `epoch`; throws, naming it, if one is missing. */
export async function addClaimsUpTo(
  store: ObjectStore,
  epoch: number,
  claims: EpochClaim[],
): Promise<void> {
  const names = writerNames(claims.length + 1, epoch);
  const reading = severalAtOnce(names, readsAtOnce, (name) => readClaim(store, name));
  for await (const claim of reading) claims.push(claim);
}

function* writerNames(first: number, last: number): Generator<string> {
  for (let epoch = first; epoch <= last; epoch += 1) yield writerName(epoch);
}

export async function readClaim(store: ObjectStore, name: string): Promise<EpochClaim> {
  const claim = await readStored(store, name, claimKind);
  if (claim.epoch === parseWriterName(name)) return claim;
  throw damaged(name, "its name and its content differ");
}

/**
 * The segments to believe, by epoch and sequence, as listed. What a writer wrote after a later one had taken over is
 * not among them: a later claim names the last segment that it continues, and nothing after that one counts.
 */
export async function listSegments(
  store: ObjectStore,
  claims?: EpochClaim[],
): Promise<SegmentName[]> {
  const known = claims ?? (await listClaims(store));
  const segments: SegmentName[] = [];
  for await (const { name } of store.list("log/")) {
    const segment = parseSegmentName(name);
    if (segment) segments.push(segment);
  }
  // A writer may have claimed since the claims were listed.
  const latest = segments.reduce((epoch, segment) => Math.max(epoch, segment.epoch), 0);
  await addClaimsUpTo(store, latest, known);
  return segments.filter((segment) => !isDisowned(segment, known)).sort(byPlaceInLog);
}

/** True if a later claim does not continue this segment: then it is not believed. */
export function isDisowned(segment: Place, claims: EpochClaim[]): boolean {
  return claims.some(({ epoch, previous }) => {
    if (epoch <= segment.epoch) return false;
    const last = previous && parseSegmentName(previous.name);
    return (!last || byPlaceInLog(segment, last) > 0) && !isWithdrawn(epoch, claims);
  });
}

/** True if a later claim says that the one of `epoch` does not count. */
function isWithdrawn(epoch: number, claims: EpochClaim[]): boolean {
  return claims.some(({ withdraws }) => withdraws?.includes(epoch));
}

/** True if a later claim does not continue the log of `epoch` up to `instant`. */
export function isDisownedInstant(epoch: number, instant: Instant, claims: EpochClaim[]): boolean {
  return claims.some((claim) => {
    if (claim.epoch <= epoch) return false;
    const last = claim.previous && parseSegmentName(claim.previous.name);
    const isShort = !last || last.epoch < epoch || (last.epoch === epoch && last.to < instant);
    return isShort && !isWithdrawn(claim.epoch, claims);
  });
}

export function byPlaceInLog(a: Place, b: Place): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

/** True if `b` is the place right after `a` in one epoch. */
export function follows(a: Place, b: Place): boolean {
  return a.epoch === b.epoch && a.sequence + 1 === b.sequence;
}

export async function openSegment(
  store: ObjectStore,
  name: string,
  expectedChecksum?: string,
): Promise<Segment> {
  const segment = await DataObject.open(store, name, "segment", expectedChecksum);
  const said = parseSegmentName(name);
  const { epoch, sequence, from, to } = segment.index.footer;
  if (said?.epoch !== epoch || said.sequence !== sequence || said.from !== from || said.to !== to) {
    throw damaged(name, "its name and its footer differ");
  }
  return segment;
}

/** The last segment of the log; undefined if there is none yet. */
export async function lastSegment(
  store: ObjectStore,
  claims?: EpochClaim[],
): Promise<Segment | undefined> {
  const last = (await listSegments(store, claims)).at(-1);
  return last && openSegment(store, last.name);
}

/** The versions of `table` in a segment, in the order of capture. */
export async function* segmentVersions(segment: Segment, table: string): AsyncGenerator<Version> {
  for (const frame of segment.index.frames) {
    if (frame.table === table) yield* parseLines(await segment.readFrame(frame), segment.name);
  }
}
