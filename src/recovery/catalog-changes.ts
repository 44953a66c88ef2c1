/** What has changed in the catalog, in the order of time: what a restore of the catalog could bring back. */
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import type { Instant } from "../instant.js";
import { isOwnHook } from "../own-hook.js";
import { catalogRecords } from "../repository/log/catalog.js";
import type { RepositoryView } from "../repository/repository-view.js";

export type CatalogChangeKind = "drop" | "dropdb" | "rename" | "index" | "hook" | "config";

export interface CatalogChange {
  kind: CatalogChangeKind;
  /** JSON text of the record's key. */
  key: string;
  at: Instant;
  /** Of the table or database. */
  id: string;
  /** "db.table", before the change. */
  table?: string;
  /** The name of a database that was dropped. */
  database?: string;
  text: string;
}

/** A record as it was from an instant on. */
interface Known {
  key: string;
  at: Instant;
  value: object | null;
}

/** In several lanes the same change is read at slightly different times. */
export const sameChangeMs = 600_000;

/** The changes in the order of time, and the last names of all tables by their ids. */
export async function catalogChanges(
  view: RepositoryView,
): Promise<{ changes: CatalogChange[]; names: Map<string, string> }> {
  const names = new Map<string, string>();
  const changes: CatalogChange[] = [];
  for (const { log } of view.lanes) {
    const records = new Map<string, Known>();
    for await (const { key, time, document } of catalogRecords(log, ["db", "table", "indexes"])) {
      const value = document === null ? null : (JSON.parse(document.toString()) as object);
      records.set(`${time} ${key.toString()}`, { key: key.toString(), at: time, value });
    }
    const before = new Map<string, object>();
    for (const known of [...records.values()].sort((a, b) => a.at - b.at)) {
      const isAnotherLanes = (one: CatalogChange) =>
        changes.some(
          ({ key, kind, text, at }) =>
            key === one.key &&
            kind === one.kind &&
            text === one.text &&
            Math.abs(at - one.at) < sameChangeMs,
        );
      const made = changesBy(known, before.get(known.key), names);
      changes.push(...made.filter((one) => log === view.log || !isAnotherLanes(one)));
      if (known.value) before.set(known.key, known.value);
      else before.delete(known.key);
      noteName(known, names);
    }
  }
  return { changes: changes.sort((a, b) => a.at - b.at), names };
}

function noteName({ key, value }: Known, names: Map<string, string>): void {
  const [kind, id] = JSON.parse(key) as [string, string];
  if (kind !== "table" || !value) return;
  const { db, name } = value as TableConfig;
  names.set(id, `${db}.${name}`);
}

/** What a record changes. The first record of a thing changes nothing: it may have been there for long. */
function changesBy(
  { key, at, value }: Known,
  before: object | undefined,
  names: ReadonlyMap<string, string>,
): CatalogChange[] {
  if (before === undefined) return [];
  const [kind, id] = JSON.parse(key) as [string, string];
  const table = names.get(id);
  const change = { key, at, id, ...(table === undefined ? {} : { table }) };
  if (kind === "db") {
    const { name: database } = before as { name: string };
    if (value === null)
      return [{ ...change, kind: "dropdb", database, text: `database ${database} dropped` }];
    const { name } = value as { name: string };
    return name === database
      ? []
      : [{ ...change, kind: "rename", text: `database ${database} renamed to ${name}` }];
  }
  if (kind === "indexes") {
    const text = value && indexText(before as Indexes, value as Indexes);
    return text ? [{ ...change, kind: "index", text }] : [];
  }
  if (value === null) return [{ ...change, kind: "drop", text: "table dropped" }];
  return tableChanges(before as TableConfig, value as TableConfig).map((one) => ({
    ...change,
    ...one,
  }));
}

export interface Indexes {
  indexes: IndexStatus[];
}

/** What became of indexes, in words; "" if nothing. */
export function indexText({ indexes: before }: Indexes, { indexes: after }: Indexes): string {
  const textOf = ({ function: of, multi, geo }: IndexStatus) => JSON.stringify([of, multi, geo]);
  const find = (among: IndexStatus[], name: string) => among.find(({ index }) => index === name);
  const gone = before
    .filter(({ index }) => !find(after, index))
    .map(({ index }) => `index ${index} dropped`);
  const made = after
    .filter(({ index }) => !find(before, index))
    .map(({ index }) => `index ${index} made`);
  const other = after.filter((one) => {
    const was = find(before, one.index);
    return was && textOf(was) !== textOf(one);
  });
  return [...gone, ...made, ...other.map(({ index }) => `index ${index} replaced`)].join(", ");
}

/** What became of a table's configuration. */
export function tableChanges(
  before: TableConfig,
  after: TableConfig,
): Pick<CatalogChange, "kind" | "text">[] {
  // The row of a table that no server could tell of.
  if (before.error !== undefined || after.error !== undefined) return [];
  const changes: Pick<CatalogChange, "kind" | "text">[] = [];
  const [was, is] = [before, after].map(({ db, name }) => `${db}.${name}`);
  if (was !== is) changes.push({ kind: "rename", text: `renamed to ${is}` });
  const hook = hookText(before, after);
  if (hook) changes.push({ kind: "hook", text: hook });
  const fields = (["primary_key", "durability", "write_acks"] as const)
    .filter((field) => before[field] !== after[field])
    .map((field) => `${field} ${before[field]} → ${after[field]}`);
  const [shards, now] = [before, after].map(shardsText);
  if (JSON.stringify(before.shards) !== JSON.stringify(after.shards)) {
    fields.push(shards === now ? "replicas moved" : `shards × replicas ${shards} → ${now}`);
  }
  if (fields.length > 0)
    changes.push({ kind: "config", text: `reconfigured: ${fields.join(", ")}` });
  return changes;
}

const shardsText = ({ shards }: TableConfig) =>
  `${shards.length} × ${Math.max(0, ...shards.map(({ replicas }) => replicas.length))}`;

function hookText(before: TableConfig, after: TableConfig): string {
  // Our own, such as the tag of a half-filled table, is nobody's hook.
  const [was, is] = [before, after].map(({ write_hook: hook }) => (isOwnHook(hook) ? null : hook));
  if (!was && is) return "write hook set";
  if (was && !is) return "write hook removed";
  const isSame = JSON.stringify(was?.function) === JSON.stringify(is?.function);
  return isSame ? "" : "write hook replaced";
}
