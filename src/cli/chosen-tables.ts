/** Whether the include and exclude options choose tables that there are. */
import { type Chosen, idleChoices, idleText, tablesOf } from "../capture/idle-patterns.js";
import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Source } from "../rethinkdb/source.js";
import type { Log } from "./log.js";

/**
 * Asks the source for its tables, so that a wrong address is found before a repository is made. Warns of include and
 * exclude options that choose none of them. With `once` that is an error, because the backup would end well without
 * what was meant; a capture that goes on takes such a table as soon as it is made.
 */
export async function lookForChosen(
  source: Source,
  chosen: Chosen,
  once: boolean,
  log: Log,
): Promise<void> {
  const tables = await tablesOf(source);
  for (const idle of tables ? idleChoices(chosen, tables) : []) {
    const text = `${idleText(idle, chosen)} of ${source.location}`;
    if (once)
      throw new ThinkbackError("unknown", text, { hint: `tables there: ${named(tables!)}` });
    log.warn(chosen, `${text} yet; tables there: ${named(tables!)}`);
  }
}

/** The names of the first 20 tables. */
function named(tables: TableConfig[]): string {
  const names = tables.map(({ db, name }) => `${db}.${name}`);
  return `${names.slice(0, 20).join(", ") || "none"}${names.length > 20 ? ", …" : ""}`;
}
