/** How long a restore takes: estimated from how fast earlier ones were, and measured for later ones. */
import { systemClock } from "../clock.js";
import { commonStore, type Repository } from "../format/description.js";
import type { Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { totalsAt } from "../repository/log/totals.js";
import { noteRates, readRates } from "../repository/registers/rates.js";
import type { RepositoryView } from "../repository/repository-view.js";
import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import type { ObjectStore } from "../storage/object-store.js";
import { estimateRestore, restoreWork } from "../upkeep/schedule.js";

/** A rate measured on less work than this is mostly noise. */
const measuredWorkMin = 16 * 1024 * 1024;

/** What making a table costs: seconds of waiting for the target, with several tables at once. */
const tableSeconds = 0.05;

/** How long a restore takes. */
export interface Estimate {
  seconds: number;
  /** False if no restore was measured yet: then it is a guess, on the long side. */
  isMeasured: boolean;
}

/**
 * About how long the restore takes, by the rates that were measured last. Undefined if only some documents are
 * restored, because nobody knows how many these are; or if the log's totals cannot be read.
 * @param common where the rates are
 */
export async function estimateOf(
  view: RepositoryView,
  { tables, instant }: RestorePlan,
  common: ObjectStore = view.common,
): Promise<Estimate | undefined> {
  if (tables.some(({ chosen }) => chosen.filter ?? chosen.matches)) return undefined;
  try {
    const { isMeasured, ...rates } = await readRates(common);
    const documents = tables.reduce((sum, { base }) => sum + base.rows, 0);
    const documentBytes = tables.reduce((sum, { base }) => sum + base.documentBytes, 0);
    const logBytes = await logBytesOf(view, tables, instant);
    const ms = estimateRestore({ documents, documentBytes, logBytes, rates });
    return { seconds: ms / 1000 + tables.length * tableSeconds, isMeasured };
  } catch {
    return undefined;
  }
}

/** Bytes of the log's lines that are merged onto the bases. */
async function logBytesOf(
  view: RepositoryView,
  tables: readonly PlannedTable[],
  instant: Instant,
): Promise<number> {
  const read = new Map<string, Promise<Map<string, Totals>>>();
  const totals = (lane: number, at: Instant) => {
    const key = `${lane} ${at}`;
    const reading = read.get(key) ?? totalsAt(view.lanes[lane]!.log, at);
    read.set(key, reading);
    return reading;
  };
  let bytes = 0;
  for (const { lane, base, config } of tables) {
    const of = async (at: Instant) => (await totals(lane, at)).get(config.id)?.bytes ?? 0;
    bytes += Math.max(0, (await of(instant)) - (await of(base.logFrom)));
  }
  return bytes;
}

/**
 * Stores how fast a restore was, for later estimates. A repository that cannot be written to stays as it is.
 * @param restored of all tables together
 * @param seconds how long they took together, with reading the log
 */
export async function noteRestoreRate(
  repository: Repository,
  { tables, documents, bytes }: { tables: number; documents: number; bytes: number },
  seconds: number,
): Promise<void> {
  const work = restoreWork(documents, bytes);
  const writing = seconds - tables * tableSeconds;
  if (work < measuredWorkMin || writing <= 0) return;
  const restoreBytesPerSecond = Math.round(work / writing);
  await noteRates(commonStore(repository), { restoreBytesPerSecond }, systemClock.now()).catch(
    () => undefined,
  );
}
