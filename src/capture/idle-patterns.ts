import type { TableConfig } from "../rethinkdb/catalog-reader.js";
import { isRefusal } from "../rethinkdb/response.js";
import type { Source } from "../rethinkdb/source.js";
import { tableSelection } from "./selection.js";

/** What of a source a writer captures, as it was told. */
export interface Chosen {
  /** Patterns of tables; all tables, if there is none. */
  include: string[];
  exclude: string[];
}

/** Of the include patterns, those that choose none of the tables: most are misspelt. */
export function idlePatterns(
  { include, exclude }: Chosen,
  tables: { db: string; name: string }[],
): string[] {
  return include.filter((pattern) => {
    const selects = tableSelection([pattern], exclude);
    return !tables.some(({ db, name }) => selects(db, name));
  });
}

/** The source's tables; undefined if it does not tell, which the capture explains. */
export async function tablesOf(source: Source): Promise<TableConfig[] | undefined> {
  try {
    const { structure } = await source.readCatalog();
    return structure
      .filter(({ key }) => key[0] === "table")
      .map(({ value }) => value as TableConfig);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}
