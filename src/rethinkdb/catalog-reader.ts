import { isDeepStrictEqual } from "node:util";
import type { CatalogRecord, IndexStatus, TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Connection } from "./connection.js";
import { r, systemTable, type Term } from "./reql.js";
import { isRefusal, ReqlError } from "./response.js";
import { idTerm } from "./table-identity.js";

/** The catalog as it was at some moment after the reading began. */
export interface CatalogReading {
  /** The servers that the asked server was connected to during the whole reading, itself included. */
  servers: { id: string; name: string }[];
  /** Ids of servers that one of these is connected to, but the asked server is not. */
  beyond: string[];
  /** Databases, tables and their indexes. */
  structure: CatalogRecord[];
  /** Users and permissions; undefined if they may not be read now. */
  access: CatalogRecord[] | undefined;
}

/** What the last reading told of each table's indexes, by table id. Each reading brings it up to date. */
export type KnownIndexes = Map<string, object>;

/**
 * Reads the whole catalog. Tables whose replicas cannot be reached come with their `error` and without indexes.
 *
 * Any single server acknowledges databases, new tables, users and grants, and sends them to the servers that it is
 * connected to. If a server answers after the reading began and before the first row is read, the reading holds all
 * that this server had acknowledged before: its answer comes behind what it had sent. A query of `jobs` is answered
 * only when each connected server has answered, or its connection is lost (seen live on 2.4.4). So the servers of a
 * reading are those whose connection is the same at its end as before `jobs` was asked.
 */
export async function readCatalog(
  connection: Connection,
  known: KnownIndexes = new Map(),
): Promise<CatalogReading> {
  const before = await connection.value<ServerStatus[]>(
    // One query for both, so that `jobs` is read after the status.
    r.expr([serverStatus(), systemTable("jobs").count!()]).bracket!(0),
  );
  const [dbs, tables, users, permissions] = await Promise.all([
    connection.rows(systemTable("db_config")),
    connection.rows(systemTable("table_config")),
    readIfPermitted(connection, "users"),
    readIfPermitted(connection, "permissions"),
  ]);
  const configs = tables.map(configOf);
  const indexes = await readIndexes(connection, configs, known);
  const structure = [
    ...(dbs as { id: string }[]).map((db) => ({ key: ["db", db.id], value: db })),
    ...configs.map((table) => ({ key: ["table", table.id], value: table })),
    ...indexes,
  ];
  const access = users &&
    permissions && [
      ...(users as { id: string }[]).map((user) => ({ key: ["user", user.id], value: user })),
      ...(permissions as { id: string[] }[]).map((p) => ({
        key: ["permission", ...p.id],
        value: p,
      })),
    ];
  const after = await connection.value<ServerStatus[]>(serverStatus());
  const stayed = before.filter(({ id, connected }) =>
    after.some((server) => server.id === id && server.connected === connected),
  );
  const servers = stayed.map(({ id, name }) => ({ id, name }));
  return { servers, beyond: beyondOf([...before, ...after]), structure, access };
}

interface ServerStatus {
  id: string;
  name: string;
  /** Since when the asked server is connected to it, in seconds since 1970. */
  connected: number;
  /** Names of the servers that it, or any other connected one, is connected to; an id where the name is not known. */
  sees: string[];
}

