/** What a user may read of a source, found by reading it. */
import type { Connection } from "./connection.js";
import { systemTable, type Term, tableTerm } from "./reql.js";
import { isRefusal, ReqlError } from "./response.js";

/** The system tables without which nothing is captured. */
const needed = ["db_config", "table_config", "server_config", "server_status", "jobs", "stats"];
/** The system tables without which users and grants are not captured. */
const ofAccess = ["users", "permissions"];

export interface SourceGrants {
  /** Such as "rethinkdb 2.4.4"; undefined if it may not be read. */
  version: string | undefined;
  /** System tables that may not be read, of those that are needed and of those that hold users and grants. */
  neededRefused: string[];
  accessRefused: string[];
  /** Names of tables that may not be read. */
  tablesRefused: string[];
  /** How many tables there are. */
  tables: number;
}

/** Reads one row of everything that a capture reads. Rejects if the connection is lost. */
export async function readGrants(connection: Connection): Promise<SourceGrants> {
  const refused = async (names: string[]) => {
    const may = await Promise.all(names.map((name) => mayRead(connection, systemTable(name))));
    return names.filter((_, i) => !may[i]);
  };
  const [neededRefused, accessRefused] = await Promise.all([refused(needed), refused(ofAccess)]);
  const rows = neededRefused.includes("table_config")
    ? []
    : ((await connection.rows(systemTable("table_config"))) as { db: string; name: string }[]);
  const tablesRefused: string[] = [];
  for (const { db, name } of rows) {
    if (!(await mayRead(connection, tableTerm({ db, name })))) tablesRefused.push(`${db}.${name}`);
  }
  const version = neededRefused.includes("server_status") ? undefined : await versionOf(connection);
  return { version, neededRefused, accessRefused, tablesRefused, tables: rows.length };
}

async function versionOf(connection: Connection): Promise<string | undefined> {
  const [row] = await connection.rows(systemTable("server_status"));
  return (row as { process?: { version?: string } } | undefined)?.process?.version;
}

/** True unless the server refuses it for want of a grant; also if a table cannot be read for another reason. */
async function mayRead(connection: Connection, table: Term): Promise<boolean> {
  try {
    await connection.rows(table.limit!(1));
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    if (error instanceof ReqlError) return true;
    throw error;
  }
}
