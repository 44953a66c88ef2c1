/**
 * Folding: base and log of a table become a newer base, so that a restore begins close to its instant.
 *
 * Invariant: a base is published only for an instant at which the table is exact; and nothing is deleted.
 */

import type { Instant } from "../instant.js";
import { type BaseManifest, newestBase } from "../repository/base.js";
import { baseCursor } from "../repository/base-reader.js";
import { BaseWriter } from "../repository/base-writer.js";
import { lastExactIn, type TableCoverage } from "../repository/coverage.js";
import { readCoverage } from "../repository/coverage-reader.js";
import { putEvidence } from "../repository/evidence.js";
import type { Version } from "../repository/lines.js";
import { LogView } from "../repository/log-view.js";
import { mergeLatest } from "../repository/merge.js";
import type { Repository } from "../repository/repository.js";
import { LogCollection } from "../repository/runs.js";
import { ChainCheck } from "./chain-check.js";

export interface FoldedTable {
  table: string;
  /** The new base's instant. */
  instant: Instant;
  rows: number;
  /** Versions of the log that were merged in. */
  versions: number;
  /** False if the newest base was as new already, or breaks were found. */
  folded: boolean;
  /** Broken version chains found: proof of missed changes, written down as evidence. */
  breaks: number;
}

export interface FoldOptions {
  /** Fold up to each table's newest exact instant at or before this one. */
  until: Instant;
  /** Ids; all tables that were ever captured, if absent. */
  tables?: string[];
  /** Letters and digits that no other fold has: they tell its objects from those of a fold that was cut short. */
  unique: string;
  /** Told how many rows of a table are written; for progress. */
  onRows: (table: string, rows: number) => void;
}

/** Makes a new base of each table, and holds the version chain of what is merged against the log. */
export async function fold(repository: Repository, options: FoldOptions): Promise<FoldedTable[]> {
  // Listed before the coverage is read: a claim that comes in between must not lend its epoch to what it disowns.
  const view = await LogView.read(repository.store);
  const coverage = await readCoverage(repository.store);
  const folded: FoldedTable[] = [];
  for (const [id, of] of coverage) {
    if (options.tables && !options.tables.includes(id)) continue;
    const instant = newestExactInstant(of, options.until);
    const epoch = instant && view.epochAt(instant);
    if (!instant || !epoch) continue;
    folded.push(await foldTable(repository, of, { instant, epoch }, options));
  }
  return folded;
}

function newestExactInstant(coverage: TableCoverage, until: Instant): Instant | undefined {
  const found = coverage.intervals
    .filter((interval) => interval.class === "exact")
    .map((interval) => lastExactIn(interval, until));
  return found.findLast((instant) => instant !== undefined);
}

/** An instant, and the epoch in whose log it lies. */
interface FoldPoint {
  instant: Instant;
  epoch: number;
}

async function foldTable(
  repository: Repository,
  coverage: TableCoverage,
  point: FoldPoint,
  options: FoldOptions,
): Promise<FoldedTable> {
  const { table } = coverage;
  const { instant } = point;
  const { store } = repository;
  const base = await newestBase(store, table, instant);
  if (!base || base.logFrom === instant) {
    return { table, instant, rows: base?.rows ?? 0, versions: 0, breaks: 0, folded: false };
  }
  const chain = new ChainCheck(coverage, base);
  const wanted = [{ table, after: base.logFrom }];
  const log = await LogCollection.read(store, wanted, instant, {
    onSuccession: (_, before, after) => chain.follow(before, after),
  });
  try {
    const writer = await writeParts(repository, base, point, log, chain, options);
    for (const evidence of chain.breaks) await putEvidence(store, evidence);
    const breaks = chain.breaks.length;
    // A state that is proven incomplete does not become a base.
    if (breaks === 0) await writer.finish(instant, instant);
    return {
      table,
      instant,
      rows: writer.rows,
      versions: log.versions,
      breaks,
      folded: breaks === 0,
    };
  } finally {
    await log.dispose();
  }
}

async function writeParts(
  repository: Repository,
  base: BaseManifest,
  { instant, epoch }: FoldPoint,
  log: LogCollection,
  chain: ChainCheck,
  options: FoldOptions,
): Promise<BaseWriter> {
  const { table, primaryKey } = base;
  const { unique } = options;
  const writer = new BaseWriter(repository, { table, primaryKey, epoch, begun: instant, unique });
  const cursors = [baseCursor(repository.store, base), ...log.cursors(table)];
  const follow = (before: Version | undefined, after: Version) => chain.follow(before, after);
  for await (const winners of mergeLatest(cursors, follow)) {
    for (const { version } of winners) {
      const { key, time, sequence, document } = version;
      if (document !== null) writer.add(key, time, sequence, document);
    }
    await writer.drain();
    options.onRows(table, writer.rows);
  }
  return writer;
}
