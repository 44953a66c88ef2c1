/** Databases and tables as administrators see them: creating, dropping, configuring, granting. */
import type { Call } from "./call.js";
import { type Datum, type DatumObject, isObject, record } from "./datum.js";
import { define } from "./define-term.js";
import { checkName } from "./engine.js";
import { jsonText } from "./json-text.js";
import {
  databaseInfo,
  databaseRow,
  tableConfigRow,
  tableInfo,
  tableStatusRow,
} from "./metadata-rows.js";
import { logicError, NotYet, opFailed, ReqlError } from "./reql-error.js";
import { StoredTable } from "./stored-table.js";
import { shardsOn, type TableConfig } from "./table-config.js";
import type { TermDefinition } from "./term-definition.js";
import { defaultDatabase } from "./terms-table.js";
import { durabilityOption } from "./terms-write.js";
import { mergePermissions, permissionsDatum, setPermissions } from "./user-tables.js";
import {
  DatabaseRef,
  expectInteger,
  RowRef,
  TableRef,
  toDatum,
  type Value,
  valueTypeName,
} from "./value.js";

const changing = { deterministic: false };
const replicaOptargs = ["shards", "replicas", "nonvoting_replica_tags", "primary_replica_tag"];

export const adminTerms: TermDefinition[] = [
  define("DB_CREATE", 1, dbCreate, changing),
  define("DB_DROP", 1, dbDrop, changing),
  define("DB_LIST", 0, (call) => call.engine.databaseNames(), changing),
  define("TABLE_CREATE", [1, 2], tableCreate, {
    optargs: ["primary_key", "durability", ...replicaOptargs],
    ...changing,
  }),
  define("TABLE_DROP", [1, 2], tableDrop, changing),
  define("TABLE_LIST", [0, 1], tableList, changing),
  define("INFO", 1, info, changing),
  define("CONFIG", 1, config, changing),
  define("STATUS", 1, status, changing),
  define("WAIT", [0, 1], wait, { optargs: ["timeout", "wait_for"], ...changing }),
  define("RECONFIGURE", [0, 1], reconfigure, {
    optargs: ["dry_run", "emergency_repair", ...replicaOptargs],
    ...changing,
  }),
  define("REBALANCE", [0, 1], rebalance, changing),
  define("GRANT", [2, 3], grant, changing),
];

function configChange(before: Datum, after: Datum): DatumObject {
  return record({ new_val: after, old_val: before });
}

function dbCreate(call: Call): Datum {
  const name = call.string(0);
  call.at(0, () => checkName(name, "Database"));
  if (name === "rethinkdb") throw opFailed("Database `rethinkdb` already exists.");
  call.engine.users.require(call.user, "config");
  const database = call.engine.createDatabase(name);
  return record({ config_changes: [configChange(null, databaseRow(database))], dbs_created: 1 });
}

function dbDrop(call: Call): Datum {
  const name = call.string(0);
  call.at(0, () => checkName(name, "Database"));
  if (name === "rethinkdb") throw opFailed("Database `rethinkdb` is special; you can't delete it.");
  const database = call.engine.database(name);
  call.engine.users.require(call.user, "config", { databaseId: database.id });
  for (const table of call.engine.tablesOf(database.id)) {
    call.engine.users.require(call.user, "config", table);
  }
  const tables = call.engine.dropDatabase(database);
  return record({
    config_changes: [configChange(databaseRow(database), null)],
    dbs_dropped: 1,
    tables_dropped: tables.length,
  });
}

/** The database and the table's name of a term that takes both or, in the default database, the name alone. */
function tablePlace(call: Call): { database: DatabaseRef; name: string } {
  const inDatabase = call.count === 2;
  const database = inDatabase ? call.database(0) : defaultDatabase(call);
  const place = inDatabase ? 1 : 0;
  const name = call.string(place);
  call.at(place, () => checkName(name, "Table"));
  return { database, name };
}

function tableCreate(call: Call): Datum {
  const { database, name } = tablePlace(call);
  if (database.name === "rethinkdb") {
    throw opFailed("Database `rethinkdb` is special; you can't create new tables in it.");
  }
  const durability = durabilityOption(call) ?? "hard";
  const shards = shardsOn(call.engine.options.serverName, shardCount(call, 1));
  checkReplicas(call);
  call.engine.users.require(call.user, "config", { databaseId: database.id });
  const table = call.engine.createTable(
    { databaseId: database.id, name, primaryKey: call.stringOption("primary_key") ?? "id" },
    { durability, writeAcks: "majority", shards },
  );
  return record({
    config_changes: [configChange(null, tableConfigRow(call.engine, table))],
    tables_created: 1,
  });
}

