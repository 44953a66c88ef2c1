/** The rows that describe databases, tables and the server, as system tables and administrative commands show them. */
import { compareStrings, type DatumObject, record } from "./datum.js";
import type { Engine, ServerIdentity } from "./engine.js";
import { timeOf } from "./pseudo-types.js";
import type { StoredTable } from "./stored-table.js";
import type { TableConfig } from "./table-config.js";

export function databaseRow({ id, name }: { id: string; name: string }): DatumObject {
  return record({ id, name });
}

export function tableConfigRow(
  _engine: Engine,
  table: StoredTable,
  config = table.config,
): DatumObject {
  return table.outage.replicasLost ? unreachableRow(table) : configRow(table, config);
}

/** The row of a table whose replicas can be reached. */
export function configRow(table: StoredTable, config = table.config): DatumObject {
  return record({
    db: table.databaseName,
    durability: config.durability,
    id: table.id,
    indexes: indexNames(table),
    name: table.name,
    primary_key: table.primaryKey,
    shards: shardRows(config),
    write_acks: config.writeAcks,
    write_hook: table.writeHook?.row ?? null,
  });
}

/** What stands in place of a configuration that no server within reach knows. */
function unreachableRow({ databaseName, id, name }: StoredTable): DatumObject {
  const error = "None of the replicas for this table are accessible.";
  return record({ db: databaseName, error, id, name });
}

/** Sorted by their bytes, as the server lists them. */
export function indexNames(table: StoredTable): string[] {
  return [...table.indexes.keys()].sort(compareStrings);
}

function shardRows({ shards }: TableConfig): DatumObject[] {
  return shards.map(({ primaryReplica, replicas, nonvotingReplicas }) =>
    record({ primary_replica: primaryReplica, replicas, nonvoting_replicas: nonvotingReplicas }),
  );
}

export function tableStatusRow(
  engine: Engine,
  table: StoredTable,
  config = table.config,
): DatumObject {
  const { outage } = table;
  const ready = !engine.unavailable() && !outage.replicasLost;
  const writable = outage.available;
  const reached = engine.connectedServers.map(({ name }) => name);
  const replicaState = (server: string) =>
    !reached.includes(server) ? "disconnected" : ready ? "ready" : "looking_for_primary_replica";
  const shards = config.shards.map(({ primaryReplica, replicas }) =>
    record({
      primary_replicas: ready ? [primaryReplica] : [],
      replicas: replicas.map((server) => record({ server, state: replicaState(server) })),
    }),
  );
  return record({
    db: table.databaseName,
    id: table.id,
    name: table.name,
    raft_leader: ready && !outage.noticed ? engine.options.serverName : null,
    shards: outage.replicasLost ? null : shards,
    status: record({
      all_replicas_ready: writable,
      ready_for_outdated_reads: !outage.replicasLost,
      ready_for_reads: writable,
      ready_for_writes: writable,
    }),
  });
}

export function serverStatusRow(engine: Engine, server: ServerIdentity): DatumObject {
  const started = timeOf(engine.startedMs / 1000, "+00:00");
  const others = engine.connectedServers.filter(({ id }) => id !== server.id);
  const seen = [...engine.cutOff].filter(([, { isSeen }]) => isSeen && others.length > 0);
  const unreached = seen.filter(([id]) => engine.connectedServers.every((one) => one.id !== id));
  const isAsked = server.id === engine.serverId;
  return record({
    id: server.id,
    name: server.name,
    network: record({
      canonical_addresses: [record({ host: "127.0.0.1", port: 29015 })],
      cluster_port: 29015,
      // One that is not reached goes by its id.
      connected_to: record({
        ...Object.fromEntries(others.map(({ name }) => [name, true])),
        ...Object.fromEntries(unreached.map(([id]) => [id, !isAsked])),
      }),
      hostname: "simulated",
      http_admin_port: "<no http admin>",
      reql_port: 28015,
      time_connected: timeOf(server.connectedMs / 1000, "+00:00"),
    }),
    process: record({
      argv: ["rethinkdb"],
      cache_size_mb: 1024,
      pid: 1,
      time_started: started,
      version: "rethinkdb 2.4.4 (simulated)",
    }),
  });
}

/** What `info()` says of a table. */
export function tableInfo(table: StoredTable): DatumObject {
  return record({
    db: databaseInfo({ id: table.databaseId, name: table.databaseName }),
    doc_count_estimates: table.config.shards.map(() =>
      Math.ceil(table.rows.size / table.config.shards.length),
    ),
    id: table.id,
    indexes: indexNames(table),
    name: table.name,
    primary_key: table.primaryKey,
    type: "TABLE",
  });
}

export function databaseInfo({ id, name }: { id: string; name: string }): DatumObject {
  return record({ id, name, type: "DB" });
}
