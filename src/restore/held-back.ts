/** What keeps a restore without an instant from going as far as its tables are proven. */
import type { Instant } from "../instant.js";
import type { TableCoverage } from "../repository/coverage.js";
import type { Coverage } from "../repository/coverage-reader.js";
import { behindNoteMs } from "../repository/status.js";
import type { TableConfig } from "../rethinkdb/catalog-reader.js";

/** The catalog, or users and grants, could not be read for a while, and the tables could. */
export interface HeldBack {
  by: "catalog" | "access";
  knownTo: Instant;
  /** How far the table is proven that is farthest. */
  tablesTo: Instant;
}

/** Undefined if neither is behind by more than can be overlooked. */
export function heldBack(
  chosen: TableConfig[],
  { tables, catalog, access }: Coverage,
  wantsAccess: boolean,
): HeldBack | undefined {
  const reached = chosen.map(({ id }) => tables.get(id)?.frontier ?? Number.NEGATIVE_INFINITY);
  const tablesTo = Math.max(...reached);
  const known: [HeldBack["by"], TableCoverage | undefined][] = [
    ["catalog", catalog],
    ["access", wantsAccess ? access : undefined],
  ];
  const held = known.flatMap(([by, of]) =>
    of?.frontier === undefined ? [] : [{ by, knownTo: of.frontier, tablesTo }],
  );
  return held
    .sort((a, b) => a.knownTo - b.knownTo)
    .find(({ knownTo }) => tablesTo - knownTo > behindNoteMs);
}
