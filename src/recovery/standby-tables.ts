/**
 * Gives a standby the databases and tables of the source: makes, renames and retires them. A table is known by its id
 * on the target, so it is found again under whatever name.
 *
 * Invariant: only tables that the standby has made are written to, renamed or dropped. Break it, and a follow that was
 * given a wrong target destroys what is there.
 */
import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import type { Catalog } from "../repository/log/catalog.js";
import { guardText, isGuard } from "../restore/guard.js";
import { specOf } from "../restore/restore.js";
import type { IdentifiedTable, TableName, Target } from "../rethinkdb/target.js";
import { type FollowedTable, type StandbyStore, standbyDatabase } from "./standby-record.js";

/** What has happened to a table of the standby. */
export type TableEvent =
  | "made"
  | "renamed"
  | "dropped"
  | "kept"
  | "copied"
  | "index made"
  | "index dropped"
  | "guarded";

export interface Shaping {
  target: Target;
  store: StandbyStore;
  /** Drop tables that the source has dropped. Otherwise they are kept, under another name. */
  drops: boolean;
  /** Overwrite what somebody else has written to tables of the standby. Otherwise such a table is an error. */
  overwrites: boolean;
  /** @param table its name on the standby @param detail a new name, or an index */
  onEvent: (event: TableEvent, table: string, detail?: string) => void;
}

const nameOf = ({ db, name }: TableName) => `${db}.${name}`;

/** The name of a table that is kept though the source has dropped it, or that makes room for another one. */
const asideOf = (name: string, how: "dropped" | "moving", id: string) =>
  `${plain(name).slice(0, 100)}_${how}_${id.slice(0, 8)}`;

/** The name that a table had before it made room for another one. */
const plain = (name: string) => name.replace(/_moving_[0-9a-f]{8}$/, "");

/**
 * Makes the tables of the target those that are wanted, each without documents if it is new.
 * @param wanted the tables of the source that are followed
 * @param catalog all tables of the source at `instant`; undefined if it is not proven, and nothing is retired
 * @throws {ThinkbackError} `target` if a table that the standby has not made has the name of one that is wanted, or a
 * table of its own may have been written to
 */
export async function shapeTables(
  shaping: Shaping,
  wanted: TableConfig[],
  catalog: Catalog | undefined,
  instant: Instant,
): Promise<void> {
  const { store } = shaping;
  refuseOwnDatabase(wanted);
  const isNew = wanted.some(({ id }) => !store.record.followed[id]?.made);
  const tables = await shaping.target.tables();
  await keepGuards(shaping, tables);
  const present = new Map<string, IdentifiedTable>(tables.map((table) => [table.id, table]));
  forgetLost(shaping, present);
  if (catalog) await retireDropped(shaping, catalog, present, instant);
  await renameDatabases(shaping, wanted, present);
  await renameTables(shaping, wanted, present, instant);
  if (isNew || wanted.some(({ id }) => !store.record.followed[id]?.made)) {
    await makeTables(shaping, wanted, present);
  }
}

function refuseOwnDatabase(wanted: TableConfig[]): void {
  if (!wanted.some(({ db }) => db === standbyDatabase)) return;
  throw new ThinkbackError("target", `the source has tables in a database ${standbyDatabase}`, {
    hint: "a standby keeps its record in the database of that name: follow with --db or --table, without it",
  });
}

/**
 * A table of the standby that has lost its guard may have been written to by others: then it is refused or, if the
 * standby overwrites, guarded again, and compared.
 */
async function keepGuards(
  { target, store, overwrites, onEvent }: Shaping,
  tables: TableConfig[],
): Promise<void> {
  const followed = Object.values(store.record.followed);
  const open = tables.filter((table) => {
    return followed.some(({ made }) => made === table.id) && !isGuard(table.write_hook);
  });
  if (open.length > 0 && !overwrites) throw unguarded(open.map(nameOf));
  for (const table of open) {
    await target.refuseWrites(table, guardText);
    const of = followed.find(({ made }) => made === table.id)!;
    Object.assign(of, { reached: null, writing: null });
    onEvent("guarded", nameOf(table));
  }
}

