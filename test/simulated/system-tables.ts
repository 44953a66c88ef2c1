/** Which system tables there are. */
import { writeDatabase, writeTableConfig } from "./config-writes.js";
import { type DatumObject, record } from "./datum.js";
import type { Engine } from "./engine.js";
import { databaseRow, serverStatusRow, tableConfigRow, tableStatusRow } from "./metadata-rows.js";
import { opFailed } from "./reql-error.js";
import { statsRows } from "./stats-rows.js";
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
  { name: "server_status", pushes: true, rows: serverStatusRows },
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
  { name: "stats", pushes: false, rows: statsRows },
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
  return engine.connectedServers.map(({ id, name }) =>
    record({ id, name, cache_size_mb: "auto", tags: ["default"] }),
  );
}

function serverStatusRows(engine: Engine): DatumObject[] {
  return engine.connectedServers.map((server) => serverStatusRow(engine, server));
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
