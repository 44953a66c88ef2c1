/** What of the cluster a query reaches, told from its terms alone. */
import type { TermNode } from "./term.js";
import { termId } from "./term-ids.js";

export interface Reach {
  /** The system tables that it reads, a row by its key or as a whole, and what else is read like them. */
  readonly readings: readonly { readonly table: string; readonly whole: boolean }[];
  /** Whether it takes another server than the one it was sent to, if that is a proxy. */
  readonly needsServer: boolean;
}

/** What every server and proxy has a copy of. */
const copiedTables = [
  "db_config",
  "server_config",
  "server_status",
  "cluster_config",
  "users",
  "permissions",
];

/** Terms that read a row of a system table, or what is gathered as such a row is. */
const rowTerms = new Map<number, string>([
  [termId.CONFIG, "table_config"],
  [termId.STATUS, "table_status"],
  [termId.INFO, "info"],
  [termId.INDEX_STATUS, "index_status"],
]);

const administrative: readonly number[] = [
  termId.DB_CREATE,
  termId.DB_DROP,
  termId.TABLE_CREATE,
  termId.TABLE_DROP,
];

export function reachOf(root: TermNode): Reach {
  const nodes = [...below(root)];
  const readings = nodes.flatMap((node) => readingOf(node) ?? []);
  const needsServer = nodes.some(
    (node) =>
      administrative.includes(node.definition.id) ||
      (node.definition.id === termId.TABLE && !copiedTables.includes(systemTable(node) ?? "")),
  );
  return { readings, needsServer };
}

function* below(node: TermNode): Iterable<TermNode> {
  yield node;
  for (const child of [...node.args, ...node.optargs.values()]) yield* below(child);
}

function readingOf(node: TermNode): { table: string; whole: boolean } | undefined {
  const row = rowTerms.get(node.definition.id);
  if (row !== undefined) return { table: row, whole: false };
  const table = node.definition.id === termId.TABLE ? systemTable(node) : undefined;
  if (table === undefined) return undefined;
  return { table, whole: node.parent?.definition.id !== termId.GET };
}

/** The name of the system table that a TABLE term names; undefined for others. */
function systemTable({ args: [database, name] }: TermNode): string | undefined {
  if (database?.args[0]?.constant !== "rethinkdb") return undefined;
  return typeof name?.constant === "string" ? name.constant : undefined;
}
