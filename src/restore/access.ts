/** Users and grants as of an instant. Passwords cannot be read from a source, so they cannot be restored. */
import { randomBytes } from "node:crypto";
import type { Catalog } from "../repository/log/catalog.js";
import type { GrantScope, Target } from "../rethinkdb/target.js";

export interface PlannedGrant {
  user: string;
  /** In the names of the target. */
  scope: GrantScope;
  permissions: Record<string, boolean>;
}

export interface PlannedAccess {
  /** Names of users; those that the target does not have are made. */
  users: string[];
  grants: PlannedGrant[];
}

/** The id of the database `rethinkdb`. It is the same in every cluster, and no catalog holds that database. */
const systemDatabaseId = "b99b9572-8e53-5fef-9a2b-5e6aba3edf1c";

export interface RestoredAccess {
  /** Users that were made, with a password that nobody knows: set one before they can connect. */
  usersWithoutPassword: string[];
  /** Users that were there already: they keep their password and their grants. */
  usersKept: string[];
  grants: number;
}

/**
 * Which users and grants to make, in the names of the target.
 * @param catalog the databases and tables
 * @param access the users and grants, which may be of another instant
 * @param rename the target's name of a database, or of a table in it
 */
export function planAccess(
  catalog: Catalog,
  access: Catalog,
  rename: (db: string, table?: string) => GrantScope,
): PlannedAccess {
  const databases = new Map(catalog.databases().map(({ id, name }) => [id, name]));
  databases.set(systemDatabaseId, "rethinkdb");
  const tables = new Map(catalog.tables().map((table) => [table.id, table]));
  const grants: PlannedGrant[] = [];
  for (const { id, permissions } of access.grants()) {
    const [user, dbId, tableId] = id;
    const db = dbId === undefined ? undefined : databases.get(dbId);
    const table = tableId === undefined ? undefined : tables.get(tableId);
    // A grant on a database or table that is not in the catalog is left out.
    if (user === undefined || (dbId !== undefined && db === undefined)) continue;
    if (tableId !== undefined && table === undefined) continue;
    const scope = db === undefined ? {} : rename(db, table?.name);
    grants.push({ user, scope, permissions });
  }
  return { users: access.users().map(({ id }) => id), grants };
}

export async function restoreAccess(plan: PlannedAccess, target: Target): Promise<RestoredAccess> {
  const restored: RestoredAccess = { usersWithoutPassword: [], usersKept: [], grants: 0 };
  if (plan.users.length === 0) return restored;
  const present = new Set(await target.users());
  for (const user of plan.users) {
    if (present.has(user)) {
      restored.usersKept.push(user);
      continue;
    }
    await target.createUser(user, randomBytes(32).toString("base64url"));
    restored.usersWithoutPassword.push(user);
  }
  for (const { user, scope, permissions } of plan.grants) {
    if (present.has(user)) continue;
    await target.grant(user, scope, permissions);
    restored.grants += 1;
  }
  return restored;
}
