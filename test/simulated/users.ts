/** Users, passwords and permissions. */
import { opFailed, ReqlError } from "./reql-error.js";

export const permissionNames = ["read", "write", "config", "connect"] as const;
export type PermissionName = (typeof permissionNames)[number];
export type Permissions = Partial<Record<PermissionName, boolean>>;

export interface User {
  readonly name: string;
  /** Empty: no password. */
  password: string;
  readonly salt: Buffer;
  global: Permissions;
  readonly databases: Map<string, Permissions>;
  readonly tables: Map<string, Permissions>;
}

export interface Scope {
  readonly databaseId: string;
  readonly id?: string;
}

export const SYSTEM_DATABASE_ID = "b99b9572-8e53-5fef-9a2b-5e6aba3edf1c";

export class Users {
  readonly #users = new Map<string, User>();
  readonly #makeSalt: () => Buffer;

  constructor(makeSalt: () => Buffer) {
    this.#makeSalt = makeSalt;
    this.create("admin", "");
  }

  get(name: string): User | undefined {
    return this.#users.get(name);
  }

  /** In the order of their names. */
  all(): User[] {
    return [...this.#users.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  create(name: string, password: string): User {
    const user = {
      name,
      password,
      salt: this.#makeSalt(),
      global: {},
      databases: new Map<string, Permissions>(),
      tables: new Map<string, Permissions>(),
    };
    this.#users.set(name, user);
    return user;
  }

  delete(name: string): void {
    this.#users.delete(name);
  }

  /** @throws {ReqlError} unless the user has the permission; writing needs reading too */
  require(name: string, permission: PermissionName, scope?: Scope): void {
    const granted =
      this.allows(name, permission, scope) &&
      (permission !== "write" || this.allows(name, "read", scope));
    if (granted) return;
    throw notPermitted(name, permission);
  }

  /**
   * The same for `changes` and `ignore_write_hook`, where the real server does not catch its own refusal and so calls
   * it an internal error.
   */
  requireUncaught(name: string, permission: PermissionName, scope: Scope): void {
    try {
      this.require(name, permission, scope);
    } catch (error) {
      if (!(error instanceof ReqlError)) throw error;
      throw new ReqlError("internal", `Unexpected exception: ${error.message}`);
    }
  }

  /** The table's own word, else the database's, else the global one, which does not reach into `rethinkdb`. */
  allows(name: string, permission: PermissionName, scope?: Scope): boolean {
    if (name === "admin") return true;
    const user = this.#users.get(name);
    if (!user) return false;
    const own = scope?.id === undefined ? undefined : user.tables.get(scope.id)?.[permission];
    const database = scope && user.databases.get(scope.databaseId)?.[permission];
    if (own !== undefined) return own;
    if (database !== undefined) return database;
    return scope?.databaseId !== SYSTEM_DATABASE_ID && user.global[permission] === true;
  }

  /** @throws {ReqlError} for the admin and for unknown users */
  grantee(name: string): User {
    if (name === "admin") throw opFailed("The permissions of the user `admin` can't be modified.");
    const user = this.#users.get(name);
    if (!user) throw opFailed(`User \`${name}\` not found.`);
    return user;
  }

  /** Forgets what was granted on a table that is gone. Grants on a dropped database stay and show its name as deleted. */
  forget(id: string): void {
    for (const user of this.#users.values()) user.tables.delete(id);
  }
}

export function notPermitted(user: string, permission: PermissionName): ReqlError {
  return new ReqlError(
    "permission",
    `User \`${user}\` does not have the required \`${permission}\` permission.`,
  );
}
