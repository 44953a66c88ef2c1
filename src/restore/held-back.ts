/** Finds what keeps a restore without an instant from going as far as the tables are proven. */
import type { TableConfig } from "../catalog-record.js";
import type { Instant } from "../instant.js";
import {
  type CoverageInterval,
  damageNow,
  intervalAt,
  type TableCoverage,
} from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import { lastCommon } from "../repository/restorable.js";
import { behindNoteMs } from "../repository/status.js";
import { nameOf } from "./request.js";

/**
 * What is behind all else: the catalog or access, which could not be read for a while, or tables that could not be
 * captured; or what is damaged.
 */
export interface HeldBack {
  by: "catalog" | "access" | "table";
  /** The table's name, if `by` is "table". */
  table?: string;
  /** Names of other tables with the same damage. */
  others?: string[];
  /** The last instant to which it can be restored; undefined if there is none. */
  knownTo: Instant | undefined;
  /** The last instant to which any of the tables is proven. */
  tablesTo: Instant;
  /** What is missing, if it is damaged after `knownTo`. */
  damage?: string;
}

type Held = Omit<HeldBack, "tablesTo">;

/**
 * What is farthest behind. Undefined if nothing is behind by more than 30 s, and nothing is damaged that the newest
 * instant needs.
 * @param chosen the tables that are there now
 * @param instant the instant that the restore takes
 */
export function heldBack(
  chosen: TableConfig[],
  { tables, catalog, access }: Coverage,
  wantsAccess: boolean,
  instant: Instant,
): HeldBack | undefined {
  const known = chosen.flatMap((table) => {
    const of = tables.get(table.id);
    return of?.frontier === undefined ? [] : [{ table: nameOf(table), of }];
  });
  const tablesTo = Math.max(...known.map(({ of }) => of.frontier!));
  if (!(tablesTo > instant)) return undefined;
  const all: Held[] = known.map(({ table, of }) => ({ by: "table", table, ...knownOf(of) }));
  if (catalog) all.push({ by: "catalog", ...knownOf(catalog) });
  if (access && wantsAccess) all.push({ by: "access", ...knownOf(access) });
  const isWorthIt = ({ knownTo = -Infinity, damage }: Held) =>
    damage !== undefined || tablesTo - knownTo > behindNoteMs;
  const behind = all
    .filter(isWorthIt)
    .sort((a, b) => (a.knownTo ?? -Infinity) - (b.knownTo ?? -Infinity));
  const [held] = behind;
  if (!held) return undefined;
  const others = behind.filter((one) => one !== held && isAlike(one, held));
  const names = others.flatMap(({ table }) => table ?? []);
  return { ...held, ...(names.length > 0 ? { others: names } : {}), tablesTo };
}

function knownOf(of: TableCoverage): Pick<HeldBack, "knownTo" | "damage"> {
  const last = lastCommon([of], Number.MAX_SAFE_INTEGER);
  const knownTo = last.isCommon ? last.at : undefined;
  const after = knownTo === undefined ? of.intervals.at(-1) : intervalAt(of, knownTo + 1);
  const damage: CoverageInterval | undefined = after?.class === "damaged" ? after : damageNow(of);
  return damage ? { knownTo, damage: damage.reason ?? "" } : { knownTo };
}

function isAlike(a: Held, b: Held): boolean {
  return a.damage !== undefined && a.damage === b.damage && a.by === "table" && b.by === "table";
}
