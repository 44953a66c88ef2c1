import type { TableConfig } from "../catalog-record.js";
import { isRefusal } from "../rethinkdb/response.js";
import type { Source } from "../rethinkdb/source.js";
import { tableSelection } from "./selection.js";

/** Which tables of a source a writer was told to capture. */
export interface Chosen {
  /** Patterns of tables; all tables, if there is none. */
  include: string[];
  exclude: string[];
}

/** A part of the choice that chooses no table; most such patterns are misspelt. */
export interface IdleChoice {
  /** The include pattern; null if there is none, which means all tables. */
  pattern: string | null;
  /** True if the pattern matches tables that are there, but the exclude patterns leave none of them. */
  excluded: boolean;
}

/** The parts of the choice that choose none of the tables. If there are no tables, "all tables" is not one of them. */
export function idleChoices(
  { include, exclude }: Chosen,
  tables: { db: string; name: string }[],
): IdleChoice[] {
  const parts = include.length === 0 ? [null] : include;
  return parts.flatMap((pattern): IdleChoice[] => {
    const choosesSome = (but: string[]) => {
      const selects = tableSelection(pattern === null ? [] : [pattern], but);
      return tables.some(({ db, name }) => selects(db, name));
    };
    const isThere = choosesSome([]);
    if (choosesSome(exclude) || (pattern === null && !isThere)) return [];
    return [{ pattern, excluded: isThere }];
  });
}

/** Says, in the options of the command line, what chooses no table: `--include shpo.* chooses no table`. */
export function idleText({ pattern, excluded }: IdleChoice, { exclude }: Chosen): string {
  if (!excluded) return `--include ${pattern} chooses no table`;
  const left = `--exclude ${exclude.join(" --exclude ")} leaves no table`;
  return pattern === null ? left : `${left} of --include ${pattern}`;
}

/** The source's tables; undefined if the source refuses to tell, which the capture explains. */
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