function shardCount(call: Call, otherwise: number): number {
  const given = call.datumOption("shards");
  if (given === undefined) return otherwise;
  const count = expectInteger(given);
  if (count > 0) return count;
  throw call.error("shards", logicError("Every table must have at least one shard."));
}

function checkReplicas(call: Call): void {
  const replicas = call.datumOption("replicas");
  if (replicas === undefined) return;
  if (isObject(replicas)) {
    if (call.datumOption("primary_replica_tag") !== undefined) return;
    throw logicError("`primary_replica_tag` must be specified when `replicas` is an OBJECT.");
  }
  const count = expectInteger(replicas);
  if (count <= 1) return;
  throw opFailed(
    `Can't put ${count} replicas on servers with the tag \`default\` because there are only 1 servers with the tag \`default\`. It's impossible to have more replicas of the data than there are servers.`,
  );
}

function tableDrop(call: Call): Datum {
  const { database, name } = tablePlace(call);
  if (database.name === "rethinkdb") {
    throw opFailed("Database `rethinkdb` is special; you can't drop tables in it.");
  }
  const table = call.engine.findTable(database.id, name);
  if (!table) throw opFailed(`Table \`${database.name}.${name}\` does not exist.`);
  call.engine.users.require(call.user, "config", table);
  const row = tableConfigRow(call.engine, table);
  call.engine.dropTable(table);
  return record({ config_changes: [configChange(row, null)], tables_dropped: 1 });
}

function tableList(call: Call): Datum {
  const database = call.count === 1 ? call.database(0) : defaultDatabase(call);
  if (database.name === "rethinkdb") return [...call.engine.systemTables.keys()].sort();
  return call.engine
    .tablesOf(database.id)
    .map(({ name }) => name)
    .sort();
}

function info(call: Call): Datum {
  const value = call.arg(0);
  if (value instanceof DatabaseRef) return databaseInfo(value);
  if (value instanceof TableRef && value.table instanceof StoredTable) {
    call.engine.users.require(call.user, "read", value.table);
    return tableInfo(value.table);
  }
  if (value instanceof RowRef || value instanceof TableRef)
    return record({ type: valueTypeName(value) });
  const type = valueTypeName(value);
  return type === "FUNCTION" || type === "STREAM"
    ? record({ type })
    : record({ type, value: jsonText(toDatum(value, call.user)) });
}

/** The row of the system table that configures a database or table; writing it changes the thing. */
function config(call: Call): Value {
  const target = call.arg(0);
  const isDatabase = target instanceof DatabaseRef;
  const name = isDatabase ? "db_config" : "table_config";
  if (isDatabase) {
    if (target.name === "rethinkdb")
      throw opFailed("Database `rethinkdb` is special; you can't configure it.");
    call.engine.users.require(call.user, "config", { databaseId: target.id });
    return systemRow(call, name, target.id);
  }
  const { table } = call.table(0);
  if (table.isSystem)
    throw opFailed("Database `rethinkdb` is special; you can't configure the tables in it.");
  call.engine.users.require(call.user, "config", table);
  return systemRow(call, name, table.id);
}

/** A row that may be read without a permission on the system table, but not written. */
function systemRow(call: Call, name: string, id: string): RowRef {
  const table = call.engine.systemTables.get(name)!;
  return new RowRef(table, "single", id, table.get(id, call.user));
}

function status(call: Call): Value {
  const { table } = call.table(0);
  if (table.isSystem)
    throw opFailed(
      "Database `rethinkdb` is special; the system tables in it are always available and don't need to be waited on.",
    );
  call.engine.users.require(call.user, "read", table);
  return systemRow(call, "table_status", table.id);
}

/** The tables that a term on a table or a whole database is about. */
function targetTables(call: Call, term: string): StoredTable[] {
  if (call.count === 0) throw logicError(`\`${term}\` can only be called on a table or database.`);
  const target = call.arg(0);
  if (target instanceof DatabaseRef) return call.engine.tablesOf(target.id);
  const { table } = call.table(0);
  if (table instanceof StoredTable) return [table];
  throw opFailed(
    "Database `rethinkdb` is special; the system tables in it are always available and don't need to be waited on.",
  );
}

const WAIT_POLL_MS = 100;

