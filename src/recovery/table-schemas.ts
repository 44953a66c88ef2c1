/** The schemas that a table has had: its name, primary key, indexes, write hook, shards and settings. */
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import type { Instant } from "../instant.js";
import { lastUnchanged } from "../repository/coverage/catalog-for.js";
import { catalogRecords } from "../repository/log/catalog.js";
import type { LogView } from "../repository/log/log-view.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { type Indexes, indexText, sameChangeMs, tableChanges } from "./catalog-changes.js";

/** A table as the catalog had it from an instant on. */
export interface TableSchema {
  at: Instant;
  /** What had changed, in words: "table created", "first known" for one that may be older, "table dropped". */
  changes: string[];
  /** Undefined once it was dropped. */
  config: TableConfig | undefined;
  indexes: IndexStatus[];
}

type State = Pick<TableSchema, "config" | "indexes">;

/** The schemas that are known of a table, in the order of time. */
export async function tableSchemas(view: RepositoryView, table: string): Promise<TableSchema[]> {
  const states: (State & { at: Instant })[] = [];
  for (const { log } of view.lanes) {
    const ofLane = await statesIn(log, table);
    const isNew = (one: State & { at: Instant }) =>
      !states.some((known) => isSame(known, one) && Math.abs(known.at - one.at) < sameChangeMs);
    states.push(...ofLane.filter(isNew));
  }
  states.sort((a, b) => a.at - b.at);
  const schemas: TableSchema[] = [];
  for (const state of states) {
    const before = schemas.at(-1);
    if (before && isSame(before, state)) continue;
    const changes = before ? changesTo(before, state) : [await firstText(view, table, state.at)];
    // What the server says of an index while it is built is not the table's schema.
    if (changes.length > 0) schemas.push({ ...state, changes });
  }
  return schemas;
}

/** What one log says, after each instant at which it has a record of the table. */
async function statesIn(log: LogView, table: string): Promise<(State & { at: Instant })[]> {
  const ofTable = [JSON.stringify(["table", table]), JSON.stringify(["indexes", table])];
  const records = new Map<string, { at: Instant; key: string; value: object | null }>();
  for await (const { key, time, document } of catalogRecords(log, ["table", "indexes"])) {
    const text = key.toString();
    if (!ofTable.includes(text)) continue;
    const value = document === null ? null : (JSON.parse(document.toString()) as object);
    records.set(`${time} ${text}`, { at: time, key: text, value });
  }
  const states = new Map<Instant, State & { at: Instant }>();
  let now: State = { config: undefined, indexes: [] };
  for (const { at, key, value } of [...records.values()].sort((a, b) => a.at - b.at)) {
    const isConfig = key === ofTable[0];
    if (isConfig) now = { ...now, config: (value as TableConfig | null) ?? undefined };
    else now = { ...now, indexes: (value as Indexes | null)?.indexes ?? [] };
    states.set(at, { ...now, at });
  }
  return [...states.values()].filter(({ config }, i) => config !== undefined || i > 0);
}

const isSame = (a: State, b: State) =>
  JSON.stringify([a.config, a.indexes]) === JSON.stringify([b.config, b.indexes]);

function changesTo(before: State, after: State): string[] {
  if (!after.config) return before.config ? ["table dropped"] : [];
  if (!before.config) return ["table known again"];
  const indexes = indexText(before, after);
  const changes = tableChanges(before.config, after.config).map(({ text }) => text);
  return indexes === "" ? changes : [...changes, indexes];
}

/** A table that the catalog had not, when it was known before, was made then. */
async function firstText(view: RepositoryView, table: string, at: Instant): Promise<string> {
  const coverage = await view.coverage();
  const known = coverage.catalog?.intervals[0]?.from;
  const isMade = known !== undefined && lastUnchanged(coverage, table, at - 1) >= known;
  return isMade ? "table created" : "first known";
}