function unguarded(names: string[]): ThinkbackError {
  return new ThinkbackError(
    "target",
    `others can write to ${names.join(", ")} on the target: the write hook that refused it is gone`,
    {
      hint: "if applications write there, do not follow any more: `thinkback follow --finish` leaves the tables as they are, and makes the cluster theirs. If the tables were only reconfigured, which drops write hooks, --overwrite compares them and writes what differs",
    },
  );
}

/** Tables that somebody has dropped on the standby are made and copied again. */
function forgetLost({ store }: Shaping, present: Map<string, IdentifiedTable>): void {
  for (const table of Object.values(store.record.followed)) {
    if (table.made === null || present.has(table.made)) continue;
    table.made = null;
    table.reached = null;
    table.writing = null;
    table.indexes = [];
    table.refused = [];
  }
}

async function retireDropped(
  shaping: Shaping,
  catalog: Catalog,
  present: Map<string, IdentifiedTable>,
  instant: Instant,
): Promise<void> {
  const { followed } = shaping.store.record;
  const there = new Set(catalog.tables().map(({ id }) => id));
  for (const [id, { made, reached, writing }] of Object.entries(followed)) {
    // A table that is known after the instant was made after it.
    if (there.has(id) || Math.max(reached ?? 0, writing ?? 0) > instant) continue;
    const table = made === null ? undefined : present.get(made);
    if (table) await retire(shaping, table, present, instant);
    delete followed[id];
    await shaping.store.put();
  }
}

async function retire(
  { target, store, drops, onEvent }: Shaping,
  table: IdentifiedTable,
  present: Map<string, IdentifiedTable>,
  instant: Instant,
): Promise<void> {
  const before = nameOf({ db: table.db, name: plain(table.name) });
  if (drops) {
    await target.dropTable(table);
    present.delete(table.id);
    onEvent("dropped", before);
    return;
  }
  const name = asideOf(table.name, "dropped", table.id);
  if (table.name !== name && !table.name.endsWith(`_dropped_${table.id.slice(0, 8)}`)) {
    await target.renameTable(table.id, table.name, name);
    onEvent("kept", before, name);
    present.set(table.id, { ...table, name });
  }
  store.record.retired.push({ made: table.id, name: before, at: instant });
}

/** Renames a database of which all tables are the standby's own, if all of them are wanted in one other database. */
async function renameDatabases(
  { target, store, onEvent }: Shaping,
  wanted: TableConfig[],
  present: Map<string, IdentifiedTable>,
): Promise<void> {
  const { followed, databasesMade, retired } = store.record;
  for (const [at, db] of databasesMade.entries()) {
    const there = [...present.values()].filter((table) => table.db === db);
    const kept = new Set(retired.map(({ made }) => made));
    const moved = there.filter(({ id }) => !kept.has(id));
    const names = moved.map(({ id }) => wanted.find((one) => followed[one.id]?.made === id)?.db);
    const [to] = names;
    if (to === undefined || to === db || names.some((name) => name !== to)) continue;
    if ((await target.databases()).includes(to)) continue;
    await target.renameDatabase(db, to);
    for (const table of there) present.set(table.id, { ...table, db: to });
    databasesMade[at] = to;
    onEvent("renamed", db, to);
    await store.put();
  }
}

async function renameTables(
  shaping: Shaping,
  wanted: TableConfig[],
  present: Map<string, IdentifiedTable>,
  instant: Instant,
): Promise<void> {
  const { target, store, onEvent } = shaping;
  const { followed } = store.record;
  for (const config of wanted) {
    const of = followed[config.id];
    const table = of?.made ? present.get(of.made) : undefined;
    if (!of || !table || nameOf(table) === nameOf(config)) continue;
    if (table.db !== config.db) {
      // A table cannot be moved to another database: the new one is copied, and the old one is kept, or dropped.
      await retire(shaping, table, present, instant);
      Object.assign(of, { made: null, reached: null, writing: null, indexes: [], refused: [] });
      await store.put();
      continue;
    }
    if (!(await clearName(shaping, config, present))) throw notOurs(config);
    await target.renameTable(table.id, table.name, config.name);
    present.set(table.id, { ...table, name: config.name });
    onEvent("renamed", nameOf(table), config.name);
  }
}

