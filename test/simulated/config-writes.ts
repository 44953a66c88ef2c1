/** Writes to `db_config` and `table_config`: creating, renaming, changing and dropping through rows. */
import { type Datum, type DatumObject, equal, isArray, isObject, textOf } from "./datum.js";
import type { Database, Engine } from "./engine.js";
import { prettyText } from "./json-text.js";
import { databaseRow, tableConfigRow } from "./metadata-rows.js";
import { opFailed, type ReqlError } from "./reql-error.js";
import type { StoredTable } from "./stored-table.js";
import type { SystemWrite } from "./system-table.js";
import { type ShardConfig, shardsOn, type TableConfig } from "./table-config.js";

export function writeDatabase(engine: Engine, write: SystemWrite): DatumObject | null {
  const { after, generatedKey, user } = write;
  const known = engine.databases.get(textOf(write.key));
  engine.users.require(user, "config", known && { databaseId: known.id });
  if (!after) {
    if (known) engine.dropDatabase(known);
    return null;
  }
  const name = rowName(after, "db_config");
  if (known) return databaseRow(renameDatabase(engine, known, name));
  if (!generatedKey) {
    throw opFailed(
      "If you want to create a new table by inserting into `rethinkdb.db_config`, you must use an auto-generated primary key.",
    );
  }
  return databaseRow(engine.createDatabase(name, textOf(write.key)));
}

function renameDatabase(engine: Engine, database: Database, name: string): Database {
  if (name === database.name) return database;
  if (engine.databaseNames().includes(name)) {
    throw opFailed(
      `Cannot rename database \`${database.name}\` to \`${name}\` because database \`${name}\` already exists.`,
    );
  }
  database.name = name;
  return database;
}

export function writeTableConfig(engine: Engine, write: SystemWrite): DatumObject | null {
  const known = engine.tables.get(textOf(write.key));
  if (known) return changeTable(engine, known, write);
  if (!write.after) return null;
  return insertTable(engine, write.after, write);
}

function changeTable(engine: Engine, table: StoredTable, write: SystemWrite): DatumObject | null {
  const { after, user } = write;
  engine.users.require(user, "config", table);
  if (!after) {
    engine.dropTable(table);
    return null;
  }
  checkReadOnlyFields(after, tableConfigRow(engine, table));
  const config = configOf(engine, after);
  const name = rowName(after, "table_config");
  const database = engine.database(textOf(after.get("db")));
  moveTable(engine, table, database, name);
  const reshards = !equal(shardsDatum(config), shardsDatum(table.config));
  table.config = config;
  if (reshards) engine.noteResharded(table);
  return tableConfigRow(engine, table);
}

function moveTable(engine: Engine, table: StoredTable, database: Database, name: string): void {
  const other = engine.findTable(database.id, name);
  if (other && other !== table) {
    throw opFailed(
      `Cannot rename table \`${table.databaseName}.${table.name}\` to \`${database.name}.${name}\` because table \`${database.name}.${name}\` already exists.`,
    );
  }
  table.name = name;
  table.databaseId = database.id;
}

function insertTable(engine: Engine, row: DatumObject, write: SystemWrite): DatumObject {
  if (!write.generatedKey) {
    throw opFailed(
      "There is no existing table with the given ID. To create a new table by inserting into `rethinkdb.table_config`, you must let the database generate the primary key automatically.",
    );
  }
  const database = engine.database(textOf(row.get("db")));
  engine.users.require(write.user, "config", { databaseId: database.id });
  const hook = row.get("write_hook") ?? null;
  if (hook !== null)
    throw wrongFormat(
      "The `write_hook` field is read-only and can't be used to create or drop write hook function.",
    );
  const indexes = row.get("indexes") ?? [];
  if (!equal(indexes, [])) throw readOnlyIndexes();
  const primaryKey = row.get("primary_key") ?? "id";
  const table = engine.createTable(
    {
      id: textOf(write.key),
      databaseId: database.id,
      name: rowName(row, "table_config"),
      primaryKey: textOf(primaryKey),
    },
    configOf(engine, row),
  );
  return tableConfigRow(engine, table);
}

function rowName(row: DatumObject, table: string): string {
  const name = row.get("name");
  if (typeof name !== "string") throw wrongFormat("Expected a field named `name`.", table);
  return name;
}

const fields = [
  "db",
  "durability",
  "id",
  "indexes",
  "name",
  "primary_key",
  "shards",
  "write_acks",
  "write_hook",
];

function checkReadOnlyFields(row: DatumObject, current: DatumObject): void {
  const unexpected = [...row.keys()].filter((name) => !fields.includes(name));
  if (unexpected.length > 0) throw wrongFormat(`Unexpected key(s): ${unexpected.join(", ")}`);
  const kept = (name: string) => equal(row.get(name) ?? null, current.get(name) ?? null);
  if (!kept("indexes")) throw readOnlyIndexes();
  if (!kept("write_hook")) {
    throw wrongFormat(
      "The `write_hook` field is read-only and can't be used to create or drop write hook function.",
    );
  }
  if (!kept("primary_key")) {
    throw opFailed("It's illegal to change a table's primary key.");
  }
}

function configOf(engine: Engine, row: DatumObject): TableConfig {
  const durability = row.get("durability") ?? "hard";
  const writeAcks = row.get("write_acks") ?? "majority";
  if (durability !== "hard" && durability !== "soft") {
    throw wrongFormat(
      `In \`durability\`: Expected "soft" or "hard", got: ${prettyText(durability)}`,
    );
  }
  if (writeAcks !== "single" && writeAcks !== "majority") {
    throw wrongFormat(
      `In \`write_acks\`: Expected "single" or "majority", got: ${prettyText(writeAcks)}`,
    );
  }
  const shards = row.get("shards");
  return {
    durability,
    writeAcks,
    shards:
      shards === undefined ? shardsOn(engine.options.serverName, 1) : readShards(engine, shards),
  };
}

function readShards(engine: Engine, datum: Datum): ShardConfig[] {
  if (!isArray(datum))
    throw wrongFormat(`In \`shards\`: Expected an array, got ${prettyText(datum)}`);
  if (datum.length === 0) throw opFailed("In `shards`: You must specify at least one shard.");
  return datum.map((shard) => {
    if (!isObject(shard))
      throw wrongFormat(`In \`shards\`: Expected an object, got ${prettyText(shard)}`);
    return {
      primaryReplica: knownServer(engine, shard.get("primary_replica") ?? null),
      replicas: servers(engine, shard.get("replicas") ?? []),
      nonvotingReplicas: servers(engine, shard.get("nonvoting_replicas") ?? []),
    };
  });
}

function servers(engine: Engine, datum: Datum): string[] {
  return (isArray(datum) ? datum : []).map((name) => knownServer(engine, name));
}

function knownServer(engine: Engine, name: Datum): string {
  const known = engine.servers.find((server) => server.name === name);
  if (known) return known.name;
  throw opFailed(`Server \`${textOf(name)}\` does not exist or is not connected.`);
}

function shardsDatum({ shards }: TableConfig): Datum {
  return shards.map((shard) => [shard.primaryReplica, shard.replicas, shard.nonvotingReplicas]);
}

function readOnlyIndexes(): ReqlError {
  return wrongFormat(
    "The `indexes` field is read-only and can't be used to create or drop indexes.",
  );
}

function wrongFormat(why: string, table = "table_config"): ReqlError {
  return opFailed(
    `The change you're trying to make to \`rethinkdb.${table}\` has the wrong format. ${why}`,
  );
}
