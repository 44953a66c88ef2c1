/**
 * Reading the log. A listing may be stale, so nothing here believes it to be complete: segments are believed only
 * along the chain of sequence numbers and checksums, and a break in it is an error that names the missing object.
 */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { DataObject } from "./data-object.js";
import { readJsonObject } from "./json-object.js";
import { parseLines, type Version } from "./lines.js";
import { parseSegmentName, parseWriterName, type SegmentName } from "./names.js";
import type { ObjectReference, SegmentFooter } from "./segment.js";

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
export interface WriterClaim {
  epoch: number;
  started: Instant;
  /** Name of the machine, and the number of the process on it. */
  host: string;
  process: number;
  previous: ObjectReference | null;
}

/** All claims, by epoch. */
export async function listClaims(store: ObjectStore): Promise<WriterClaim[]> {
  const claims: WriterClaim[] = [];
  for await (const { name } of store.list("writers/")) {
    const said = parseWriterName(name);
    if (said === undefined) continue;
    const claim = await readJsonObject<WriterClaim>(store, name, "writer");
    if (claim.epoch !== said || !isReferenceOrNull(claim.previous)) {
      throw damaged(name, "its name and its content differ");
    }
    claims.push(claim);
  }
  return claims;
}

/**
 * The segments to believe, by epoch and sequence, as listed. What a writer wrote after a later one had taken over is
 * not among them: a later claim names the last segment that it continues, and nothing after that one counts.
 */
export async function listSegments(store: ObjectStore): Promise<SegmentName[]> {
  const claims = await listClaims(store);
  const segments: SegmentName[] = [];
  for await (const { name } of store.list("log/")) {
    const segment = parseSegmentName(name);
    if (segment && !isDisowned(segment, claims)) segments.push(segment);
  }
  return segments.sort(byPlaceInLog);
}

/** True if a later claim does not continue this segment: then it is not believed. */
export function isDisowned(segment: SegmentName, claims: WriterClaim[]): boolean {
  return claims.some(({ epoch, previous }) => {
    if (epoch <= segment.epoch) return false;
    const last = previous && parseSegmentName(previous.name);
    return !last || byPlaceInLog(segment, last) > 0;
  });
}

/** True if a later claim does not continue the log of `epoch` up to `instant`. */
export function isDisownedInstant(epoch: number, instant: Instant, claims: WriterClaim[]): boolean {
  return claims.some((claim) => {
    if (claim.epoch <= epoch) return false;
    const last = claim.previous && parseSegmentName(claim.previous.name);
    return !last || last.epoch < epoch || (last.epoch === epoch && last.to < instant);
  });
}

type PlaceInLog = Pick<SegmentName, "epoch" | "sequence">;

function byPlaceInLog(a: PlaceInLog, b: PlaceInLog): number {
  return a.epoch - b.epoch || a.sequence - b.sequence;
}

function isBefore(a: Segment, b: Segment): boolean {
  return byPlaceInLog(a.index.footer, b.index.footer) < 0;
}

function isReferenceOrNull(value: ObjectReference | null | undefined): boolean {
  return value === null || (typeof value?.name === "string" && typeof value.checksum === "string");
}

/** A stretch of time whose segments are missing. */
export interface LogGap {
  from: Instant;
  to: Instant;
  /** What names the first missing object, as far as it can be known. */
  missing: string;
}

/** The gaps in the log, by the sequence numbers of the segments that are there. */
export async function logGaps(store: ObjectStore): Promise<LogGap[]> {
  const segments = await listSegments(store);
  const gaps: LogGap[] = [];
  let before: SegmentName | undefined;
  for (const segment of segments) {
    const follows = before?.epoch === segment.epoch ? before.sequence + 1 : 1;
    if (segment.sequence !== follows) {
      const missing = `log/${String(segment.epoch).padStart(8, "0")}/… number ${follows}`;
      gaps.push({ from: (before?.to ?? 0) + 1, to: segment.from - 1, missing });
    }
    before = segment;
  }
  return [...gaps, ...(await lostTails(store, segments))];
}

/** A claim names the last segment that it continues: where that is missing, the end of an epoch is. */
async function lostTails(store: ObjectStore, segments: SegmentName[]): Promise<LogGap[]> {
  const gaps: LogGap[] = [];
  for (const { previous } of await listClaims(store)) {
    const last = previous && parseSegmentName(previous.name);
    if (!last || segments.some(({ name }) => name === last.name)) continue;
    const before = segments.filter((segment) => byPlaceInLog(segment, last) < 0).at(-1);
    gaps.push({ from: (before?.to ?? last.from - 1) + 1, to: last.to, missing: last.name });
  }
  return gaps;
}

