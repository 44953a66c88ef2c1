import { isDeepStrictEqual } from "node:util";
import type { CatalogRecord, IndexStatus, TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Connection } from "./connection.js";
import { r, systemTable, type Term } from "./reql.js";
import { isRefusal, ReqlError } from "./response.js";
import { idTerm } from "./table-identity.js";

/** The catalog as it was at some moment after it was asked for. */
export interface CatalogReading {
  /** The servers that the one which was asked was connected to all the while, itself included. */
  servers: { id: string; name: string }[];
  /** Ids of servers that one of these is connected to, and the one which was asked is not. */
  beyond: string[];
  /** Databases, tables and their indexes. */
  structure: CatalogRecord[];
  /** Users and permissions; undefined if they may not be read now. */
  access: CatalogRecord[] | undefined;
}

/** By table id, what the last reading told of its indexes. A reading brings it up to date. */
export type KnownIndexes = Map<string, object>;

/**
 * Reads the whole catalog. Tables whose replicas cannot be reached come with their `error` and without indexes.
 *
 * Databases, users and grants are acknowledged by whichever server is asked, and so are new tables; it sends them to those
 * that it is connected to. A reading holds what a server had acknowledged before, if that server answered between the
 * begin of the reading and the reading of the first row: its answer comes behind what it had sent. `jobs` can only be
 * answered when each connected server has answered, or its connection is lost (seen live on 2.4.4). So the servers of a
 * reading are those whose connection is the same at its end as before `jobs` was asked.
 */
export async function readCatalog(
  connection: Connection,
  known: KnownIndexes = new Map(),
): Promise<CatalogReading> {
  const before = await connection.value<ServerStatus[]>(
    // One query, so that one comes after the other.
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
  /** Since when the server that was asked is connected to it. */
  connected: number;
  /** The names of the servers that it, or any other connected one, is connected to; an id if the name is not known. */
  sees: string[];
}

/** What the server that is asked knows of those that it is connected to. */
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

/** A server is named, unless the one that was asked is not connected to it; a proxy is neither named nor an id. */
function beyondOf(servers: ServerStatus[]): string[] {
  const names = new Set(servers.map(({ name }) => name));
  const seen = new Set(servers.flatMap(({ sees }) => sees));
  return [...seen].filter((one) => uuid.test(one) && !names.has(one)).sort();
}

/**
 * Ids of the tables of which a reading does not tell what they are now: none of their replicas could be asked, or so few
 * that others may have a majority. Then whoever reaches those changes indexes and hooks, and is acknowledged.
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

/** A row of another form than those that are known says whose it is, and nothing else. */
function configOf(row: unknown): TableConfig {
  const config = row as TableConfig;
  const { id, db, name, primary_key: key, indexes, shards, error } = config;
  if ([id, db, name].some((one) => typeof one !== "string")) {
    throw new ThinkbackError("internal", `a row of table_config is of no table: ${shown(row)}`);
  }
  const isShard = (shard: Partial<TableConfig["shards"][number]> | null) =>
    Array.isArray(shard?.replicas) && Array.isArray(shard.nonvoting_replicas);
  const hasShards = Array.isArray(shards) && shards.every(isShard);
  const isKnown = typeof key === "string" && Array.isArray(indexes) && hasShards;
  if (isKnown || error !== undefined) return config;
  const unknown = `its row of table_config has a form that is not known: ${shown(row)}`;
  return { id, db, name, error: unknown } as TableConfig;
}

function shown(row: unknown): string {
  return JSON.stringify(row).slice(0, 300);
}

/** Undefined if the grant is missing that this needs: then nothing is known, which is not the same as nothing there. */
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
 * One query for all tables; where one of them cannot answer, one for each. A table that has none is not asked. What is
 * known already is taken as it is, though it was asked for by name; what is new is asked for again, and whose it is.
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
    const shown = tables.map(async (table, i) => {
      const record = indexRecord(table, answers[i]!);
      return isKnown(record, table, known) ? record : readHeldIndexes(connection, table);
    });
    return (await Promise.all(shown)).filter((record) => record !== undefined);
  };
  const records = await read(asked).catch(async (error: unknown) => {
    if (!isOfOneTable(error)) throw error;
    const each = asked.map((table) =>
      read([table]).catch((of: unknown) => {
        // Dropped, renamed or not reachable since the listing: what was known of it stays.
        if (isOfOneTable(of)) return [];
        throw of;
      }),
    );
    return (await Promise.all(each)).flat();
  });
  known.clear();
  for (const { key, value } of records) known.set(key[1]!, value);
  return [...none.map((table) => indexRecord(table, [])), ...records];
}

/** And its own row has the same names: its name may stand for another table, which has what this one had. */
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
 * Undefined if the name does not stand for the table. `indexStatus` looks it up by itself and at another moment, so it is
 * compared before and after; but in the database that it was given, which is the one that was compared right before it, as
 * long as the query is so small. (Live on 2.4.4, with databases that swapped their names as fast as they could: 3 of 565
 * answers were another table's when databases were not compared, of 559 none when they were.)
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
