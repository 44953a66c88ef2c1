/** Computes coverage from stored objects alone, never from memory. */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type BaseInventory, readBases } from "./base.js";
import { CoverageBuilder, type CoverageRecord, relabel, type TableCoverage } from "./coverage.js";
import { type Evidence, listEvidence } from "./evidence.js";
import { parseStored } from "./lines.js";
import {
  type LogGap,
  listClaims,
  listSegments,
  logGaps,
  openSegment,
  type Segment,
  segmentsOfStream,
  segmentVersions,
} from "./log.js";
import { basePrefix } from "./names.js";
import type { SegmentFooter } from "./segment.js";

/** What one epoch says: its records, and how far its proof reached. */
interface EpochHistory {
  records: { table: string; record: CoverageRecord }[];
  last: SegmentFooter;
  /** When the next writer began, by its clock; undefined for the latest. */
  succeeded: Instant | undefined;
}

/** The coverage of every table that was ever watched, by table id. */
export async function readCoverage(store: ObjectStore): Promise<Map<string, TableCoverage>> {
  const epochs = await readEpochs(store);
  const tables = new Map<string, CoverageBuilder>();
  const builder = (table: string) => {
    let found = tables.get(table);
    if (!found) tables.set(table, (found = new CoverageBuilder(table)));
    return found;
  };
  for (const [i, epoch] of epochs.entries()) {
    for (const { table, record } of epoch.records) builder(table).apply(record);
    const isLatest = i === epochs.length - 1;
    for (const table of tables.values()) {
      const frontier = epoch.last.lagging[table.table] ?? epoch.last.frontier;
      if (isLatest) table.reach(frontier);
      // A clock that was set back in between had labelled what came before with times that are still to come.
      else table.end(Math.min(frontier, epoch.succeeded ?? frontier));
    }
  }
  const watched = new Set(epochs.at(-1)?.records.map(({ table }) => table));
  const evidence = await listEvidence(store);
  const gaps = await logGaps(store);
  const bases = await readBases(store);
  return new Map(
    [...tables].map(([id, table]) => {
      const built = { ...table.build(), watched: watched.has(id) };
      const narrowed = narrowByEvidence(built, evidence);
      return [id, markLostCopies(markGaps(narrowed, gaps, bases), table.copies, bases)];
    }),
  );
}

/**
 * A broken chain proves that changes were missed since the version before it. So the table is not exact from there to
 * the end of that stretch; after the next repair it is.
 */
function narrowByEvidence(coverage: TableCoverage, evidence: Evidence[]): TableCoverage {
  let narrowed = coverage;
  for (const { table, before, at, key } of evidence) {
    if (table !== coverage.table) continue;
    const stretch = coverage.intervals.find(
      (i) => i.class === "exact" && i.from <= at && at <= i.to,
    );
    if (!stretch) continue;
    const isLast = stretch === coverage.intervals.filter((i) => i.class === "exact").at(-1);
    const reason = `broken version chain at key ${key}`;
    narrowed = relabel(narrowed, before + 1, stretch.to, isLast ? "unwatched" : "repaired", reason);
  }
  if (narrowed === coverage) return coverage;
  const lastExact = narrowed.intervals.filter((i) => i.class === "exact").at(-1)?.to;
  return { ...narrowed, frontier: lastExact };
}

/** An instant is damaged if no usable base lies before it with the whole log between the two. */
function markGaps(coverage: TableCoverage, gaps: LogGap[], bases: BaseInventory): TableCoverage {
  const usable = bases.usable.get(coverage.table) ?? [];
  let marked = coverage;
  const until = (instant: Instant) =>
    (usable.find((base) => base.logFrom >= instant)?.instant ?? Number.MAX_SAFE_INTEGER) - 1;
  for (const { from, to, missing } of gaps) {
    marked = relabel(marked, from, until(to), "damaged", `object ${missing} is missing`);
  }
  return marked;
}

/**
 * From a copy on, an instant is damaged if no usable base lies between the copy and it. An older base does not do: what
 * changed in the hole before the copy is in the copy's base alone.
 */
function markLostCopies(
  coverage: TableCoverage,
  copies: Instant[],
  bases: BaseInventory,
): TableCoverage {
  const { table } = coverage;
  let marked = coverage;
  for (const [i, copy] of copies.entries()) {
    const usable = bases.usable.get(table)?.find(({ instant }) => instant >= copy);
    const next = copies[i + 1] ?? Number.MAX_SAFE_INTEGER;
    const until = Math.min(usable?.instant ?? Number.MAX_SAFE_INTEGER, next) - 1;
    if (until < copy) continue;
    const lost = bases.damaged.find(({ base }) => base.table === table && base.instant >= copy);
    const missing = `${basePrefix(table, copy, "…")}manifest.json`;
    const reason = lost?.error.message ?? `object ${missing} is missing`;
    marked = relabel(marked, copy, until, "damaged", reason);
  }
  return marked;
}

async function readEpochs(store: ObjectStore): Promise<EpochHistory[]> {
  const lastOfEpoch = new Map<number, string>();
  for (const { epoch, name } of await listSegments(store)) lastOfEpoch.set(epoch, name);
  const newest = [...lastOfEpoch.values()].at(-1);
  if (newest === undefined) return [];
  const claims = await listClaims(store);
  const histories = new Map<number, EpochHistory>();
  for (const [epoch, name] of lastOfEpoch) {
    const { index } = await openSegment(store, name);
    const next = claims.find((claim) => claim.epoch > epoch);
    histories.set(epoch, { records: [], last: index.footer, succeeded: next?.started });
  }
  const holders = segmentsOfStream(store, "coverage", await openSegment(store, newest));
  for await (const holder of holders) {
    const records = await recordsOf(holder);
    histories.get(holder.index.footer.epoch)?.records.unshift(...records);
  }
  return [...histories.values()];
}

async function recordsOf(segment: Segment): Promise<EpochHistory["records"]> {
  const records: EpochHistory["records"] = [];
  for await (const { key, document } of segmentVersions(segment, "coverage")) {
    if (document === null) continue;
    const table = parseStored(key, segment.name);
    const record = parseStored(document, segment.name);
    if (typeof table !== "string" || !isCoverageRecord(record)) {
      throw damaged(segment.name, "a coverage record in it is not one");
    }
    records.push({ table, record });
  }
  return records;
}

const states: Record<CoverageRecord["state"], true> = {
  copying: true,
  repairing: true,
  live: true,
  hole: true,
  dropped: true,
};

function isCoverageRecord(value: unknown): value is CoverageRecord {
  const { state, since } = (value ?? {}) as Partial<CoverageRecord>;
  return state !== undefined && Object.hasOwn(states, state) && Number.isSafeInteger(since);
}
