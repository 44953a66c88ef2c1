/** What keeps a restore without an instant from going as far as most of what is restored is proven. */
import type { Instant } from "../instant.js";
import type { Coverage } from "../repository/coverage-reader.js";
import { behindNoteMs } from "../repository/status.js";
import type { TableConfig } from "../rethinkdb/catalog-reader.js";
import { nameOf } from "./request.js";

/** The catalog, or users and grants, could not be read for a while, or a table not be captured, and the others could. */
export interface HeldBack {
  by: "catalog" | "access" | "table";
  /** The name of the table, if it is one. */
  table?: string;
  knownTo: Instant;
  /** How far the table is proven that is farthest. */
  tablesTo: Instant;
}

/** What is farthest behind; undefined if nothing is by more than can be overlooked. */
export function heldBack(
  chosen: TableConfig[],
  { tables, catalog, access }: Coverage,
  wantsAccess: boolean,
): HeldBack | undefined {
  const known: Omit<HeldBack, "tablesTo">[] = chosen.flatMap((table) => {
    const knownTo = tables.get(table.id)?.frontier;
    return knownTo === undefined ? [] : [{ by: "table", table: nameOf(table), knownTo }];
  });
  const tablesTo = Math.max(...known.map(({ knownTo }) => knownTo));
  const [catalogTo, accessTo] = [catalog?.frontier, wantsAccess ? access?.frontier : undefined];
  if (catalogTo !== undefined) known.push({ by: "catalog", knownTo: catalogTo });
  if (accessTo !== undefined) known.push({ by: "access", knownTo: accessTo });
  const held = known
    .sort((a, b) => a.knownTo - b.knownTo)
    .find(({ knownTo }) => tablesTo - knownTo > behindNoteMs);
  return held && { ...held, tablesTo };
}
