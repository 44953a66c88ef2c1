/**
 * Folded segments: what many consecutive segments hold, in a few objects sorted by table, key and time. One stands for
 * its segments wholly: their versions, their catalog and coverage records, and what their footers claim. So a reader
 * uses it instead of them, and they can go. docs/format.md §6.
 */
import * as v from "valibot";
import { damaged } from "../../errors.js";
import { coverageState } from "../../format/coverage-record.js";
import {
  byName,
  count,
  fields,
  flag,
  instant,
  list,
  type Of,
  objectName,
  ordinal,
  reference,
  tableId,
  text,
} from "../../format/fields.js";
import { jsonKind, readStored, type Stored } from "../../format/json-object.js";
import {
  type FoldedName,
  type Place,
  parseFoldedName,
  parseSegmentName,
} from "../../format/names.js";
import { segmentFooter } from "../../format/segment.js";
import type { ObjectStore } from "../../storage/object-store.js";

const foldedPart = fields({
  ...reference.entries,
  rows: count,
  /** Bytes of the stored object. */
  bytes: count,
  /** JSON text of the least and the greatest key. */
  firstKey: text,
  lastKey: text,
  minTime: instant,
  maxTime: instant,
});
/** One part: a sorted range of a table's versions. */
export type FoldedPart = Of<typeof foldedPart>;

const foldedRecords = fields({ ...reference.entries, rows: count, bytes: count });
/** Records of a system stream, in the order of capture; first those that held when the folded segment begins. */
export type FoldedRecords = Of<typeof foldedRecords>;

const footer = segmentFooter.entries;

const foldedEpoch = fields({
  epoch: ordinal,
  /** End of that segment. */
  to: instant,
  frontier: footer.frontier,
  lagging: footer.lagging,
  proofBoundMs: footer.proofBoundMs,
  serverClock: footer.serverClock,
  clockAheadMs: footer.clockAheadMs,
  aheadOfSource: footer.aheadOfSource,
  closed: footer.closed,
  /** Of all tables, from the epoch's first segment on. */
  totals: footer.totals,
});
/** What the last of an epoch's segments claims, of those that a folded segment stands for. */
export type FoldedEpoch = Of<typeof foldedEpoch>;

const foldedOpening = fields({
  ...coverageState.entries,
  /** True if its first epoch has said something of the table before. */
  watched: flag,
});
/** What is known of a table when a folded segment begins. */
export type FoldedOpening = Of<typeof foldedOpening>;

const place = fields({ epoch: ordinal, sequence: ordinal });

export const foldedKind = jsonKind("folded", {
  repository: text,
  from: instant,
  to: instant,
  first: place,
  last: place,
  resolutionMs: ordinal,
  /** The last segment that it stands for: the one that the next segment follows. */
  lastSegment: reference,
  /** The segment before the first; null for the first of a repository. */
  previous: v.nullable(reference),
  /** When it was published; what it replaces may be deleted some time after. */
  published: instant,
  /** Besides the ends of its spans, the instants that it keeps exactly; for one that is thinned. */
  kept: list(instant),
  epochs: list(foldedEpoch),
  tables: list(fields({ table: tableId, parts: list(foldedPart) })),
  catalog: v.nullable(foldedRecords),
  coverage: v.nullable(foldedRecords),
  /** The coverage of each table as it was when the folded segment begins. */
  opening: byName(foldedOpening),
  /** The latest segment before it that holds coverage records, as its first segment says; null if none does. */
  coverageLink: v.nullable(objectName),
  /** Objects that are lost and may have held catalog or coverage records from before it. */
  lost: list(objectName),
});
export type FoldedManifest = Stored<typeof foldedKind>;

/** Reads a manifest; throws, naming it, if it is not the one that its name says. */
export async function readFoldedManifest(
  store: ObjectStore,
  said: FoldedName,
): Promise<FoldedManifest> {
  const manifest = await readStored(store, said.name, foldedKind);
  const { from, to, first, last, resolutionMs } = manifest;
  const isSame =
    from === said.from &&
    to === said.to &&
    isSamePlace(first, said.first) &&
    isSamePlace(last, said.last) &&
    resolutionMs === said.resolutionMs;
  const ofLast = parseSegmentName(manifest.lastSegment.name);
  if (!isSame || !ofLast || !isSamePlace(ofLast, last)) {
    throw damaged(said.name, "its name and its content differ");
  }
  return manifest;
}

/** The place in its name is what counts: a manifest without one cannot be. */
export function foldedNames(names: Iterable<string>): FoldedName[] {
  return [...names].map(parseFoldedName).filter((name) => name !== undefined);
}

function isSamePlace(a: Place, b: Place): boolean {
  return a.epoch === b.epoch && a.sequence === b.sequence;
}
