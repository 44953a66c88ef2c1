/** The system tables `users` and `permissions`. */
import {
  type Datum,
  type DatumObject,
  isArray,
  isObject,
  objectOf,
  record,
  textOf,
} from "./datum.js";
import type { Engine } from "./engine.js";
import { jsonText, prettyText } from "./json-text.js";
import { opFailed } from "./reql-error.js";
import type { SystemWrite } from "./system-table.js";
import { type Permissions, permissionNames, SYSTEM_DATABASE_ID, type User } from "./users.js";

export function userRows(engine: Engine): DatumObject[] {
  return engine.users
    .all()
    .map(({ name, password }) => record({ id: name, password: password !== "" }));
}

export function writeUser(
  engine: Engine,
  { key, after, generatedKey }: SystemWrite,
): DatumObject | null {
  if (typeof key !== "string" || generatedKey) {
    throw opFailed(`Expected a username as the primary key, got ${jsonText(key)}.`);
  }
  if (!after) {
    if (key === "admin") throw opFailed("The user `admin` can't be deleted.");
    if (!engine.users.get(key)) throw opFailed(`User \`${key}\` not found.`);
    engine.users.delete(key);
    return null;
  }
  const password = newPassword(after, engine.users.get(key));
  const user = engine.users.get(key) ?? engine.users.create(key, "");
  user.password = password;
  return record({ id: key, password: password !== "" });
}

/** A string sets it, `false` clears it, `true` keeps it. */
function newPassword(row: DatumObject, user: User | undefined): string {
  const password = row.get("password");
  if (password === undefined) throw opFailed("Expected a field named `password`.");
  const unexpected = [...row.keys()].filter((name) => name !== "id" && name !== "password");
  if (unexpected.length > 0) throw opFailed(`Unexpected key(s) \`${unexpected.join("`, `")}\`.`);
  if (typeof password === "string") return password;
  if (isObject(password) && typeof password.get("password") === "string")
    return textOf(password.get("password"));
  if (password === false) return "";
  if (password !== true) {
    throw opFailed(
      `Expected an object, string or boolean for \`password\`, got ${prettyText(password)}.`,
    );
  }
  if (user && user.password !== "") return user.password;
  throw opFailed(
    "Expected an object or string to set the password, or `false` to keep it unset, got true.",
  );
}

export function permissionRows(engine: Engine): DatumObject[] {
  return engine.users.all().flatMap((user) => rowsOf(engine, user));
}

function rowsOf(engine: Engine, user: User): DatumObject[] {
  if (user.name === "admin") return adminRows();
  const rows: DatumObject[] = [];
  const add = (ids: string[], names: Record<string, Datum>, permissions: Permissions) => {
    const shown = permissionsDatum(permissions);
    if (shown.size > 0) {
      rows.push(record({ id: [user.name, ...ids], user: user.name, permissions: shown, ...names }));
    }
  };
  add([], {}, user.global);
  for (const [id, permissions] of user.databases) {
    add([id], { database: databaseName(engine, id) }, permissions);
  }
  for (const [id, permissions] of user.tables) {
    const table = engine.tables.get(id);
    if (!table) continue;
    add([table.databaseId, id], { database: table.databaseName, table: table.name }, permissions);
  }
  return rows;
}

function adminRows(): DatumObject[] {
  const all = { config: true, read: true, write: true };
  return [
    record({ id: ["admin"], permissions: record({ ...all, connect: true }), user: "admin" }),
    record({
      database: "rethinkdb",
      id: ["admin", SYSTEM_DATABASE_ID],
      permissions: record(all),
      user: "admin",
    }),
  ];
}

function databaseName(engine: Engine, id: string): string {
  if (id === SYSTEM_DATABASE_ID) return "rethinkdb";
  return engine.databases.get(id)?.name ?? "__deleted_database__";
}

export function permissionsDatum(permissions: Permissions): DatumObject {
  return objectOf(
    permissionNames.flatMap((name) => {
      const value = permissions[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/**
 * Changes permissions by what a grant says: `null` takes a word back.
 * @throws {ReqlError} for what is no permission, and for `connect` below the global scope
 */
export function mergePermissions(
  before: Permissions,
  change: Datum,
  isGlobal: boolean,
): Permissions {
  if (!isObject(change)) throw opFailed(`Expected an object, got ${prettyText(change)}.`);
  const after = { ...before };
  for (const [name, value] of change) {
    const known = permissionNames.find((permission) => permission === name);
    if (!known) throw opFailed(`Unexpected key(s) \`${name}\`.`);
    if (known === "connect" && !isGlobal) {
      throw opFailed("The `connect` permission is only valid at the global scope.");
    }
    if (value === null) delete after[known];
    else if (typeof value === "boolean") after[known] = value;
    else throw opFailed(`Expected a boolean or null for \`${name}\`, got ${prettyText(value)}.`);
  }
  return after;
}

export function writePermission(engine: Engine, write: SystemWrite): DatumObject | null {
  if (write.generatedKey) throw opFailed("You must specify a primary key.");
  const { key } = write;
  if (!isArray(key) || key.length < 1 || key.length > 3) {
    throw opFailed(
      `Expected an array of one to three items in the primary key, got ${prettyText(key)}.`,
    );
  }
  const [name, databaseId, tableId] = key.map(textOf);
  if (name === undefined || !engine.users.get(name)) throw opFailed(`No user named \`${name}\`.`);
  const user = engine.users.grantee(name);
  if (
    databaseId !== undefined &&
    databaseId !== SYSTEM_DATABASE_ID &&
    !engine.databases.has(databaseId)
  ) {
    throw opFailed(`No database with UUID \`${databaseId}\` exists.`);
  }
  if (tableId !== undefined && !engine.tables.has(tableId)) {
    throw opFailed(`No table with UUID \`${tableId}\` exists.`);
  }
  setPermissions(user, databaseId, tableId, newPermissions(write.after, databaseId === undefined));
  return (
    write.after &&
    (rowsOf(engine, user).find((row) => jsonText(row.get("id") ?? null) === jsonText(key)) ?? null)
  );
}

function newPermissions(row: DatumObject | null, isGlobal: boolean): Permissions {
  if (!row) return {};
  const permissions = row.get("permissions");
  if (permissions === undefined) throw opFailed("Expected a field `permissions`.");
  return mergePermissions({}, permissions, isGlobal);
}

export function setPermissions(
  user: User,
  databaseId: string | undefined,
  tableId: string | undefined,
  permissions: Permissions,
): void {
  if (databaseId === undefined) user.global = permissions;
  else if (tableId === undefined) user.databases.set(databaseId, permissions);
  else user.tables.set(tableId, permissions);
}
