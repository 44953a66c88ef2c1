/** Checks the version chains of the whole log, to find breaks that no fold has found yet. */
import { ChainCheck } from "../fold/chain-check.js";
import { mergeLatest } from "../format/merge.js";
import type { Instant } from "../instant.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { baseCursor } from "../repository/bases/base-reader.js";
import type { TableCoverage } from "../repository/coverage/coverage.js";
import { LogCollection } from "../repository/log/runs.js";
import type { Evidence } from "../repository/records/evidence.js";
import type { Standing } from "./costs.js";
import type { Findings } from "./findings.js";

/** A stretch of a table's log, from a base on, in which every version follows the one before it. */
interface Stretch {
  coverage: TableCoverage;
  base: BaseManifest;
  until: Instant;
}

export interface ChainOptions {
  onTable: (table: string) => void;
  signal?: AbortSignal | undefined;
}

/** Reads the log of each table from its first base on, and returns the breaks. */
export async function checkChains(
  standing: Standing,
  findings: Findings,
  options: ChainOptions,
): Promise<Evidence[]> {
  const breaks: Evidence[] = [];
  const byEnd = new Map<Instant, Stretch[]>();
  for (const coverage of standing.coverage.values()) {
    for (const stretch of stretches(standing, coverage)) {
      byEnd.set(stretch.until, [...(byEnd.get(stretch.until) ?? []), stretch]);
    }
  }
  for (const together of byEnd.values()) {
    breaks.push(...(await checkTogether(standing, together, findings, options)));
  }
  return breaks;
}

/**
 * A stretch begins with a base: the table's first, a copied one (it alone holds what changed in the gap before it), or
 * the first after a loss. It ends where the next stretch begins or something is lost. So no two stretches of a table
 * end at the same instant.
 */
function stretches({ view, bases }: Standing, coverage: TableCoverage): Stretch[] {
  const { table, intervals } = coverage;
  const losses = [
    ...intervals.filter((interval) => interval.class === "damaged"),
    ...view.holes().filter((hole) => hole.table === undefined || hole.table === table),
  ];
  const isLostBetween = (from: Instant, to: Instant) =>
    losses.some((loss) => loss.from <= to && loss.to >= from);
  const found: Stretch[] = [];
  for (const base of bases.usable.get(table) ?? []) {
    const last = found.at(-1);
    const isCopied = base.logFrom < base.instant;
    if (last && !isCopied && !isLostBetween(last.base.logFrom + 1, base.instant)) continue;
    if (last) last.until = Math.min(last.until, base.instant);
    found.push({ coverage, base, until: view.to ?? 0 });
  }
  for (const stretch of found) {
    for (const { from, to } of losses) {
      if (to > stretch.base.logFrom) stretch.until = Math.min(stretch.until, from - 1);
    }
  }
  return found.filter(({ base, until }) => until > base.instant);
}

/** Checks stretches of several tables that end at one instant. The log is read once for all of them. */
async function checkTogether(
  { store, view }: Standing,
  together: Stretch[],
  findings: Findings,
  { onTable, signal }: ChainOptions,
): Promise<Evidence[]> {
  const chains = new Map(
    together.map(({ coverage, base }) => [base.table, new ChainCheck(coverage, base)]),
  );
  await findings.during(async () => {
    const log = await LogCollection.read(
      view,
      together.map(({ base }) => ({ table: base.table, after: base.logFrom })),
      together[0]!.until,
      { onSuccession: (table, before, after) => chains.get(table)!.follow(before, after) },
    );
    try {
      for (const { base } of together) {
        onTable(base.table);
        const chain = chains.get(base.table)!;
        const cursors = [baseCursor(store, base), ...log.cursors(base.table)];
        const merged = mergeLatest(cursors, (before, after) => chain.follow(before, after));
        for await (const _ of merged) signal?.throwIfAborted();
      }
    } finally {
      await log.dispose();
    }
  });
  return [...chains.values()].flatMap(({ breaks }) => breaks);
}
