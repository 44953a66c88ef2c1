/** What a restore is asked for, and the requests that are refused before anything is made. */
import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import type { KeyFilter } from "../key-filter.js";
import type { Catalog } from "../repository/log/catalog.js";
import type { Scope } from "../repository/restorable.js";
import type { TableName } from "../rethinkdb/target.js";
import { mostSimilar } from "../similar.js";
import type { PlannedAccess } from "./access.js";
import type { Allowed } from "./inexact.js";

/** Which documents of a table are restored: all, if it has no member. */
export interface ChosenDocuments {
  filter?: KeyFilter;
  /** JSON texts of the keys, if these alone are chosen. */
  keys?: readonly Buffer[];
  /** Asked about a document's text. */
  matches?: (document: Buffer) => boolean;
  /** What shows, when all documents were looked at, that the choice is mistyped: one sentence each. */
  doubts?: () => string[];
}

/** True if only some documents of a table are asked for. */
export const isPart = ({ filter, matches }: ChosenDocuments): boolean =>
  filter !== undefined || matches !== undefined;

/** The documents that are restored of a "db.table"; undefined if none is. */
export interface DocumentsOf {
  (table: string): ChosenDocuments | undefined;
  /** If a file says of which tables: its name, and the tables that it names. */
  mapping?: { file: string; tables: readonly string[] };
}

/** Changes documents on their way to the target. */
export interface DocumentMask {
  /** True if primary keys are changed: then documents do not come in the order of their keys. */
  movesKeys: boolean;
  rules: readonly { path: string; rule: string }[];
  /** JSON texts. */
  mask(key: Buffer, document: Buffer): { key: Buffer; document: Buffer };
  /** Told of each document that was read, but not chosen. */
  look(document: Buffer): void;
  /** What it has done so far. */
  counts(): { path: string; rule: string; documents: number }[];
  /** Throws if a rule was of no use, which shows that it is mistyped. Asked when all documents are written. */
  refuseUnused(): void;
}

export interface RestoreRequest extends Allowed {
  /** If absent, the newest instant to which all that is chosen can be restored. */
  at?: Instant;
  /** "db.table" each; all tables of `databases`, or of the cluster, if empty. */
  tables: string[];
  databases: string[];
  /** Old name to new: "db.table" to "db.table", or "db" to "db". */
  renames: Map<string, string>;
  /** If the history is thinned at the instant, restore the last kept instant before it. */
  nearest: boolean;
  /** Leave users and grants out of a restore of the whole cluster. */
  withoutAccess?: boolean;
  /** If absent, all documents of all tables. */
  documentsOf?: DocumentsOf;
  /** How the documents of a "db.table" are changed. If absent, they are restored as they were. */
  maskOf?: (table: string, primaryKey: string) => DocumentMask;
  /** Restore each table beside the live one, under a name that says as of when. Not together with `renames`. */
  beside?: boolean;
  /** Nothing else is ever allowed, because the command has no options for it. So errors advise none. */
  exactOnly?: boolean;
}

/** What of the repository a restore uses. Users and grants are restored only with the whole cluster. */
export function scopeOf({
  tables,
  databases,
  withoutAccess,
}: Pick<RestoreRequest, "tables" | "databases" | "withoutAccess">): Scope {
  const access = tables.length === 0 && databases.length === 0 && withoutAccess !== true;
  return { tables, databases, access };
}

/** Databases that are restored even if they are empty: all chosen ones, unless tables or documents are selected. */
export function wholeDatabases(
  catalog: Catalog,
  request: Pick<RestoreRequest, "tables" | "databases" | "documentsOf">,
): string[] {
  const { tables, databases, documentsOf } = request;
  if (documentsOf) return [];
  return catalog
    .databases()
    .map(({ name }) => name)
    .filter((name) => tables.length === 0 && (databases.length === 0 || databases.includes(name)));
}

/** The chosen tables of which documents are restored, and the names of the others. Throws if there is none. */
export function selected(
  chosen: TableConfig[],
  { documentsOf }: RestoreRequest,
): { tables: TableConfig[]; notSelected: string[] } {
  if (!documentsOf) return { tables: chosen, notSelected: [] };
  const tables = chosen.filter((table) => documentsOf(nameOf(table)) !== undefined);
  const notSelected = chosen.filter((table) => !tables.includes(table)).map(nameOf);
  if (tables.length > 0 || chosen.length === 0) return { tables, notSelected };
  throw new ThinkbackError("usage", "nothing is selected of any table", {
    hint: `name the field of a table in the file of --tenant; tables known then: ${notSelected.join(", ")}`,
  });
}