export async function openSegment(
  store: ObjectStore,
  name: string,
  expectedChecksum?: string,
): Promise<Segment> {
  const segment = await DataObject.open<SegmentFooter>(store, name, "segment", expectedChecksum);
  const said = parseSegmentName(name);
  const { epoch, sequence, from, to } = segment.index.footer;
  if (said?.epoch !== epoch || said.sequence !== sequence || said.from !== from || said.to !== to) {
    throw damaged(name, "its name and its footer differ");
  }
  return segment;
}

/** The last segment of the log; undefined if there is none yet. */
export async function lastSegment(store: ObjectStore): Promise<Segment | undefined> {
  const last = (await listSegments(store)).at(-1);
  return last && openSegment(store, last.name);
}

/**
 * The segments that hold versions captured after `after` and up to `until`, in the order of the log, each proven to
 * follow the one before by number and checksum. Throws if one is missing or not the one that its successor names.
 */
export async function* readChain(
  store: ObjectStore,
  after: Instant,
  until: Instant,
): AsyncGenerator<Segment> {
  const all = await listSegments(store);
  await checkNoneMissing(store, all, after, until);
  const listed = all.filter((s) => s.to > after && s.from <= until);
  let before: Segment | undefined;
  for (const { name } of listed) {
    const segment = await openSegment(store, name);
    await checkFollows(store, before, segment, after);
    before = segment;
    yield segment;
  }
}

/** Throws unless `segment` follows `before`; for the first, unless what precedes it ends at or before `after`. */
async function checkFollows(
  store: ObjectStore,
  before: Segment | undefined,
  segment: Segment,
  after: Instant,
): Promise<void> {
  const { previous } = segment.index.footer;
  if (before === undefined) {
    const precedes = previous === null ? undefined : parseSegmentName(previous.name);
    if (precedes !== undefined && precedes.to > after) throw await missing(store, previous!.name);
    return;
  }
  if (previous === null) throw damaged(segment.name, `it does not continue ${before.name}`);
  if (previous.name !== before.name) throw await missing(store, previous.name);
  if (previous.checksum !== before.checksum) {
    throw damaged(before.name, `it is not the object that ${segment.name} follows`);
  }
}

/**
 * Throws if segments that hold versions captured after `after` and up to `until` are missing right before the first
 * segment that is wholly later: the chain up to `until` does not show that, because nothing in it names them.
 */
async function checkNoneMissing(
  store: ObjectStore,
  all: SegmentName[],
  after: Instant,
  until: Instant,
): Promise<void> {
  const at = all.findIndex(({ from }) => from > until);
  const [last, next] = [all[at - 1], all[at]];
  if (!next || next.from - 1 <= after || (last && last.to >= until)) return;
  if (last && last.epoch === next.epoch && last.sequence + 1 === next.sequence) return;
  const { previous } = (await openSegment(store, next.name)).index.footer;
  if (previous === null || previous.name === last?.name) return;
  const precedes = parseSegmentName(previous.name);
  if (!precedes || precedes.to > after) throw await missing(store, previous.name);
}

/** The segment that covers `instant`, or the last before it; undefined if the log begins later. */
export async function segmentAt(
  store: ObjectStore,
  instant: Instant,
): Promise<Segment | undefined> {
  const all = await listSegments(store);
  const found = all.filter(({ from }) => from <= instant).at(-1);
  await checkNoneMissing(store, all, found?.to ?? Number.NEGATIVE_INFINITY, instant);
  return found && openSegment(store, found.name);
}

async function missing(store: ObjectStore, name: string) {
  const present = (await store.size(name).catch(() => undefined)) !== undefined;
  return damaged(name, present ? "it is out of its place in the log" : "it is missing");
}

/** The versions of `table` in a segment, in the order of capture. */
export async function* segmentVersions(segment: Segment, table: string): AsyncGenerator<Version> {
  for (const frame of segment.index.frames) {
    if (frame.table === table) yield* parseLines(await segment.readFrame(frame), segment.name);
  }
}

/** The segments that hold records of a system stream, newest first, found by the links in the footers. */
export async function* segmentsOfStream(
  store: ObjectStore,
  stream: "catalog" | "coverage",
  newest: Segment,
): AsyncGenerator<Segment> {
  let segment: Segment | undefined = newest;
  while (segment !== undefined) {
    if (segment.index.frames.some((frame) => frame.table === stream)) yield segment;
    const link: string | null = segment.index.footer.links[stream];
    if (link === null) return;
    const next = await openSegment(store, link);
    if (!isBefore(next, segment)) throw damaged(segment.name, `its link ${link} is not before it`);
    segment = next;
  }
}
