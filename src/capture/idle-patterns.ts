import type { TableConfig } from "../catalog-record.js";
import { isRefusal } from "../rethinkdb/response.js";
import type { Source } from "../rethinkdb/source.js";
import { tableSelection } from "./selection.js";

/** What of a source a writer captures, as it was told. */
export interface Chosen {
  /** Patterns of tables; all tables, if there is none. */
  include: string[];
  exclude: string[];
}

/** A part of what is chosen that chooses no table: most are misspelt. */
export interface IdleChoice {
  /** The include pattern; null where there is none, which means all tables. */
  pattern: string | null;
  /** True if it means tables that are there, and the exclude patterns leave none of them. */
  excluded: boolean;
}

/** Of what is chosen, the parts that choose none of the tables. That there are no tables is nobody's choice. */
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
