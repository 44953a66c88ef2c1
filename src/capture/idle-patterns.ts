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
