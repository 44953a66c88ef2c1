/**
 * The coverage of the catalog for a restore that uses some of it. A reading of the catalog that finds a change does not
 * say when it was made, so the catalog is late there: in what it says of what changed, and in nothing else.
 */
import type { LateSpan } from "../../format/coverage-record.js";
import type { Instant } from "../../instant.js";
import { isWhole, type TableCoverage, withLate } from "./coverage.js";
import type { Coverage } from "./coverage-reader.js";

type Known = Pick<Coverage, "catalog" | "tables">;

const reason = "what is asked for changed between two readings of it";

/**
 * The catalog's coverage, late also where one of these tables and databases changed. Undefined if it was never read.
 * @param used their ids; all that the catalog ever held, if undefined
 */
export function catalogFor(coverage: Known, used?: ReadonlySet<string>): TableCoverage | undefined {
  const { catalog } = coverage;
  if (!catalog?.partlyLate) return catalog;
  const intervals = withLate(catalog.intervals, lateSpansFor(coverage, used));
  return { ...catalog, intervals };
}

/** The last instant at or before `instant` that is in no span in which the table or database changed. */
export function lastUnchanged(coverage: Known, id: string, instant: Instant): Instant {
  let last = instant;
  const spans = lateSpansFor(coverage, new Set([id])).sort((a, b) => b.to - a.to);
  for (const { since, to } of spans) if (since <= last && last <= to) last = since - 1;
  return last;
}

function lateSpansFor({ catalog, tables }: Known, used?: ReadonlySet<string>): LateSpan[] {
  const isUsed = (id: string) => !used || used.has(id);
  return (catalog?.partlyLate ?? []).flatMap(({ since, to, lateMs, of, gone = [] }) => {
    const last = gone.filter(isUsed).map((id) => lastWhole(tables.get(id), to));
    const begins = [...(of.some(isUsed) ? [since] : []), ...last.map((one) => one + 1)];
    const from = Math.max(since, Math.min(...begins));
    return from <= to ? [{ since: from, to, lateMs, reason }] : [];
  });
}

/** A dropped table was there at the last instant, at or before `instant`, to which it is proven itself. */
function lastWhole(coverage: TableCoverage | undefined, instant: Instant): Instant {
  const last = coverage?.intervals.findLast((one) => isWhole(one) && one.from <= instant);
  return last ? Math.min(last.to, instant) : -1;
}
