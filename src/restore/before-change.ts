/** Finds the instant to pin before live tables are changed: the newest one to which they can be restored. */
import { ThinkbackError } from "../errors.js";
import type { CoverageClass } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import { asOf } from "../repository/coverage/as-of.js";
import { catalogFor } from "../repository/coverage/catalog-for.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import { lastCommon } from "../repository/restorable.js";
import { inexact, inexactCatalog, isNotProvenYet, whereText } from "./inexact.js";

/** A table that is changed: its id, and its name now. */
export interface ChangedTable {
  id: string;
  db: string;
  name: string;
}

const nameOf = ({ db, name }: ChangedTable) => `${db}.${name}`;

/** The classes that will do: every version is there. */
const classes: readonly CoverageClass[] = ["exact", "late"];

/**
 * What is in the way of `now`: one text for each table of which nothing is known then, such as "shop.orders is
 * unwatched (the feed was lost)"; none if all can be restored to it.
 * @throws {NotProvenYet} (inexact.ts) if nothing is in the way but that a table, or the catalog, is not proven yet
 */
export function unknownAt(
  coverage: Coverage,
  tables: readonly ChangedTable[],
  now: Instant,
): string[] {
  const looked = tables.map((table) => {
    const of = coverage.tables.get(table.id);
    const state = asOf(of, now, "before");
    return { table, of, state, isSoon: isNotProvenYet(state, of) };
  });
  const unknown = looked.filter(({ state, isSoon }) => !isWhole(state) && !isSoon);
  if (unknown.length > 0) {
    return unknown.map(({ table, of, state: { reason = of?.openGap?.reason, ...is } }) => {
      const why = reason === undefined ? "" : ` (${reason})`;
      return `${nameOf(table)} is ${whereText(is)}${why}`;
    });
  }
  const soon = looked.find(({ isSoon }) => isSoon);
  if (soon) throw inexact(soon.table, soon.of!, now, [], soon.state, true, false);
  const catalog = catalogFor(coverage);
  const state = asOf(catalog, now, "before");
  if (isNotProvenYet(state, catalog)) throw inexactCatalog(state, now, catalog, [], false);
  return [];
}

/**
 * The newest instant at or before `now` to which all of the tables can be restored, exactly or late; without one, the
 * newest to which one of them can be. A table to which nothing can be restored is left out.
 * @throws {ThinkbackError} `instant` if none of them can be restored to any instant
 */
export function newestBefore(
  coverage: Coverage,
  tables: readonly ChangedTable[],
  now: Instant,
): Instant {
  const catalog = catalogFor(coverage);
  const system = catalog ? [catalog] : [];
  const known = tables
    .map(({ id }) => coverage.tables.get(id))
    .filter((of) => of !== undefined)
    .filter(({ intervals }) => intervals.some(isWhole));
  const newest = (of: readonly TableCoverage[]): Instant[] => {
    const { at, isCommon } = lastCommon([...of, ...system], now, classes);
    return isCommon ? [at] : [];
  };
  const isNone = known.length === 0 && tables.length > 0;
  const common = isNone ? [] : newest(known);
  const found = common.length > 0 ? common : known.flatMap((of) => newest([of]));
  if (found.length > 0) return Math.max(...found);
  const names = tables.map(nameOf).join(", ");
  throw new ThinkbackError(
    "instant",
    `nothing of ${names || "any table"} can be restored to any instant`,
    {
      hint: "`thinkback status` shows what can be restored",
    },
  );
}
