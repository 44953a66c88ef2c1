/** Segments as they are stored. log-view.ts chooses which of them a reader uses, and proves that none is missing. */
import { damaged } from "../../errors.js";
import { DataObject } from "../../format/data-object.js";
import { parseLines, type Version } from "../../format/lines.js";
import { parseSegmentName, type SegmentName, segmentPrefix } from "../../format/names.js";
import type { SegmentFooter } from "../../format/segment.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { addClaimsUpTo, type EpochClaim, isBelieved, listClaims } from "./claims.js";
import { byPlaceInLog } from "./places.js";

export type Segment = DataObject<SegmentFooter>;

/**
 * The listed segments that are believed, by epoch and sequence. A claim names the last segment that it continues. Later
 * segments of older epochs do not count: their writer wrote them after another one had taken over.
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
  // A writer may have claimed an epoch since the claims were listed.
  const latest = segments.reduce((epoch, segment) => Math.max(epoch, segment.epoch), 0);
  await addClaimsUpTo(store, latest, known);
  return segments.filter((segment) => isBelieved(segment, known)).sort(byPlaceInLog);
}

export async function openSegment(
  store: ObjectStore,
  name: string,
  expectedChecksum?: string,
): Promise<Segment> {
  const segment = await DataObject.open(store, name, "segment", expectedChecksum);
  const named = parseSegmentName(name);
  const { epoch, sequence, from, to } = segment.index.footer;
  if (
    named?.epoch !== epoch ||
    named.sequence !== sequence ||
    named.from !== from ||
    named.to !== to
  ) {
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

/** Name of the newest segment of an epoch, looked for after the one that is known. */
export async function newestSegment(
  store: ObjectStore,
  epoch: number,
  known: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  let newest = known;
  const options = known === undefined ? { signal } : { after: known, signal };
  for await (const { name } of store.list(segmentPrefix(epoch), options)) {
    if (parseSegmentName(name) && (newest === undefined || name > newest)) newest = name;
  }
  return newest;
}
