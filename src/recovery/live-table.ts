/** Live tables that stand for tables of the past. */
import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { PastTable } from "./past.js";

/**
 * The live table that has the name of a table of the past.
 * @param live the tables of the server
 * @param location of the server, for messages
 * @throws {ThinkbackError} `target` if there is none, or it has another primary key
 */
export function liveTable(
  { table: { config, from } }: PastTable,
  live: readonly TableConfig[],
  location: string,
): TableReference {
  const name = `${from.db}.${from.name}`;
  const found = live.find((one) => one.db === from.db && one.name === from.name);
  if (!found) {
    throw new ThinkbackError("target", `there is no table ${name} on ${location}`, {
      hint: "`thinkback restore` brings the table back",
    });
  }
  const { id, primary_key: primaryKey } = found;
  if (primaryKey === config.primary_key) return { id, ...from, primaryKey };
  throw new ThinkbackError(
    "target",
    `the live table ${name} has the primary key ${primaryKey}; then it was ${config.primary_key}`,
    { hint: "restore the table under another name with --rename, and compare by hand" },
  );
}
