/** The coverage of the catalog for what a restore asks for by name. */
import { isDamage } from "../errors.js";
import type { Instant } from "../instant.js";
import { catalogFor } from "./coverage/catalog-for.js";
import type { TableCoverage } from "./coverage/coverage.js";
import type { Coverage } from "./coverage/coverage-reader.js";
import type { Catalog } from "./log/catalog.js";
import type { RepositoryView } from "./repository-view.js";

/** Names as they were at an instant; all tables if both lists are empty. */
interface Names {
  /** "db.table" each. */
  tables: string[];
  databases: string[];
}

/**
 * The coverage of the catalog for a restore of these names to `instant`, right for that instant. Where a name may have
 * stood for another table or database at the instant, it is late: so for the one that has the name in the catalog of
 * then, and for the one that got it in a span around the instant. Undefined if the catalog was never read.
 */
export async function catalogInScope(
  view: RepositoryView,
  coverage: Coverage,
  names: Names,
  instant: Instant,
): Promise<TableCoverage | undefined> {
  const { partlyLate = [] } = coverage.catalog ?? {};
  if (partlyLate.length === 0 || isEverything(names)) return catalogFor(coverage);
  const used = new Set<string>();
  try {
    for (const at of statesAround(coverage, instant)) {
      for (const id of idsIn(await view.catalog(at), names)) used.add(id);
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    return catalogFor(coverage);
  }
  return catalogFor(coverage, used);
}

/**
 * The catalog at `instant` was as it is known of one of these instants: of `instant` itself, or of the end of a span
 * around it in which something changed. Of each table and database this is true by itself.
 */
export function statesAround({ catalog }: Coverage, instant: Instant): Set<Instant> {
  const spans = catalog?.partlyLate ?? [];
  const around = spans.filter(({ since, to }) => since <= instant && instant <= to);
  return new Set([instant, ...around.map(({ to }) => to + 1)]);
}

const isEverything = ({ tables, databases }: Names) => tables.length + databases.length === 0;

/** Ids of the tables with these names, of the databases, and of all tables in them. */
function idsIn(catalog: Catalog, { tables, databases }: Names): string[] {
  const isIn = ({ name }: { name: string }) => databases.includes(name);
  const isAsked = ({ db, name }: { db: string; name: string }) =>
    databases.includes(db) || tables.includes(`${db}.${name}`);
  const found = [...catalog.databases().filter(isIn), ...catalog.tables().filter(isAsked)];
  return found.map(({ id }) => id);
}
