/** What a restore to now would have to do: how large the newest bases are, and how much log has come since. */
import { hasLeft } from "../format/coverage-record.js";
import type { Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { noTotals, totalsAt } from "../repository/log/totals.js";
import { type Rates, readRates } from "../repository/registers/rates.js";
import type { RepositoryView } from "../repository/repository-view.js";

export interface Load {
  /** Documents in the newest bases of the tables that are captured, and bytes of their JSON text. */
  documents: number;
  documentBytes: number;
  /** Bytes of log lines since those bases. */
  logBytes: number;
  /** Instant of the oldest of those bases since which the log holds changes; undefined if there is none. */
  lastFold: Instant | undefined;
  rates: Rates;
}

export async function readLoad(view: RepositoryView): Promise<Load> {
  const { common, log } = view;
  const { tables: coverage } = await view.coverage();
  const bases = await view.bases();
  const now = await totalsAt(log, Number.MAX_SAFE_INTEGER);
  const load: Load = {
    documents: 0,
    documentBytes: 0,
    logBytes: 0,
    lastFold: undefined,
    rates: await readRates(common),
  };
  const totalsThen = new Map<Instant, Map<string, Totals>>();
  for (const [table, { state, watched }] of coverage) {
    const base = bases.usable.get(table)?.at(-1);
    if (!base || hasLeft(state) || !watched) continue;
    load.documents += base.rows;
    load.documentBytes += base.documentBytes;
    const at = base.logFrom;
    const then = totalsThen.get(at) ?? (await totalsAt(log, at));
    totalsThen.set(at, then);
    const { bytes } = now.get(table) ?? noTotals;
    const logBytes = Math.max(0, bytes - (then.get(table) ?? noTotals).bytes);
    load.logBytes += logBytes;
    if (logBytes > 0) load.lastFold = Math.min(load.lastFold ?? base.instant, base.instant);
  }
  return load;
}
