import type { Connection } from "./connection.js";
import { systemTable } from "./reql.js";
import { errorClasses, ReqlError } from "./response.js";

/** A row of the system table of servers. */
export interface ServerRow {
  id: string;
  process?: { version?: string };
}

/** The servers that are connected; undefined if the user may not read them. @param explain gives the error to throw */
export async function serverRows(
  connection: Connection,
  explain: (error: unknown) => unknown,
): Promise<ServerRow[] | undefined> {
  try {
    return (await connection.rows(systemTable("server_status"))) as ServerRow[];
  } catch (error) {
    if (error instanceof ReqlError && error.errorClass === errorClasses.permission)
      return undefined;
    throw explain(error) as Error;
  }
}
