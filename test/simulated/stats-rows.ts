/** The rows of the system table `stats`: of the cluster, of servers, of tables, and of each table on each server. */
import { type DatumObject, record } from "./datum.js";
import type { Engine, ServerIdentity } from "./engine.js";
import type { DocumentCounts } from "./meter.js";
import type { StoredTable } from "./stored-table.js";

export function statsRows(engine: Engine): DatumObject[] {
  const tables = [...engine.tables.values()];
  return [
    clusterRow(engine, tables),
    ...engine.connectedServers.map((server) => serverRow(engine, tables, server)),
    ...tables.flatMap((table) => [
      tableRow(table),
      ...engine.connectedServers
        .filter(({ name }) => table.replicas.includes(name))
        .map((server) => tableServerRow(table, server)),
    ]),
  ];
}

function clusterRow({ traffic }: Engine, tables: readonly StoredTable[]): DatumObject {
  return record({
    id: ["cluster"],
    query_engine: record({
      client_connections: traffic.connections,
      clients_active: traffic.connections,
      queries_per_sec: traffic.queries.perSecond,
      ...perSecond(tables.flatMap((table) => table.allCounts())),
    }),
  });
}

function serverRow(
  { traffic }: Engine,
  tables: readonly StoredTable[],
  { id, name }: ServerIdentity,
): DatumObject {
  return record({
    id: ["server", id],
    server: name,
    query_engine: record({
      client_connections: traffic.connections,
      clients_active: traffic.connections,
      queries_per_sec: traffic.queries.perSecond,
      queries_total: traffic.queries.total,
      ...perSecond(tables.map((table) => table.countsOn(name))),
      ...totals(tables.map((table) => table.countsOn(name))),
    }),
  });
}

function tableRow(table: StoredTable): DatumObject {
  return record({
    id: ["table", table.id],
    db: table.databaseName,
    table: table.name,
    query_engine: record(perSecond(table.allCounts())),
  });
}

function tableServerRow(table: StoredTable, { id, name }: ServerIdentity): DatumObject {
  const counts = [table.countsOn(name)];
  return record({
    id: ["table_server", table.id, id],
    db: table.databaseName,
    server: name,
    table: table.name,
    query_engine: record({ ...perSecond(counts), ...totals(counts) }),
    storage_engine: storageEngine(table.rows.size),
  });
}

function perSecond(counts: readonly DocumentCounts[]) {
  return {
    read_docs_per_sec: sum(counts.map(({ read }) => read.perSecond)),
    written_docs_per_sec: sum(counts.map(({ written }) => written.perSecond)),
  };
}

function totals(counts: readonly DocumentCounts[]) {
  return {
    read_docs_total: sum(counts.map(({ read }) => read.total)),
    written_docs_total: sum(counts.map(({ written }) => written.total)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Sizes that only follow the number of rows roughly. */
function storageEngine(rows: number): DatumObject {
  return record({
    cache: record({ in_use_bytes: 45_376 + rows * 500 }),
    disk: record({
      read_bytes_per_sec: 0,
      read_bytes_total: 266_240,
      space_usage: record({
        data_bytes: 2_097_152 + rows * 500,
        garbage_bytes: 0,
        metadata_bytes: 8_388_608,
        preallocated_bytes: 2_097_152,
      }),
      written_bytes_per_sec: 0,
      written_bytes_total: 131_072 + rows * 500,
    }),
  });
}
