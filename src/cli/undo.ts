import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { type Difference, differencesBetween } from "../recovery/differences.js";
import { and, type Selection } from "../recovery/selection.js";
import { changesToTakeBack, type TakenTable } from "../recovery/taken-back.js";
import { type ConflictWay, undoSteps } from "../recovery/undo.js";
import { listOperations } from "../repository/records/operations.js";
import { lookAt } from "../repository/repository-view.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { together } from "./exact-past.js";
import { type InstantIn, instantIn } from "./instant-of.js";
import {
  type Asked,
  askedOf,
  type Live,
  type LiveChangeArguments,
  withLive,
} from "./live-asked.js";
import { intend } from "./live-change.js";
import type { IntendedTable, Intent } from "./live-found.js";
import { intendByFile } from "./live-plan.js";
import { type Choice, choosesNone, type TableThen, tablesThen } from "./live-tables.js";
import { otherCluster } from "./other-cluster.js";
import { formatNames, type Output } from "./output.js";

export interface UndoArguments extends LiveChangeArguments {
  from?: string;
  to?: string;
  operation?: string;
  onConflict: ConflictWay;
  field?: string[];
  ignoreField?: string[];
}

/** The changes that are to be taken back. */
type Bad = { from: InstantIn; to: InstantIn | undefined } | { operation: string };

/** Takes back what was changed between two instants, or what an operation has written. */
export async function undoCommand(
  names: readonly string[],
  args: UndoArguments,
  output: Output,
): Promise<void> {
  const bad = badOf(args);
  const { from, to, operation, onConflict: way, field = [], ignoreField = [] } = args;
  for (const path of [...field, ...ignoreField]) checkPath(path);
  const asked = await askedOf(names, args, {
    tables: operation !== undefined,
    what: [
      ...(from === undefined ? [] : ["--from"]),
      ...(to === undefined ? [] : ["--to"]),
      ...(operation === undefined ? [] : ["--operation"]),
    ],
    how: [
      ...(way === "refuse" ? [] : ["--on-conflict"]),
      ...(field.length === 0 ? [] : ["--field"]),
      ...(ignoreField.length === 0 ? [] : ["--ignore-field"]),
    ],
    wanted: { text: "what is to be undone", options: "--from and perhaps --to, or --operation" },
  });
  await withLive(args, output, async (live) => {
    if (asked.given) await intendByFile(live, ["undo", "undo operation"], asked);
    else await intend(live, await intentOf(live, bad!, asked, args), asked);
  });
}

function checkPath(path: string): void {
  if (path.split(".").every((name) => name !== "")) return;
  throw new ThinkbackError("usage", `"${path}" is not the path of a field`, {
    hint: "give names with dots between them: status, or address.city",
  });
}

/** Undefined if the arguments say nothing of it. */
function badOf({ from, to, operation: named }: UndoArguments): Bad | undefined {
  const now = systemClock.now();
  const begin = from === undefined ? undefined : instantIn(from, now);
  const end = to === undefined ? undefined : instantIn(to, now);
  const operation = named === undefined ? undefined : operationId(named);
  if ((begin !== undefined && operation !== undefined) || (end && !begin)) {
    throw new ThinkbackError("usage", "it is not clear what is to be undone", {
      hint: "give --from and perhaps --to, or --operation alone",
    });
  }
  if (operation !== undefined) return { operation };
  return begin && { from: begin, to: end };
}

/** An operation's id, alone or as `points` prints it: `undo-0123abcd`. */
function operationId(named: string): string {
  const id = /^(?:(?:undo|rewind)-)?([0-9a-f]{8})$/.exec(named)?.[1];
  if (id !== undefined) return id;
  throw new ThinkbackError("usage", `--operation ${named} is not the id of an operation`, {
    hint: "give the 8 hexadecimal digits that undo and rewind print, or the id that `thinkback points` prints",
  });
}

async function intentOf(live: Live, bad: Bad, asked: Asked, args: UndoArguments): Promise<Intent> {
  const { onConflict: way, field: only = [], ignoreField: ignored = [] } = args;
  const fields = { ...(only.length > 0 ? { only } : {}), ignored };
  const of =
    "operation" in bad ? ofOperation(live, bad.operation, asked) : ofTime(live, bad, asked);
  const { tables, ...changes } = await of;
  return {
    ...changes,
    refusesConflicts: way === "refuse",
    tables: tables.map(({ table, doubts, differences }): IntendedTable => {
      return {
        table,
        doubts,
        steps: (again) => undoSteps(differences(again), live.reads, table, way, fields),
      };
    }),
  };
}

