/**
 * Folded segments. A folded segment holds what many consecutive segments hold, in a few objects sorted by table, key
 * and time. It replaces its segments wholly: their versions, their catalog and coverage records, and the facts in their
 * footers. So readers use it in place of the segments, and these can be deleted. docs/format.md §5.4.
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
/** A part: a sorted range of a table's versions. */
export type FoldedPart = Of<typeof foldedPart>;

const foldedRecords = fields({ ...reference.entries, rows: count, bytes: count });
/**
 * Records of a system stream, in the order of capture. Those of the catalog begin with the catalog as it was when the
 * folded segment begins.
 */
export type FoldedRecords = Of<typeof foldedRecords>;

const footer = segmentFooter.entries;

const foldedEpoch = fields({
  epoch: ordinal,
  /** End of the epoch's last segment in the folded segment. */
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
/** One epoch of a folded segment: facts from the footer of its last segment in there. */
export type FoldedEpoch = Of<typeof foldedEpoch>;

const foldedOpening = fields({
  ...coverageState.entries,
  /** True if the first epoch of the folded segment has a coverage record of the table before it begins. */
  watched: flag,
  /** True if it has none, though the writer was told to capture the same tables as the one before, which had. */
  expected: v.exactOptional(flag),
});
/** The coverage of a table when a folded segment begins. */
export type FoldedOpening = Of<typeof foldedOpening>;

const place = fields({ epoch: ordinal, sequence: ordinal });

export const foldedKind = jsonKind("folded", {
  repository: text,
  from: instant,
  to: instant,
  first: place,
  last: place,
  resolutionMs: ordinal,
  /** The last segment that it stands for. The next segment names it as its `previous`. */
  lastSegment: reference,
  /** The segment before its first; null at the start of the repository. */
  previous: v.nullable(reference),
  /** When it was published. The segments it replaces may be deleted some time after. */
  published: instant,
  /** If it is thinned: the pinned instants that it keeps besides the ends of its spans. */
  kept: list(instant),
  epochs: list(foldedEpoch),
  tables: list(fields({ table: tableId, parts: list(foldedPart) })),
  catalog: v.nullable(foldedRecords),
  coverage: v.nullable(foldedRecords),
  /** The coverage of each table as it was when the folded segment begins. */
  opening: byName(foldedOpening),
  /** The latest segment before it that holds coverage records (`links.coverage` of its first segment); null if none. */
  coverageLink: v.nullable(objectName),
  /** Names of lost objects that held catalog records from before it. */
  lost: list(objectName),
});
export type FoldedManifest = Stored<typeof foldedKind>;

/** Reads a manifest; throws, naming it, if its content does not agree with its name. */
export async function readFoldedManifest(
  store: ObjectStore,
  named: FoldedName,
): Promise<FoldedManifest> {
  const manifest = await readStored(store, named.name, foldedKind);
  const { from, to, first, last, resolutionMs } = manifest;
  const isSame =
    from === named.from &&
    to === named.to &&
    isSamePlace(first, named.first) &&
    isSamePlace(last, named.last) &&
    resolutionMs === named.resolutionMs;
  const ofLast = parseSegmentName(manifest.lastSegment.name);
  if (!isSame || !ofLast || !isSamePlace(ofLast, last)) {
    throw damaged(named.name, "its name and its content differ");
  }
  return manifest;
}

/** The folded segments whose manifests are among `names`; all other names are left out. */
export function foldedNames(names: Iterable<string>): FoldedName[] {
  return [...names].map(parseFoldedName).filter((name) => name !== undefined);
}

function isSamePlace(a: Place, b: Place): boolean {
  return a.epoch === b.epoch && a.sequence === b.sequence;
}
