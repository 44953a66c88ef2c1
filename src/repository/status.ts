/** The state of a repository, computed from stored objects alone. */
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Acknowledgement, listAcknowledgements } from "./acknowledgement.js";
import { type BaseManifest, readBases } from "./base.js";
import { catalogAt } from "./catalog.js";
import type { CoverageInterval, TableCoverage } from "./coverage.js";
import { readCoverage } from "./coverage-reader.js";
import { lastSegment, listSegments } from "./log.js";
import type { SegmentName } from "./names.js";
import { listPins, type Pin } from "./pins.js";
import type { Repository } from "./repository.js";
import type { SegmentFooter, Totals } from "./segment.js";
import { countsAt, noTotals, totalsAt } from "./totals.js";

export interface TableStatus {
  id: string;
  /** "db.table"; the last name it had, for a dropped table. */
  name: string;
  /** Of the last coverage record; "not captured" if there is none. */
  state: TableCoverage["state"] | "not captured";
  /** Documents at the last captured instant; undefined before the first base. */
  documents: number | undefined;
  /**
   * False if `documents` is only near: changes came while the base was being copied, or the table was not watched for
   * a time after it. Exact again after a fold.
   */
  documentsExact: boolean;
  changes: number;
  /** Bytes of log lines, before compression. */
  logBytes: number;
  firstRestorable: Instant | undefined;
  lastRestorable: Instant | undefined;
  intervals: CoverageInterval[];
}

export interface RepositoryStatus {
  repository: string;
  tables: TableStatus[];
  /** The least frontier of the tables that exist and are watched; undefined while one of them has no base. */
  restorableUntil: Instant | undefined;
  /** End of the last segment. */
  lastSegment: Instant | undefined;
  segments: number;
  /** As the last segment says, see SegmentFooter. */
  serverClock: SegmentFooter["serverClock"];
  clockAheadMs: number;
  acknowledgements: Acknowledgement[];
  pins: Pin[];
}

export async function readStatus(repository: Repository): Promise<RepositoryStatus> {
  const { store } = repository;
  const segments = await listSegments(store);
  const coverage = await readCoverage(store);
  const catalog = await catalogAt(store, Number.MAX_SAFE_INTEGER);
  const present = new Map(catalog.tables().map((table) => [table.id, `${table.db}.${table.name}`]));
  const now = await totalsAt(store, segments, Number.MAX_SAFE_INTEGER);
  const bases = await readBases(store);
  const last = await lastSegment(store);
  const tables: TableStatus[] = [];
  for (const id of new Set([...present.keys(), ...coverage.keys()])) {
    const base = bases.usable.get(id)?.at(-1);
    const totals = now.get(id) ?? noTotals;
    tables.push({
      id,
      name: present.get(id) ?? (await lastNameOf(store, id, coverage.get(id))),
      ...(await countDocuments(store, segments, base, totals, coverage.get(id))),
      changes: totals.changes,
      logBytes: totals.bytes,
      ...restorable(coverage.get(id)),
    });
  }
  return {
    repository: repository.description.id,
    tables: tables.sort((a, b) => (a.name < b.name ? -1 : 1)),
    restorableUntil: restorableUntil(
      tables.filter(({ id }) => present.has(id) && coverage.get(id)?.watched),
    ),
    lastSegment: segments.at(-1)?.to,
    segments: segments.length,
    serverClock: last?.index.footer.serverClock ?? null,
    clockAheadMs: last?.index.footer.clockAheadMs ?? 0,
    acknowledgements: await listAcknowledgements(store),
    pins: await listPins(store),
  };
}

function restorable(coverage: TableCoverage | undefined) {
  const exact = coverage?.intervals.filter((interval) => interval.class === "exact") ?? [];
  return {
    state: coverage?.state ?? ("not captured" as const),
    firstRestorable: exact.at(0)?.from,
    lastRestorable: exact.at(-1)?.to,
    intervals: coverage?.intervals ?? [],
  };
}

function restorableUntil(tables: TableStatus[]): Instant | undefined {
  const captured = tables.filter(({ state }) => state !== "not captured");
  const last = captured.map(({ lastRestorable }) => lastRestorable);
  if (last.length === 0 || last.includes(undefined)) return undefined;
  return Math.min(...(last as Instant[]));
}

async function countDocuments(
  store: ObjectStore,
  segments: SegmentName[],
  base: BaseManifest | undefined,
  now: Totals,
  coverage: TableCoverage | undefined,
): Promise<Pick<TableStatus, "documents" | "documentsExact">> {
  if (!base) return { documents: undefined, documentsExact: false };
  const atInstant = await countsAt(store, segments, base.table, base.instant);
  const atLogFrom = await countsAt(store, segments, base.table, base.logFrom);
  const inserts = now.inserts - atInstant.inserts;
  const deletes = now.deletes - atInstant.deletes;
  return {
    documents: base.rows + inserts - deletes,
    documentsExact: atInstant.changes === atLogFrom.changes && watchedSince(base, coverage),
  };
}

/** True if the table was watched without a hole from the base's instant on. */
function watchedSince(base: BaseManifest, coverage: TableCoverage | undefined): boolean {
  if (!coverage || coverage.state === "copying" || coverage.state === "repairing") return false;
  const newest = coverage.intervals.at(-1);
  return newest?.class === "exact" && newest.from <= base.instant;
}

async function lastNameOf(
  store: ObjectStore,
  id: string,
  coverage: TableCoverage | undefined,
): Promise<string> {
  const last = coverage?.intervals.at(-1)?.to;
  const table =
    last === undefined
      ? undefined
      : (await catalogAt(store, last)).tables().find((t) => t.id === id);
  return table ? `${table.db}.${table.name}` : id;
}