/**
 * Makes room for a table of this name: gives another one of the standby's own a name aside, until it gets its new name,
 * or is retired. False if a table has the name that is not known to be the standby's.
 */
async function clearName(
  { target, store }: Shaping,
  name: TableName,
  present: Map<string, IdentifiedTable>,
): Promise<boolean> {
  const before = [...present.values()].find((one) => nameOf(one) === nameOf(name));
  if (!before) return true;
  if (!Object.values(store.record.followed).some(({ made }) => made === before.id)) return false;
  const aside = asideOf(before.name, "moving", before.id);
  await target.renameTable(before.id, before.name, aside);
  present.set(before.id, { ...before, name: aside });
  return true;
}

/** Makes the databases that the target lacks. */
export async function makeDatabases({ target, store }: Shaping, names: string[]): Promise<void> {
  const { databasesMade } = store.record;
  if (names.every((name) => databasesMade.includes(name))) return;
  const present = await target.databases();
  for (const name of names.filter((one) => !present.includes(one))) {
    if (!databasesMade.includes(name)) databasesMade.push(name);
    await store.put();
    await target.createDatabase(name);
  }
}

async function makeTables(
  shaping: Shaping,
  wanted: TableConfig[],
  present: Map<string, IdentifiedTable>,
): Promise<void> {
  const { target, store, onEvent } = shaping;
  const { followed } = store.record;
  const missing = wanted.filter(({ id }) => !followed[id]?.made);
  const halfMade = new Set<string>();
  for (const config of missing) {
    if (await clearName(shaping, config, present)) continue;
    // It was made, and the process was killed before it could note the id.
    if (!followed[config.id] || !(await isEmpty(target, config))) throw notOurs(config);
    halfMade.add(config.id);
  }
  await makeDatabases(shaping, [...new Set(missing.map(({ db }) => db))]);
  for (const config of missing) {
    followed[config.id] ??= newTable();
    await store.put();
    if (!halfMade.has(config.id)) await target.createTable(specOf(config, config), guardText);
    const made = (await target.settings(config)).config.id;
    followed[config.id]!.made = made;
    await store.put();
    onEvent("made", nameOf(config));
  }
}

function newTable(): FollowedTable {
  return { made: null, reached: null, writing: null, lane: 0, indexes: [], refused: [] };
}

async function isEmpty(target: Target, { db, name }: TableName): Promise<boolean> {
  const { signal } = new AbortController();
  const { config } = await target.settings({ db, name });
  const reference = { db, name, id: config.id, primaryKey: config.primary_key };
  for await (const { lastKey } of target.scan(reference, { signal, chunkDocuments: 1 })) {
    return lastKey === undefined;
  }
  return true;
}

function notOurs(table: TableName): ThinkbackError {
  return new ThinkbackError(
    "target",
    `the target has a table ${nameOf(table)} that is not the standby's`,
    {
      hint: "follow into an empty server; a standby writes only to tables that it has made. If a standby was finished there, the tables are in use: leave them",
    },
  );
}

/** Gives a table the indexes of the catalog. Indexes that others have made stay. */
export async function shapeIndexes(
  { target, store, onEvent }: Shaping,
  config: TableConfig,
  catalog: Catalog,
): Promise<void> {
  const of = store.record.followed[config.id]!;
  const name = nameOf(config);
  const wanted = catalog.indexes(config.id);
  const { indexes: present } = await target.settings(config);
  for (const { index, function: code } of present) {
    const same = wanted.find((one) => one.index === index);
    const isChanged = same !== undefined && dataOf(same.function) !== dataOf(code);
    if (!isChanged && (same !== undefined || !of.indexes.includes(index))) continue;
    await target.dropIndex(config, index);
    onEvent("index dropped", name, index);
    if (!isChanged) continue;
    await target.createIndex(config, same);
    onEvent("index made", name, index);
  }
  for (const index of wanted) {
    if (present.some((one) => one.index === index.index)) continue;
    await target.createIndex(config, index);
    onEvent("index made", name, index.index);
  }
  of.indexes = wanted.map(({ index }) => index);
}

const dataOf = (code: object | null) => (code as { data?: string } | null)?.data;
