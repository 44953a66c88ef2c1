/** What the project asks of a view, asked of a store or a repository as it is at that moment. */
import * as folding from "../../src/fold/fold.js";
import * as logFolding from "../../src/fold/fold-log.js";
import type { Repository } from "../../src/format/description.js";
import type { Version } from "../../src/format/lines.js";
import type { Instant } from "../../src/instant.js";
import * as bases from "../../src/repository/bases/base.js";
import { newestBundle } from "../../src/repository/bundle.js";
import * as bundles from "../../src/repository/bundle-writer.js";
import type { TableCoverage } from "../../src/repository/coverage/coverage.js";
import * as coverages from "../../src/repository/coverage/coverage-reader.js";
import * as catalogs from "../../src/repository/log/catalog.js";
import { LogView } from "../../src/repository/log/log-view.js";
import * as runs from "../../src/repository/log/runs.js";
import * as totals from "../../src/repository/log/totals.js";
import * as holds from "../../src/repository/registers/holds.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import * as statuses from "../../src/repository/status.js";
import * as drills from "../../src/restore/drill-plan.js";
import * as histories from "../../src/restore/history.js";
import * as plans from "../../src/restore/plan.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import * as expiring from "../../src/upkeep/expire.js";
import * as loads from "../../src/upkeep/load.js";
import * as maintaining from "../../src/upkeep/maintain.js";
import * as rates from "../../src/upkeep/proposal.js";
import * as sweeping from "../../src/upkeep/sweep.js";

type Rest<F> = F extends (first: never, ...rest: infer R) => unknown ? R : never;
type Rest2<F> = F extends (first: never, second: never, ...rest: infer R) => unknown ? R : never;

const logOf = (of: ObjectStore | LogView) =>
  of instanceof LogView ? Promise.resolve(of) : LogView.read(of);

export async function readAllCoverage(of: ObjectStore | LogView): Promise<coverages.Coverage> {
  const log = await logOf(of);
  return coverages.readCoverage(log, await bases.readBases(log));
}

/** Of every table that was ever watched, by its id. */
export async function readCoverage(of: ObjectStore | LogView): Promise<Map<string, TableCoverage>> {
  return (await readAllCoverage(of)).tables;
}

export async function catalogAt(
  of: ObjectStore | LogView,
  instant: Instant,
): Promise<catalogs.Catalog> {
  return catalogs.catalogAt(await logOf(of), instant);
}

export async function readBases(store: ObjectStore, table?: string): Promise<bases.BaseInventory> {
  return bases.readBases(await LogView.read(store), table === undefined ? table : new Set([table]));
}

export async function newestBase(
  store: ObjectStore,
  table: string,
  instant: Instant,
): Promise<bases.BaseManifest | undefined> {
  return bases.newestBase(await readBases(store, table), table, instant);
}

/** What LogCollection.read gives. */
export async function collect(
  of: ObjectStore | LogView,
  ...rest: Rest<typeof runs.LogCollection.read>
): Promise<runs.LogCollection> {
  return runs.LogCollection.read(await logOf(of), ...rest);
}

/** What versionAt gives, of the table's newest base by then. */
export async function versionAt(
  log: LogView,
  table: string,
  key: Buffer,
  instant: Instant,
): Promise<Version | undefined> {
  const base = bases.newestBase(await bases.readBases(log, new Set([table])), table, instant);
  return base && histories.versionAt(log, base, key, instant);
}

const viewOf = (repository: Repository) => RepositoryView.read(repository);

export const readStatus = async (of: Repository, now?: Instant) =>
  statuses.readStatus(await viewOf(of), now);
export const readLoad = async (of: Repository) => loads.readLoad(await viewOf(of));
export const readSourceRates = async (of: Repository) => rates.readSourceRates(await viewOf(of));

export const planRestore = async (of: Repository, ...rest: Rest<typeof plans.planRestore>) =>
  plans.planRestore(await viewOf(of), ...rest);
export const planDrill = async (of: Repository, ...rest: Rest<typeof drills.planDrill>) =>
  drills.planDrill(await viewOf(of), ...rest);
export const planExpiry = async (of: Repository, ...rest: Rest<typeof expiring.planExpiry>) =>
  expiring.planExpiry(await viewOf(of), ...rest);
export const planSweep = async (of: Repository, ...rest: Rest<typeof sweeping.planSweep>) =>
  sweeping.planSweep(await viewOf(of), ...rest);
export const planMaintenance = async (
  of: Repository,
  ...rest: Rest<typeof maintaining.planMaintenance>
) => maintaining.planMaintenance(await viewOf(of), ...rest);
export const readPolicy = async (of: Repository, ...rest: Rest<typeof maintaining.readPolicy>) =>
  maintaining.readPolicy(await viewOf(of), ...rest);

export const fold = async (of: Repository, ...rest: Rest2<typeof folding.fold>) =>
  folding.fold(of, await viewOf(of), ...rest);
export const foldLog = async (of: Repository, ...rest: Rest2<typeof logFolding.foldLog>) =>
  logFolding.foldLog(of, await LogView.read(of.store), ...rest);
export const renewBundle = async (of: Repository, ...rest: Rest2<typeof bundles.renewBundle>) =>
  bundles.renewBundle(of, await viewOf(of), ...rest);

/** What countsAt gives. */
export async function countsAt(
  view: LogView,
  table: string,
  instant: Instant,
): Promise<totals.Counts | undefined> {
  return totals.countsAt(view, table, instant, await totals.totalsAt(view, instant));
}

/** What the newest bundle repeats; nothing, if it cannot be used. */
export const bundledObjects = async (of: Repository) =>
  (await newestBundle(of)).objects ?? new Map<string, Buffer>();

export const forgetHolds = (store: ObjectStore, now: Instant) =>
  holds.forgetHolds(store, store, now);