function wait(call: Call): Datum {
  const tables = targetTables(call, "wait");
  const wanted = call.stringOption("wait_for") ?? "all_replicas_ready";
  const states = [
    "ready_for_outdated_reads",
    "ready_for_reads",
    "ready_for_writes",
    "all_replicas_ready",
  ];
  if (!states.includes(wanted)) {
    throw call.error(
      "wait_for",
      logicError(
        `Unknown table readiness state: '${wanted}', must be one of '${states.slice(0, 3).join("', '")}', or '${states[3]}'`,
      ),
    );
  }
  const ready =
    wanted === "ready_for_outdated_reads" || tables.every(({ outage }) => outage.available);
  if (ready) return record({ ready: tables.length });
  const timeout = call.datumOption("timeout");
  const waitedMs =
    call.engine.timers.now() +
    call.engine.clockOffsetMs -
    Number(call.context.now.get("epoch_time")) * 1000;
  if (timeout !== undefined && waitedMs >= expectInteger(timeout) * 1000) {
    throw new ReqlError("opFailed", "Timed out while waiting for tables.");
  }
  throw new NotYet(WAIT_POLL_MS);
}

function reconfigure(call: Call): Datum {
  const tables = targetTables(call, "reconfigure");
  const repair = call.datumOption("emergency_repair");
  if (repair !== undefined && repair !== null) throw refusedRepair(call, repair);
  for (const name of ["shards", "replicas"]) {
    if (call.optarg(name) === undefined) throw logicError(`Missing required argument \`${name}\`.`);
  }
  checkReplicas(call);
  const shards = shardsOn(call.engine.options.serverName, shardCount(call, 1));
  const dryRun = call.flag("dry_run");
  const changes = tables.map((table) => {
    call.engine.users.require(call.user, "config", table);
    return reshard(call, table, { ...table.config, shards }, dryRun);
  });
  return record({
    config_changes: changes.map(({ row }) => row),
    reconfigured: dryRun ? 0 : tables.length,
    ...(!dryRun && { status_changes: changes.map(({ state }) => state) }),
  });
}

/** Why a table is not repaired. On one server none ever needs it. */
function refusedRepair(call: Call, mode: Datum): Error {
  if (mode !== "unsafe_rollback" && mode !== "unsafe_rollback_or_erase") {
    return call.error(
      "emergency_repair",
      logicError('`emergency_repair` should be "unsafe_rollback" or "unsafe_rollback_or_erase"'),
    );
  }
  if (replicaOptargs.some((name) => call.optarg(name) !== undefined)) {
    return logicError("In emergency repair mode, you can't specify shards, replicas, etc.");
  }
  return opFailed("This table doesn't need to be repaired.");
}

/** Seen on the real server: it drops the table's write hook and says nothing. */
function reshard(
  call: Call,
  table: StoredTable,
  next: TableConfig,
  dryRun: boolean,
): { row: DatumObject; state: DatumObject } {
  const { engine } = call;
  const [oldRow, oldState] = [tableConfigRow(engine, table), tableStatusRow(engine, table)];
  if (!dryRun) engine.reshard(table, next);
  const newRow = tableConfigRow(engine, table, next);
  return {
    row: configChange(oldRow, newRow),
    state: configChange(oldState, tableStatusRow(engine, table, next)),
  };
}

function rebalance(call: Call): Datum {
  const tables = targetTables(call, "rebalance");
  const states = tables.map((table) => {
    call.engine.users.require(call.user, "config", table);
    const state = tableStatusRow(call.engine, table);
    if (table.config.shards.length > 1) call.engine.noteResharded(table);
    return configChange(state, state);
  });
  return record({ rebalanced: tables.length, status_changes: states });
}

function grant(call: Call): Datum {
  const name = call.string(call.count - 2);
  const change = call.datum(call.count - 1);
  const { engine } = call;
  const scope = call.count === 3 ? grantScope(call) : undefined;
  const permissions = engine.systemTables.get("permissions")!;
  for (const needed of ["read", "write"] as const)
    engine.users.require(call.user, needed, permissions);
  const user = engine.users.grantee(name);
  const before = scopePermissions();
  setPermissions(
    user,
    scope?.databaseId,
    scope?.id,
    mergePermissions(before ?? {}, change, !scope),
  );
  engine.noteMetadataChange();
  const shown = (permissions: typeof before) => {
    const datum = permissionsDatum(permissions ?? {});
    return datum.size > 0 ? datum : null;
  };
  return record({
    granted: 1,
    permissions_changes: [configChange(shown(before), shown(scopePermissions()))],
  });

  function scopePermissions() {
    if (!scope) return user.global;
    return scope.id === undefined
      ? user.databases.get(scope.databaseId)
      : user.tables.get(scope.id);
  }
}

function grantScope(call: Call): { databaseId: string; id?: string } {
  const target = call.arg(0);
  if (target instanceof DatabaseRef) return { databaseId: target.id };
  const { table } = call.table(0);
  return { databaseId: table.databaseId, id: table.id };
}
