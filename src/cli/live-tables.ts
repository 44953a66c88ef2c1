/** Which live tables undo and rewind change, and what they were in the past. */
import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { liveTable } from "../recovery/live-table.js";
import { type PastTable, pastTables } from "../recovery/past.js";
import type { Selection } from "../recovery/selection.js";
import { UnknownTable } from "../repository/log/catalog.js";
import type { Allowed } from "../restore/inexact.js";
import { refuseTwoChoices } from "../restore/request.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { mostSimilar } from "../similar.js";
import { exactPlan, exactRequest, together } from "./exact-past.js";
import { otherCluster } from "./other-cluster.js";
import { formatNames, type Output } from "./output.js";
import {
  isSelecting,
  mappedTables,
  type SelectArguments,
  type SelectionOf,
  selectionOf,
} from "./select.js";

export interface TableArguments extends SelectArguments {
  table: string[];
  db: string[];
}

/** What is asked for, before anything is looked at. */
export interface Choice {
  /** "db.table" each. */
  tables: string[];
  databases: string[];
  /** True if only some documents are meant. */
  selects: boolean;
  selectionOf: SelectionOf;
}

/**
 * The tables that are given by their names, by databases, or by a mapping of tenants; none if nothing says any.
 * @throws {ThinkbackError} `usage` for what cannot be the name of a table, and for one that is given twice
 */
export async function choiceOf(given: readonly string[], args: TableArguments): Promise<Choice> {
  const named = [...given, ...args.table];
  for (const name of named) checkTableName(name);
  for (const name of args.db) checkDatabase(name);
  refuseTwoChoices({ tables: named, databases: args.db });
  const of = await selectionOf(args);
  const isOpen = named.length === 0 && args.db.length === 0;
  const tables = isOpen ? await mappedTables(args) : named;
  return { tables, databases: args.db, selects: isSelecting(args), selectionOf: of };
}

export const choosesNone = ({ tables, databases }: Choice) =>
  tables.length === 0 && databases.length === 0;

/** Throws, with code `usage`, for what cannot be the name of a table. */
export function checkTableName(name: string): void {
  const [db = "", table = "", ...more] = name.split(".");
  if (db !== "" && table !== "" && more.length === 0) return;
  throw new ThinkbackError("usage", `"${name}" is not a table`, { hint: "give it as db.table" });
}

function checkDatabase(name: string): void {
  if (/^[A-Za-z0-9_-]+$/.test(name)) return;
  throw new ThinkbackError("usage", `--db ${name} is not the name of a database`, {
    hint: "give the name alone, such as shop",
  });
}

/** A live table and what it was. */
export interface TableThen {
  name: string;
  live: TableReference;
  past: PastTable;
  /** What is meant of it. */
  selection: Selection;
}

/** The tables of a server, by one look. */
export interface LiveTables {
  repository: Repository;
  target: Target;
  tables: readonly TableConfig[];
}

/**
 * What the chosen tables were at an instant, or at the newest one that is exact for all of them.
 * @throws {ThinkbackError} an error that names every table of which that is not known, or that is not the same table
 * live
 */
export async function tablesThen(
  { repository, target, tables }: LiveTables,
  choice: Choice,
  at: Instant | undefined,
  allowed: Allowed,
  output: Output,
): Promise<TableThen[]> {
  const { databases, selectionOf: of } = choice;
  const documentsOf = choice.selects ? { documentsOf: of } : {};
  const exact = exactRequest({ tables: choice.tables, databases, ...documentsOf }, at);
  const request = { ...exact, ...allowed, exactOnly: false };
  const plan = await exactPlan(repository, request, output).catch((error: unknown) => {
    throw withNearest(error, choice, tables);
  });
  const errors: ThinkbackError[] = plan.notCaptured.map(
    (name) => new ThinkbackError("unknown", `nothing of ${name} was captured`),
  );
  const then: TableThen[] = [];
  for (const past of pastTables(repository, plan)) {
    const { db, name } = past.table.from;
    const of = `${db}.${name}`;
    try {
      const live = sameTable(past, liveTable(past, tables, target.location));
      then.push({ name: of, live, past, selection: choice.selectionOf(of)! });
    } catch (error) {
      if (!(error instanceof ThinkbackError)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw (await otherCluster({ repository, target })) ?? together(errors);
  if (then.length === 0) {
    throw new ThinkbackError("unknown", "no table is chosen of which something was captured", {
      hint: "`thinkback status` lists the tables; choose others, or another instant",
    });
  }
  tellInexact(then, output);
  tellLeftOut(plan, choice, tables, output);
  return then;
}

/** So many names are advised for one that is not known. */
const advisedMax = 3;

/** The error for a table that is not known, with the names that are like it. */
function withNearest(error: unknown, { tables }: Choice, live: readonly TableConfig[]): unknown {
  if (!(error instanceof UnknownTable)) return error;
  const known = live.map(({ db, name }) => `${db}.${name}`);
  const wrong = tables.filter((name) => !known.includes(name));
  const nearest = wrong.flatMap((name) => mostSimilar(name, known, advisedMax));
  if (nearest.length === 0) return error;
  return new ThinkbackError(error.code, error.message, {
    hint: `the nearest: ${[...new Set(nearest)].join(", ")}; ${error.hint}`,
    cause: error,
  });
}

function sameTable({ table: { config, instant } }: PastTable, live: TableReference) {
  if (config.id === live.id) return live;
  const name = `${live.db}.${live.name}`;
  throw new ThinkbackError(
    "unknown",
    `${name} was another table at ${formatInstant(instant)}: it was dropped and made again, or renamed`,
    { hint: `restore that one beside it: thinkback restore --table ${name} --rename ${name}=…` },
  );
}

/** Says which tables are not taken exactly as of the instant that was asked for. */
function tellInexact(then: readonly TableThen[], output: Output): void {
  for (const { name, past } of then) {
    const { class: is, instant } = past.table;
    if (is !== "exact") {
      output.note(`thinkback: ${name} is taken as of ${formatInstant(instant)}, which is ${is}`);
    }
  }
}

/** Says which tables of what was chosen are not touched. */
function tellLeftOut(
  plan: { notSelected: string[]; tables: PastTable["table"][] },
  { databases }: Choice,
  live: readonly TableConfig[],
  output: Output,
): void {
  const { notSelected } = plan;
  const known = new Set([
    ...notSelected,
    ...plan.tables.map(({ from }) => `${from.db}.${from.name}`),
  ]);
  const since = live
    .filter(({ db }) => databases.includes(db))
    .map(({ db, name }) => `${db}.${name}`)
    .filter((name) => !known.has(name));
  if (notSelected.length > 0) {
    const names = formatNames(notSelected);
    output.note(`thinkback: left out, because nothing of them is selected: ${names}`);
  }
  if (since.length > 0) {
    const names = formatNames(since);
    output.note(`thinkback: left as they are, because they did not exist then: ${names}`);
  }
}