/** What is to be taken back of a table: all, or only of some keys. */
interface BadTable {
  table: TableReference;
  doubts: Selection["doubts"];
  differences: (only?: Selection) => AsyncIterable<Difference>;
}

type BadChanges = Omit<Intent, "refusesConflicts" | "tables"> & { tables: BadTable[] };

async function ofTime(
  live: Live,
  { from, to }: Extract<Bad, { from: InstantIn }>,
  { choice, allowed }: Asked,
): Promise<BadChanges> {
  const { repository, output } = live;
  const later = await tablesThen(live, choice, await to?.(repository), allowed, output);
  const names = later.map(({ name }) => name);
  const named = { ...choice, tables: names, databases: [] };
  const earlier = await tablesThen(live, named, await from(repository), allowed, output);
  const [begin, end] = [earlier[0]!.past.plan.instant, later[0]!.past.plan.instant];
  if (begin >= end) {
    throw new ThinkbackError("usage", "--from is not before --to", {
      hint: `--from is ${formatInstant(begin)}, --to is ${formatInstant(end)}`,
    });
  }
  if (!to) {
    output.note(
      `thinkback: --to is now: everything that anybody changed on ${formatNames(names)} after ${formatInstant(begin)}, ` +
        `until ${formatInstant(end)}, is taken back; documents that were made since are deleted`,
    );
  }
  const same = later.filter(({ name, past }) => {
    return past.table.instant === pastOf(earlier, name).table.instant;
  });
  if (same.length > 0) {
    output.note(
      `thinkback: nothing of ${formatNames(same.map(({ name }) => name))} is taken back: both instants are taken as of the same one`,
    );
  }
  const { tables: coverage } = await lookAt(repository, (view) => view.coverage());
  const span = `${formatInstant(begin)} to ${formatInstant(end)}`;
  return {
    type: "undo",
    description: `undo on ${formatNames(names)} of ${span}`,
    holding: earlier[0]!.past.plan,
    tables: later.map(({ live: table, past, selection, name }) => {
      const before = pastOf(earlier, name);
      const differences = (only?: Selection) =>
        differencesBetween(before, past, coverage.get(table.id), and(selection, only));
      return { table, doubts: selection.doubts, differences };
    }),
  };
}

const pastOf = (tables: readonly TableThen[], name: string) =>
  tables.find((one) => one.name === name)!.past;

async function ofOperation(live: Live, id: string, { choice }: Asked): Promise<BadChanges> {
  const all = await changesToTakeBack(live.repository, id);
  const errors: ThinkbackError[] = [];
  const tables: BadTable[] = [];
  for (const taken of all) {
    const table = liveOf(live, taken);
    const name = table ? `${table.db}.${table.name}` : taken.name;
    const selection = isChosen(choice, name) ? choice.selectionOf(name) : undefined;
    if (!selection) continue;
    const differences = (only?: Selection) => taken.differences(and(selection, only));
    if (table) tables.push({ table, doubts: selection.doubts, differences });
    else errors.push(new ThinkbackError("target", `${name} is not there any more`));
  }
  if (errors.length > 0) throw (await otherCluster(live)) ?? together(errors);
  if (tables.length === 0) {
    throw new ThinkbackError("unknown", `operation ${id} has changed nothing in these tables`, {
      hint: `it is about ${formatNames(all.map(({ name }) => name))}`,
    });
  }
  const names = formatNames(tables.map(({ table: { db, name } }) => `${db}.${name}`));
  const description = `undo of operation ${id} on ${names}`;
  return { type: "undo operation", description, tables, whyNothing: () => takenBackBy(live, id) };
}

/** Says which operation was to take another one back; undefined if none was. */
async function takenBackBy({ repository }: Live, id: string): Promise<string | undefined> {
  const operations = await listOperations(repository.store);
  const by = operations.findLast(
    ({ type, description }) =>
      type === "undo operation" && description.startsWith(`undo of operation ${id} `),
  );
  return by && `it was taken back already by ${by.id}, at ${formatInstant(by.begun)}`;
}

function isChosen(choice: Choice, name: string): boolean {
  if (choosesNone(choice)) return true;
  const [db] = name.split(".");
  return choice.tables.includes(name) || choice.databases.includes(db!);
}

function liveOf({ tables }: Live, { id }: TakenTable): TableReference | undefined {
  const found = tables.find((one) => one.id === id);
  return found && { id, db: found.db, name: found.name, primaryKey: found.primary_key };
}
