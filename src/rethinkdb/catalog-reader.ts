import type { Connection } from "./connection.js";
import { r, systemTable } from "./reql.js";
import { errorClasses, ReqlError } from "./response.js";

/**
 * One entry of the catalog. Keys:
 *   ["db", <id>]                    {id, name}
 *   ["table", <id>]                 the row of table_config
 *   ["indexes", <table id>]         {indexes: [{index, function, multi, geo, outdated, query}]}
 *   ["user", <name>]                {id, password: whether it has one}
 *   ["permission", <user>, …ids]    the row of permissions
 */
export interface CatalogRecord {
  key: string[];
  value: object;
}

export interface TableConfig {
  id: string;
  name: string;
  /** Name of its database. */
  db: string;
  primary_key: string;
  indexes: string[];
  write_hook: { function: object; query: string } | null;
  shards: { primary_replica: string; replicas: string[]; nonvoting_replicas: string[] }[];
  write_acks: string;
  durability: string;
  /** Set when no replica can be asked; then nothing else is known. */
  error?: string;
}

export interface IndexStatus {
  index: string;
  /** The binary pseudo type that indexCreate takes. */
  function: object;
  multi: boolean;
  geo: boolean;
  outdated: boolean;
  query: string;
}

/** Reads the whole catalog. Tables whose replicas cannot be reached come with their `error` and without indexes. */
export async function readCatalog(connection: Connection): Promise<CatalogRecord[]> {
  const [dbs, tables, users, permissions] = await Promise.all([
    connection.rows(systemTable("db_config")),
    connection.rows(systemTable("table_config")),
    readIfPermitted(connection, "users"),
    readIfPermitted(connection, "permissions"),
  ]);
  const indexes = await Promise.all(
    (tables as TableConfig[])
      .filter((table) => !table.error)
      .map((t) => readIndexes(connection, t)),
  );
  return [
    ...(dbs as { id: string }[]).map((db) => ({ key: ["db", db.id], value: db })),
    ...(tables as TableConfig[]).map((table) => ({ key: ["table", table.id], value: table })),
    ...indexes.filter((record) => record !== undefined),
    ...(users as { id: string }[]).map((user) => ({ key: ["user", user.id], value: user })),
    ...(permissions as { id: string[] }[]).map((p) => ({ key: ["permission", ...p.id], value: p })),
  ];
}

/** The tables users and permissions need a grant that a backup user may lack; without it they are not captured. */
async function readIfPermitted(connection: Connection, table: string): Promise<unknown[]> {
  try {
    return await connection.rows(systemTable(table));
  } catch (error) {
    if (error instanceof ReqlError && error.errorClass === errorClasses.permission) return [];
    throw error;
  }
}

async function readIndexes(
  connection: Connection,
  table: TableConfig,
): Promise<CatalogRecord | undefined> {
  try {
    const rows = await connection.value<IndexStatus[]>(
      r.db(table.db).table!(table.name).indexStatus!(),
    );
    const indexes = rows.map(({ index, function: fn, multi, geo, outdated, query }) => {
      return { index, function: fn, multi, geo, outdated, query };
    });
    return { key: ["indexes", table.id], value: { indexes } };
  } catch (error) {
    // Dropped or renamed since the listing, or not reachable: the next reading tells.
    if (error instanceof ReqlError && error.errorClass !== errorClasses.permission)
      return undefined;
    throw error;
  }
}