/**
 * Throws if the file that says of which tables documents are chosen names one that was not there: it is mistyped, and
 * the table that is meant would be left out. Where tables or databases are asked for, only names in these count.
 */
export function refuseUnknownMapped(
  catalog: Catalog,
  { documentsOf, tables, databases }: RestoreRequest,
): void {
  const { mapping } = documentsOf ?? {};
  if (!mapping || tables.length > 0) return;
  const known = catalog.tables().map(nameOf);
  const unknown = mapping.tables.find((name) => {
    const isMeant = databases.length === 0 || databases.includes(name.split(".")[0]!);
    return isMeant && !known.includes(name);
  });
  if (unknown === undefined) return;
  const nearest = mostSimilar(unknown, known, 1).map((name) => ` (nearest: ${name})`);
  throw new ThinkbackError(
    "unknown",
    `${mapping.file} names ${unknown}, which was no table then${nearest.join("")}`,
    { hint: "correct the name; or leave out of the file what was made later, or dropped before" },
  );
}

/** Throws for a rename that renames nothing: it is a mistake, and the table would be restored under its old name. */
export function refuseIdleRenames(
  chosen: TableConfig[],
  catalog: Catalog,
  request: RestoreRequest,
): void {
  const { renames } = request;
  const used = new Set([
    ...wholeDatabases(catalog, request),
    ...chosen.map((table) => (renames.has(nameOf(table)) ? nameOf(table) : table.db)),
  ]);
  const idle = [...renames.keys()].find((from) => !used.has(from));
  if (idle === undefined) return;
  throw new ThinkbackError("usage", `--rename of ${idle} renames nothing that is restored`, {
    hint: `tables that are restored: ${chosen.map(nameOf).join(", ") || "none"}`,
  });
}

/** Throws if something would be restored into the server's own database, in which no tables can be made. */
export function refuseSystemDatabase({ renames }: RestoreRequest): void {
  const found = [...renames].find(([, to]) => to.split(".")[0] === "rethinkdb");
  if (!found) return;
  const text = `--rename ${found.join("=")}: rethinkdb is the server's own database`;
  throw new ThinkbackError("usage", text, { hint: "give another name for the database" });
}

/**
 * Throws if two tables would be restored under one name. Otherwise the target would refuse the second after the first
 * is made.
 */
export function refuseMeetingTables(tables: { config: TableConfig; to: TableName }[]): void {
  const origins = new Map<string, string>();
  for (const table of tables) {
    const [from, to] = [nameOf(table.config), `${table.to.db}.${table.to.name}`];
    const other = origins.get(to);
    if (other !== undefined) throw meeting(`${other} and ${from}`, to);
    origins.set(to, from);
  }
}

/** Throws if two grants would be restored as one. Otherwise the last of them would overwrite the first. */
export function refuseMeetingGrants({ grants }: PlannedAccess): void {
  const seen = new Set<string>();
  for (const { user, scope } of grants) {
    const grant = JSON.stringify([user, scope.db, scope.table]);
    const to = [scope.db, scope.table].filter((part) => part !== undefined).join(".");
    if (seen.has(grant)) throw meeting(`two grants to user ${user}`, to);
    seen.add(grant);
  }
}

function meeting(what: string, to: string): ThinkbackError {
  return new ThinkbackError("usage", `${what} would both be restored as ${to}`, {
    hint: "rename one of them to another name, or choose fewer tables with --table or --db",
  });
}

/** Throws if tables and databases are both chosen, of which only one could count, or a name is given twice. */
export function refuseTwoChoices({
  tables,
  databases,
}: Pick<RestoreRequest, "tables" | "databases">): void {
  if (tables.length > 0 && databases.length > 0) {
    throw new ThinkbackError("usage", "--table and --db are both given", {
      hint: "give --db for whole databases, or --table for each table that is wanted",
    });
  }
  const twice = [...tables, ...databases].find((name, at, all) => all.indexOf(name) !== at);
  if (twice === undefined) return;
  throw new ThinkbackError("usage", `${twice} is given twice`, { hint: "name it once" });
}

export function nameOf({ db, name }: TableConfig): string {
  return `${db}.${name}`;
}
