/**
 * Folds a table's base and log into a newer base, so that a restore begins close to its instant.
 *
 * Invariant: a base is published only for an exact or late instant, at which every version is there; nothing is
 * deleted.
 */

import type { Repository } from "../format/description.js";
import { compressHere, type FrameCompressor } from "../format/frame-compressor.js";
import type { Instant } from "../instant.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { BaseWriter } from "../repository/bases/base-writer.js";
import { isWhole, lastExactIn, type TableCoverage } from "../repository/coverage/coverage.js";
import { LogView } from "../repository/log/log-view.js";
import { LogCollection } from "../repository/log/runs.js";
import { putEvidence } from "../repository/records/evidence.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { ChainCheck } from "./chain-check.js";
import { foldParts } from "./fold-parts.js";
import { LogRanges } from "./log-ranges.js";

export interface FoldedTable {
  table: string;
  /** The instant to which the table was, or would be, folded. */
  instant: Instant;
  rows: number;
  /** Versions of the log that were merged in. */
  versions: number;
  /** False if no new base was published: none was due, nothing had changed, or breaks were found. */
  folded: boolean;
  /** How many broken version chains were found: proof of missed changes, stored as evidence. */
  breaks: number;
  /** Parts that were written, and parts of the previous base that were taken over as they are. */
  partsWritten: number;
  partsKept: number;
  /** Bytes of stored objects: of the parts that were read; of the parts, keys and manifest that were written. */
  bytesRead: number;
  bytesWritten: number;
}

export interface FoldOptions {
  /** Fold each table up to its newest exact or late instant at or before this one. */
  until: Instant;
  /** Ids of the tables to fold; all that were ever captured, if absent. */
  tables?: string[];
  /** Fold only tables whose newest base at `until` is not younger than this. */
  olderThan?: Instant;
  /** Publish no base of a table if the log holds no version since its previous base. */
  skipUnchanged?: boolean;
  /** Letters and digits that no other fold uses: they tell its objects from those of a fold that was cut short. */
  unique: string;
  /** Told how many rows the new base of a table has so far; for progress. */
  onRows: (table: string, rows: number) => void;
  /** Checked before anything is published. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
  /** See BaseWriter. */
  partBytesTarget?: number;
  /** See LogCollection. */
  memoryBytesMax?: number;
  /** Compresses what is written; in this thread, if absent. */
  compressor?: FrameCompressor | undefined;
}

/** A table that is to be folded. */
interface DueTable {
  coverage: TableCoverage;
  /** The base to fold; the log between its `logFrom` and `instant` is merged into it. */
  base: BaseManifest;
  instant: Instant;
  /** The epoch in whose log `instant` lies. */
  epoch: number;
}

/** Makes a new base of each table that `view` shows, and checks the version chains of what it merges. */
export async function fold(
  repository: Repository,
  view: RepositoryView,
  options: FoldOptions,
): Promise<FoldedTable[]> {
  const { tables: coverage } = await view.coverage();
  const folded = new Map<string, FoldedTable>();
  const due = new Map<Instant, DueTable[]>();
  for (const [id, tableCoverage] of coverage) {
    if (options.tables && !options.tables.includes(id)) continue;
    const point = foldPoint(tableCoverage, view.log, options.until);
    if (!point) continue;
    const { instant } = point;
    const base = await view.newestBase(id, instant);
    folded.set(id, notFolded(id, instant, base));
    if (!base || base.logFrom === instant) continue;
    if (options.olderThan !== undefined && base.instant > options.olderThan) continue;
    due.set(instant, [...(due.get(instant) ?? []), { coverage: tableCoverage, base, ...point }]);
  }
  for (const tables of due.values()) {
    for (const table of await foldTogether(repository, view.log, tables, options)) {
      folded.set(table.table, table);
    }
  }
  return [...folded.values()];
}

/**
 * The newest exact or late instant at or before `until`, and its epoch; undefined if there is none. A late one will do:
 * versions that are labelled too late are merged from the log after the base.
 */
function foldPoint(coverage: TableCoverage, view: LogView, until: Instant) {
  const instant = coverage.intervals
    .filter(isWhole)
    .map((interval) => lastExactIn(interval, until))
    .findLast((found) => found !== undefined);
  const epoch = instant && view.epochAt(instant);
  return instant && epoch ? { instant, epoch } : undefined;
}

function notFolded(table: string, instant: Instant, base: BaseManifest | undefined): FoldedTable {
  const nothing = { partsWritten: 0, partsKept: 0, bytesRead: 0, bytesWritten: 0 };
  const rows = base?.rows ?? 0;
  return { table, instant, rows, versions: 0, folded: false, breaks: 0, ...nothing };
}

/** Folds several tables to one instant. The log is read once for all of them. */
async function foldTogether(
  repository: Repository,
  log: LogView,
  tables: DueTable[],
  options: FoldOptions,
): Promise<FoldedTable[]> {
  const { memoryBytesMax } = options;
  const chains = new Map(
    tables.map(({ coverage, base }) => [base.table, new ChainCheck(coverage, base)]),
  );
  const collection = await LogCollection.read(
    new LogView(repository.store, log.read),
    tables.map(({ base }) => ({ table: base.table, after: base.logFrom })),
    tables[0]!.instant,
    {
      onSuccession: (table, before, after) => chains.get(table)!.follow(before, after),
      ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    },
  );
  try {
    const folded: FoldedTable[] = [];
    for (const due of tables) {
      folded.push(
        await foldTable(repository, due, collection, chains.get(due.base.table)!, options),
      );
    }
    return folded;
  } finally {
    await collection.dispose();
  }
}

async function foldTable(
  repository: Repository,
  { base, instant, epoch }: DueTable,
  log: LogCollection,
  chain: ChainCheck,
  options: FoldOptions,
): Promise<FoldedTable> {
  const { unique, onRows, partBytesTarget, skipUnchanged, signal } = options;
  const { store } = repository;
  const { table, primaryKey } = base;
  const identity = { table, primaryKey, epoch, begun: instant, unique };
  const compressor = options.compressor ?? compressHere;
  const writer = new BaseWriter(repository, identity, partBytesTarget, compressor);
  const bytesRead = await foldParts({
    store,
    base,
    log: await LogRanges.begin(log.cursors(table)),
    writer,
    onSuccession: (before, after) => chain.follow(before, after),
    onRows: (rows) => onRows(table, rows),
  });
  for (const evidence of chain.breaks) await putEvidence(store, evidence);
  const breaks = chain.breaks.length;
  const isWanted = !skipUnchanged || log.versionsOf(table) > 0;
  // A state that is proven incomplete does not become a base.
  const folded = isWanted && breaks === 0;
  await (folded ? writer.finish(instant, instant, signal) : writer.stored());
  const { rows, partsWritten, partsKept, bytesWritten } = writer;
  return {
    table,
    instant,
    rows,
    versions: log.versionsOf(table),
    breaks,
    folded,
    partsWritten,
    partsKept,
    bytesRead,
    bytesWritten,
  };
}
