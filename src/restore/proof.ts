/** The proof that a drill makes: restores by a plan, compares every document, and stores the result. */
import type { Clock } from "../clock.js";
import { clearAfter, isDamage, messageOf, ThinkbackError } from "../errors.js";
import { type CoverageClass, classesWorstFirst } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { type Drill, type DrilledTable, putDrill } from "../repository/records/drills.js";
import type { ScanBatch } from "../rethinkdb/scan.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import { compareDocuments, compareSettings, differencesOf } from "./comparison.js";
import type { DrillChecks } from "./drill-checks.js";
import type { PlannedTable, RestorePlan } from "./plan.js";
import { PlannedLog } from "./planned-log.js";
import { type RestoredTable, type RestoreObserver, restore } from "./restore.js";

export interface ProofObserver extends RestoreObserver {
  comparing(table: TableName, documents: number): void;
}

export interface ProofContext {
  repository: Repository;
  target: Target;
  /** Restores into databases that nobody else uses. */
  plan: RestorePlan;
  unique: string;
  /** When the drill began. */
  begun: Instant;
  clock: Clock;
  observer: ProofObserver;
  checks?: DrillChecks | undefined;
  /** Ends the proof between two steps, with the signal's reason; then nothing is stored. */
  signal: AbortSignal;
}

/**
 * Resolves with the stored drill, also if tables differ. Rejects if it could not compare; if that is the repository's
 * fault, a failed drill is stored first.
 */
export async function prove(context: ProofContext): Promise<Drill> {
  const { repository, target, plan, clock, observer, signal } = context;
  const server = (await target.version()) ?? null;
  const began = clock.monotonicMs();
  try {
    const restored = await restore(repository, plan, target, clock, observer, { signal });
    const seconds = (clock.monotonicMs() - began) / 1000;
    const tables = await compareAll(context, restored);
    signal.throwIfAborted();
    return await store(context, { server, seconds, tables });
  } catch (error) {
    // Only damage is stored as a failure: then the repository lacks what its coverage covers. An error of the target
    // tells nothing about the repository.
    if (!signal.aborted && isDamage(error)) {
      await clearAfter(error, () => storeFailure(context, server, error));
    }
    throw error;
  }
}

async function compareAll(
  context: ProofContext,
  restored: RestoredTable[],
): Promise<DrilledTable[]> {
  const { plan, repository, signal } = context;
  if (plan.tables.length === 0) return [];
  const log = await PlannedLog.read(repository, plan, {
    onSegment: () => signal.throwIfAborted(),
  });
  try {
    const tables: DrilledTable[] = [];
    for (const table of plan.tables) {
      const { db, name } = table.to;
      const of = restored.find(({ to }) => to === `${db}.${name}`);
      if (!of) throw new ThinkbackError("internal", `${db}.${name} was not restored`);
      tables.push(await compareTable(context, table, of, log));
    }
    return tables;
  } finally {
    await log.dispose();
  }
}

async function compareTable(
  { target, observer, checks, signal }: ProofContext,
  table: PlannedTable,
  restored: RestoredTable,
  log: PlannedLog,
): Promise<DrilledTable> {
  const { config, from, to } = table;
  const held = await target.settings(to);
  const { id, primary_key: primaryKey } = held.config;
  const documents = await compareDocuments(
    log.keys(table),
    shown(
      target.scan({ ...to, id, primaryKey }, { signal }),
      checks?.reader(`${from.db}.${from.name}`),
    ),
    (rows) => {
      signal.throwIfAborted();
      observer.comparing(to, rows);
    },
  );
  const settings = compareSettings(table, held);
  const [refused] = restored.leftOut;
  if (refused) {
    settings.push(`the target refuses ${restored.leftOut.length} documents: ${refused.reason}`);
  }
  if (!restored.matches) settings.push("what was read back is not what was written");
  const differences = differencesOf(documents, settings);
  const { rows, bytes, digest } = documents;
  const name = `${from.db}.${from.name}`;
  const seconds = rounded(restored.seconds);
  const found = { id: config.id, name, ok: !differences, rows, bytes, digest, seconds };
  return differences ? { ...found, differences } : found;
}

/** The same batches; `reader` is shown each document, once. */
async function* shown(
  batches: AsyncIterable<ScanBatch>,
  reader: ((document: Buffer) => void) | undefined,
): AsyncGenerator<ScanBatch> {
  for await (const batch of batches) {
    if (reader) batch.forEach((_, document) => reader(document));
    yield batch;
  }
}

async function storeFailure(
  context: ProofContext,
  server: string | null,
  error: ThinkbackError,
): Promise<void> {
  const { code, message, hint } = error;
  try {
    await store(context, { server, seconds: 0, tables: [], failure: { code, message } });
  } catch (failure) {
    const what = `${message}; and the failed drill could not be stored: ${messageOf(failure)}`;
    throw new ThinkbackError(code, what, {
      ...(hint === undefined ? {} : { hint }),
      cause: error,
    });
  }
}

async function store(
  { repository, plan, unique, begun, clock, checks }: ProofContext,
  found: Pick<Drill, "server" | "seconds" | "tables" | "failure">,
): Promise<Drill> {
  const { tables, server } = found;
  const seconds = rounded(found.seconds);
  const documents = tables.reduce((sum, { rows }) => sum + rows, 0);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const perSecond = (amount: number) => Math.round(amount / Math.max(seconds, 0.001));
  const drill: Drill = {
    unique,
    begun,
    ended: clock.now(),
    instant: plan.instant,
    class: leastClass(plan),
    ok: !found.failure && tables.every(({ ok }) => ok),
    ...(found.failure ? { failure: found.failure } : {}),
    server,
    documents,
    bytes,
    seconds,
    documentsPerSecond: perSecond(documents),
    bytesPerSecond: perSecond(bytes),
    tables,
    ...(checks ? { checks: checks.results(tables) } : {}),
  };
  await putDrill(repository.store, drill);
  return drill;
}

function leastClass({ tables, catalog }: RestorePlan): CoverageClass {
  const classes = [catalog, ...tables].map((of) => of.class);
  return classesWorstFirst.find((of) => classes.includes(of)) ?? "exact";
}

/** Rounded to milliseconds. */
function rounded(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