/** What the asked server knows of the servers that it is connected to. */
function serverStatus(): Term {
  const rows = systemTable("server_status").map!((row: Term) => {
    const network = row.getField!("network");
    return {
      id: row.getField!("id"),
      name: row.getField!("name"),
      connected: network.getField!("time_connected").toEpochTime!(),
      sees: network.getField!("connected_to").keys!(),
    };
  });
  return rows.coerceTo!("array");
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** In `sees` an id stands for a server that the asked one is not connected to. A proxy has no name or id there. */
function beyondOf(servers: ServerStatus[]): string[] {
  const names = new Set(servers.map(({ name }) => name));
  const seen = new Set(servers.flatMap(({ sees }) => sees));
  return [...seen].filter((server) => uuid.test(server) && !names.has(server)).sort();
}

/**
 * Ids of the tables whose present state a reading does not tell: none of their replicas could be asked, or so few that
 * the others may be a majority. A client that reaches those others can change indexes and hooks, and is acknowledged.
 */
export function untoldTables({ servers, structure }: CatalogReading): Set<string> {
  const connected = new Set(servers.map(({ name }) => name));
  const withIndexes = new Set(
    structure.filter(({ key }) => key[0] === "indexes").map(({ key }) => key[1]),
  );
  const isTold = (table: TableConfig) => {
    if (table.error !== undefined || !withIndexes.has(table.id)) return false;
    const voters = new Set(table.shards.flatMap(votersOf));
    return 2 * [...voters].filter((name) => connected.has(name)).length > voters.size;
  };
  const tables = structure.filter(({ key }) => key[0] === "table");
  const configs = tables.map(({ value }) => value as TableConfig);
  return new Set(configs.filter((table) => !isTold(table)).map(({ id }) => id));
}

function votersOf({ replicas, nonvoting_replicas: voteless }: TableConfig["shards"][number]) {
  return replicas.filter((name) => !voteless.includes(name));
}

/** The row as a table's config. Of a row of an unknown form it keeps only id and names, and sets `error`. */
function configOf(row: unknown): TableConfig {
  const config = row as TableConfig;
  const { id, db, name, primary_key: key, indexes, shards, error } = config;
  if ([id, db, name].some((field) => typeof field !== "string")) {
    throw new ThinkbackError("internal", `a row of table_config names no table: ${shown(row)}`);
  }
  const isShard = (shard: Partial<TableConfig["shards"][number]> | null) =>
    Array.isArray(shard?.replicas) && Array.isArray(shard.nonvoting_replicas);
  const hasShards = Array.isArray(shards) && shards.every(isShard);
  const isKnown = typeof key === "string" && Array.isArray(indexes) && hasShards;
  if (isKnown || error !== undefined) return config;
  const unknown = `its row of table_config has an unknown form: ${shown(row)}`;
  return { id, db, name, error: unknown } as TableConfig;
}

function shown(row: unknown): string {
  return JSON.stringify(row).slice(0, 300);
}

/** The table's rows; undefined if the grant for it is missing: nothing is known then, which is not "no rows". */
async function readIfPermitted(
  connection: Connection,
  table: string,
): Promise<unknown[] | undefined> {
  try {
    return await connection.rows(systemTable(table));
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/**
 * Reads the indexes in one query for all tables, or, if one of the tables cannot answer, in one query for each. A table
 * without indexes is not asked. The query goes by name, so a new answer is asked for again together with the table's
 * id; an answer that is known already is taken as it is.
 */
async function readIndexes(
  connection: Connection,
  configs: readonly TableConfig[],
  known: KnownIndexes,
): Promise<CatalogRecord[]> {
  const reachable = configs.filter(({ error }) => error === undefined);
  const none = reachable.filter(({ indexes }) => indexes.length === 0);
  const asked = reachable.filter(({ indexes }) => indexes.length > 0);
  const read = async (tables: TableConfig[]) => {
    if (tables.length === 0) return [];
    const statuses = tables.map(({ db, name }) => r.db(db).table!(name).indexStatus!());
    const answers = await connection.value<IndexStatus[][]>(r.expr(statuses));
    const checked = tables.map(async (table, i) => {
      const record = indexRecord(table, answers[i]!);
      return isKnown(record, table, known) ? record : readHeldIndexes(connection, table);
    });
    return (await Promise.all(checked)).filter((record) => record !== undefined);
  };
  const records = await read(asked).catch(async (error: unknown) => {
    if (!isOfOneTable(error)) throw error;
    const each = asked.map((table) =>
      read([table]).catch((failure: unknown) => {
        // The table was dropped, renamed or cut off after the listing. The log keeps what it knows of its indexes.
        if (isOfOneTable(failure)) return [];
        throw failure;
      }),
    );
    return (await Promise.all(each)).flat();
  });
  known.clear();
  for (const { key, value } of records) known.set(key[1]!, value);
  return [...none.map((table) => indexRecord(table, [])), ...records];
}

/**
 * True if the answer equals the known one, and the table's own row lists the same index names. Without the latter, the
 * name might stand for another table by now, which has the indexes that this one had.
 */
function isKnown(
  { value }: CatalogRecord,
  { id, indexes }: TableConfig,
  known: KnownIndexes,
): boolean {
  const names = (value as { indexes: IndexStatus[] }).indexes.map(({ index }) => index);
  return (
    isDeepStrictEqual(value, known.get(id)) &&
    isDeepStrictEqual(names.toSorted(), indexes.toSorted())
  );
}

/**
 * The table's indexes; undefined if the name does not stand for the table. `indexStatus` looks the name up by itself,
 * at another moment, so the table's id is compared before and after it. But it looks in the database that it was given;
 * as long as the query is this small, that is the database whose id was compared right before. (Live on 2.4.4, with
 * databases that swapped their names as fast as they could: 3 of 565 answers were another table's when databases were
 * not compared, 0 of 559 when they were.)
 */
async function readHeldIndexes(
  connection: Connection,
  table: TableConfig,
): Promise<CatalogRecord | undefined> {
  const { id, db, name } = table;
  const named = r.db(db).table!(name);
  const isHeld = (before: Term) =>
    before.bracket!("id").eq!(id).and!(
      r.db(db).info!().bracket!("id").eq!(before.bracket!("db").bracket!("id")),
    );
  const answer = await connection.value<[IndexStatus[], string] | null>(
    named.info!().do!((before: Term) =>
      r.branch(isHeld(before), [named.indexStatus!(), idTerm(table)], null),
    ),
  );
  return answer?.[1] === id ? indexRecord(table, answer[0]) : undefined;
}

function indexRecord({ id }: TableConfig, statuses: IndexStatus[]): CatalogRecord {
  const indexes = statuses.map(({ index, function: fn, multi, geo, outdated, query }) => {
    return { index, function: fn, multi, geo, outdated, query };
  });
  return { key: ["indexes", id], value: { indexes } };
}

function isOfOneTable(error: unknown): boolean {
  return error instanceof ReqlError && !isRefusal(error);
}
