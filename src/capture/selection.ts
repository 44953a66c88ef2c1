import type { CatalogRecord } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { CatalogReading } from "../rethinkdb/catalog-reader.js";
import { isScratchDatabase } from "../scratch-database.js";

/**
 * Which tables to capture: those that an include pattern matches (all, if there is none) and no exclude pattern does.
 * A pattern is `db.table`; `*` stands for any characters but a dot, and `db` alone for all its tables.
 */
export function tableSelection(
  include: string[],
  exclude: string[],
): (db: string, table: string) => boolean {
  const included = include.map(matcher);
  const excluded = exclude.map(matcher);
  return (db, table) => {
    const name = `${db}.${table}`;
    const wanted = included.length === 0 || included.some((pattern) => pattern.test(name));
    return wanted && !excluded.some((pattern) => pattern.test(name));
  };
}

function matcher(pattern: string): RegExp {
  const parts = pattern.split(".");
  if (parts.length > 2 || parts.some((part) => !/^[A-Za-z0-9_*-]+$/.test(part))) {
    throw new ThinkbackError("usage", `"${pattern}" is not a pattern of tables`, {
      hint: 'give it as db.table, where * stands for any characters: "shop.*", "*.orders"',
    });
  }
  const [db, table = "*"] = parts.map((part) => part.replaceAll("*", "[^.]*"));
  return new RegExp(`^${db}\\.${table ?? "[^.]*"}$`.replace("\\.*$", "\\.[^.]*$"));
}

/**
 * The catalog without what drills and previews have made on the source: copies of captured data, which are soon
 * dropped.
 */
export function withoutScratch(reading: CatalogReading): CatalogReading {
  const { structure, access } = reading;
  const scratch = new Set(structure.filter(isOfScratchDatabase).map(({ key }) => key[1]));
  if (scratch.size === 0) return reading;
  const isOurs = ({ key }: CatalogRecord) => !key.some((part) => scratch.has(part));
  return { ...reading, structure: structure.filter(isOurs), access: access?.filter(isOurs) };
}

function isOfScratchDatabase({ key, value }: CatalogRecord): boolean {
  const { db, name } = value as { db?: string; name?: string };
  const database = key[0] === "db" ? name : key[0] === "table" ? db : undefined;
  return database !== undefined && isScratchDatabase(database);
}
