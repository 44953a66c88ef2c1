/** Which system tables there are. */

import { writeDatabase, writeTableConfig } from "./config-writes.js";
import { type DatumObject, record } from "./datum.js";
import type { Engine } from "./engine.js";
import { databaseRow, serverStatusRow, tableConfigRow, tableStatusRow } from "./metadata-rows.js";
import { opFailed } from "./reql-error.js";
import { SystemTable, type SystemTableDefinition } from "./system-table.js";
import { permissionRows, userRows, writePermission, writeUser } from "./user-tables.js";

const definitions: SystemTableDefinition[] = [
  { name: "db_config", pushes: true, rows: databaseRows, write: writeDatabase },
  {
    name: "table_config",
    pushes: false,
    rows: (engine) => tableRows(engine, tableConfigRow),
    write: writeTableConfig,
  },
  { name: "table_status", pushes: false, rows: (engine) => tableRows(engine, tableStatusRow) },
  { name: "server_config", pushes: true, rows: serverConfigRows, write: refuseServerWrite },
  { name: "server_status", pushes: true, rows: (engine) => [serverStatusRow(engine)] },
  {
    name: "cluster_config",
    pushes: true,
    rows: () => [record({ id: "heartbeat", heartbeat_timeout_secs: 10 })],
  },
  { name: "users", pushes: true, rows: userRows, write: writeUser },
  { name: "permissions", pushes: true, rows: permissionRows, write: writePermission },
  { name: "current_issues", pushes: false, rows: () => [] },
  { name: "jobs", pushes: false, rows: () => [], write: refuseJobWrite },
  { name: "logs", pushes: true, rows: () => [] },
  { name: "stats", pushes: false, rows: () => [statsRow()] },
];

export function createSystemTables(engine: Engine): ReadonlyMap<string, SystemTable> {
  return new Map(
    definitions.map((definition) => [definition.name, new SystemTable(engine, definition)]),
  );
}

function databaseRows(engine: Engine): DatumObject[] {
  return [...engine.databases.values()].map(databaseRow);
}

function tableRows(
  engine: Engine,
  row: (engine: Engine, table: NonNullable<ReturnType<Engine["findTable"]>>) => DatumObject,
): DatumObject[] {
  return [...engine.tables.values()].map((table) => row(engine, table));
}

function serverConfigRows(engine: Engine): DatumObject[] {
  const { serverName, otherServers } = engine.options;
  const row = (name: string, id: string) =>
    record({ id, name, cache_size_mb: "auto", tags: ["default"] });
  return [row(serverName, engine.serverId), ...otherServers.map((name) => row(name, name))];
}

function statsRow(): DatumObject {
  return record({
    id: ["cluster"],
    query_engine: record({
      client_connections: 0,
      clients_active: 0,
      queries_per_sec: 0,
      read_docs_per_sec: 0,
      written_docs_per_sec: 0,
    }),
  });
}

function refuseServerWrite(): never {
  throw opFailed(
    "It's illegal to insert new rows into the `rethinkdb.server_config` system table.",
  );
}

function refuseJobWrite(): never {
  throw opFailed(
    "The `rethinkdb.jobs` system table only allows deletions, not inserts or updates.",
  );
}
