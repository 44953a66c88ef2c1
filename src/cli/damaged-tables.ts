/** Describes the damage that a round of maintenance has found: one line for all tables that lack the same object. */
import { UnusableObject } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant } from "../instant.js";
import { lookAt } from "../repository/repository-view.js";
import type { DamagedTable } from "../upkeep/maintain.js";
import { formatNames, groupedBy } from "./output.js";

export interface DamageFound {
  /** What is damaged; names the object. */
  reason: string;
  /** The earliest instant to which one of the tables cannot be restored. */
  since: string;
  /** "db.table" each. */
  tables: string[];
}

export async function damageFound(
  repository: Repository,
  damaged: DamagedTable[],
): Promise<DamageFound[]> {
  if (damaged.length === 0) return [];
  const names = await namesNow(repository);
  return [...groupedBy(damaged, ({ reason }) => reason)].map(([reason, tables]) => ({
    reason,
    since: formatInstant(Math.min(...tables.map(({ since }) => since))),
    tables: tables.map(({ table }) => names.get(table) ?? table).sort((a, b) => (a < b ? -1 : 1)),
  }));
}

export function damageText({ reason, since, tables }: DamageFound): string {
  return `DAMAGED since ${since}, because ${reason}: ${formatNames(tables)}. A running capture copies these tables anew`;
}

/** Names of the tables by id; empty if the catalog is damaged too. */
async function namesNow(repository: Repository): Promise<Map<string, string>> {
  try {
    const catalog = await lookAt(repository, (view) => view.catalog());
    return new Map(catalog.tables().map(({ id, db, name }) => [id, `${db}.${name}`]));
  } catch (error) {
    if (error instanceof UnusableObject) return new Map();
    throw error;
  }
}
