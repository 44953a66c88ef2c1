/**
 * Folded segments: what many consecutive segments hold, in a few objects sorted by table, key and time. One stands for
 * its segments wholly: their versions, their catalog and coverage records, and what their footers claim. So a reader
 * uses it instead of them, and they can go. docs/format.md §6.
 */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import { isName, type ObjectStore } from "../storage/object-store.js";
import type { CoverageState } from "./coverage.js";
import { readJsonObject } from "./json-object.js";
import { type FoldedName, type Place, parseFoldedName, parseSegmentName } from "./names.js";
import type { ObjectReference, SegmentFooter, Totals } from "./segment.js";

/** One part: a sorted range of a table's versions. */
export interface FoldedPart extends ObjectReference {
  rows: number;
  /** Bytes of the stored object. */
  bytes: number;
  /** JSON text of the least and the greatest key. */
  firstKey: string;
  lastKey: string;
  minTime: Instant;
  maxTime: Instant;
}

/** Records of a system stream, in the order of capture; first those that held when the folded segment begins. */
export interface FoldedRecords extends ObjectReference {
  rows: number;
  bytes: number;
}

/** What the last of an epoch's segments claims, of those that a folded segment stands for. */
export interface FoldedEpoch
  extends Pick<
    SegmentFooter,
    | "frontier"
    | "lagging"
    | "proofBoundMs"
    | "serverClock"
    | "clockAheadMs"
    | "aheadOfSource"
    | "closed"
  > {
  epoch: number;
  /** End of that segment. */
  to: Instant;
  /** Of all tables, from the epoch's first segment on. */
  totals: Record<string, Totals>;
}

/** What is known of a table when a folded segment begins. */
export interface FoldedOpening extends CoverageState {
  /** True if its first epoch has said something of the table before. */
  watched: boolean;
}

export interface FoldedManifest {
  repository: string;
  from: Instant;
  to: Instant;
  first: Place;
  last: Place;
  resolutionMs: number;
  /** The last segment that it stands for: the one that the next segment follows. */
  lastSegment: ObjectReference;
  /** The segment before the first; null for the first of a repository. */
  previous: ObjectReference | null;
  /** When it was published; what it replaces may be deleted some time after. */
  published: Instant;
  /** Besides the ends of its spans, the instants that it keeps exactly; for one that is thinned. */
  kept: Instant[];
  epochs: FoldedEpoch[];
  tables: { table: string; parts: FoldedPart[] }[];
  catalog: FoldedRecords | null;
  coverage: FoldedRecords | null;
  /** The coverage of each table as it was when the folded segment begins. */
  opening: Record<string, FoldedOpening>;
  /** The latest segment before it that holds coverage records, as its first segment says; null if none does. */
  coverageLink: string | null;
  /** Objects that are lost and may have held catalog or coverage records from before it. */
  lost: string[];
}

/** Reads a manifest; throws, naming it, if it is not the one that its name says. */
export async function readFoldedManifest(
  store: ObjectStore,
  said: FoldedName,
): Promise<FoldedManifest> {
  const manifest = await readJsonObject<FoldedManifest>(store, said.name, "folded");
  if (!isManifest(manifest)) {
    throw damaged(said.name, "its fields are not those of a folded segment");
  }
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

function isManifest(manifest: Partial<FoldedManifest>): boolean {
  const { first, last, lastSegment, previous, tables, epochs, kept, opening, lost } = manifest;
  return (
    [manifest.from, manifest.to, manifest.published, manifest.resolutionMs].every(isCount) &&
    [first?.epoch, first?.sequence, last?.epoch, last?.sequence].every(isCount) &&
    isReference(lastSegment) &&
    (previous === null || isReference(previous)) &&
    Array.isArray(kept) &&
    kept.every(isCount) &&
    (manifest.coverageLink === null || isName(manifest.coverageLink)) &&
    Array.isArray(lost) &&
    Array.isArray(epochs) &&
    epochs.every(isEpoch) &&
    Array.isArray(tables) &&
    tables.every(isTable) &&
    [manifest.catalog, manifest.coverage].every((of) => of === null || isRecords(of)) &&
    typeof opening === "object" &&
    opening !== null &&
    Object.values(opening).every((of) => typeof of === "object" && of !== null)
  );
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isReference(value: Partial<ObjectReference> | null | undefined): boolean {
  return isName(value?.name) && typeof value?.checksum === "string";
}

function isRecords(value: Partial<FoldedRecords> | undefined): boolean {
  return isReference(value) && isCount(value?.rows) && isCount(value?.bytes);
}

function isEpoch(value: Partial<FoldedEpoch> | null): boolean {
  return (
    [value?.epoch, value?.to, value?.frontier, value?.proofBoundMs].every(isCount) &&
    typeof value?.lagging === "object" &&
    value.lagging !== null &&
    typeof value.totals === "object" &&
    value.totals !== null
  );
}

function isTable(value: { table?: unknown; parts?: unknown } | null): boolean {
  return (
    typeof value?.table === "string" && Array.isArray(value.parts) && value.parts.every(isPart)
  );
}

function isPart(value: unknown): boolean {
  const part = (value ?? {}) as Partial<FoldedPart>;
  return (
    isReference(part) &&
    [part.rows, part.bytes, part.minTime, part.maxTime].every(isCount) &&
    [part.firstKey, part.lastKey].every((key) => typeof key === "string")
  );
}
