/** What undo and rewind have in common: the live table, the plan, the operation, and what is printed of it. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { pathText } from "../recovery/field-tree.js";
import { type OperationResult, operate } from "../recovery/operation.js";
import { type PastTable, pastTable } from "../recovery/past.js";
import { changesInPlan, type PlanHead, PlanWriter, readPlanHead } from "../recovery/plan-file.js";
import type { Selection } from "../recovery/selection.js";
import type { Conflict, UndoStep } from "../recovery/undo.js";
import type { DocumentChange, OperationType } from "../repository/records/operations.js";
import { withLease } from "../repository/registers/lease.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { pinInstant } from "../restore/pin.js";
import { planRestore } from "../restore/plan.js";
import { whenProven } from "../restore/when-proven.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { textOfJson } from "../server-text.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { storeAt } from "../storage/store-at.js";
import {
  accessToTarget,
  addressesOf,
  type TargetArguments,
  targetAt,
  warningsOf,
} from "./connect.js";
import { counted, formatBytes, formatCount, type Output, waitingText } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";
import { isSelecting, type SelectArguments, selectionOf } from "./select.js";
import { stopOnSignals } from "./stop-signals.js";

export interface LiveChangeArguments extends TargetArguments, SelectArguments {
  repo: string;
  dryRun?: boolean;
  plan?: string;
}

/** A plan that is to be carried out. */
export interface GivenPlan {
  path: string;
  head: PlanHead;
}

/** Throws, with code "usage", for a server or a table that cannot be meant, before anything is asked of either. */
export function checkLive(name: string, args: LiveChangeArguments): { db: string; name: string } {
  addressesOf(accessToTarget(args), "target");
  const [db = "", table = "", ...more] = name.split(".");
  if (db !== "" && table !== "" && more.length === 0) return { db, name: table };
  throw new ThinkbackError("usage", `"${name}" is not a table`, { hint: "give it as db.table" });
}

/** The plan that is given to be carried out; undefined if none is, or one is to be made. Checks the whole file. */
export async function planGiven(args: LiveChangeArguments): Promise<GivenPlan | undefined> {
  if (args.plan === undefined || args.dryRun) return undefined;
  if (isSelecting(args)) {
    throw new ThinkbackError("usage", "a plan says itself which documents are meant", {
      hint: "leave out --key, --between, --where and --tenant",
    });
  }
  return { path: args.plan, head: await readPlanHead(args.plan) };
}

/** What is selected of a table. Throws, with code "usage", if a mapping of tenants lacks it. */
export async function selectionIn(name: string, args: LiveChangeArguments): Promise<Selection> {
  const selection = (await selectionOf(args))(name);
  if (selection) return selection;
  throw new ThinkbackError("usage", `${args.tenant} does not say which field of ${name} counts`, {
    hint: `add a line to it: ${name}: customer.id`,
  });
}

/** A repository, and the live table that is to be changed. */
export interface Live {
  repository: Repository;
  target: Target;
  table: TableReference;
  signal: AbortSignal;
}

/** Runs `work` with the repository and the live table; closes the connection after it. */
export async function withLive(
  name: string,
  args: LiveChangeArguments,
  output: Output,
  work: (live: Live) => Promise<void>,
): Promise<void> {
  const named = checkLive(name, args);
  const target = targetAt(args);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  const signal = stopOnSignals((which) =>
    output.note(`thinkback: ${which}: ending; what was written stays, and is recorded`),
  );
  try {
    const repository = await openRepository(storeAt(args.repo));
    refuseWithoutReader(repository.store);
    const { config } = await target.settings(named);
    const reference = { ...named, id: config.id, primaryKey: config.primary_key };
    if (!args.dryRun) await target.checkMayReplace(reference);
    await work({ repository, target, table: reference, signal });
  } finally {
    target.close();
  }
}

/** The table as of an instant; the newest that can be restored if none is given. */
export async function pastOf(
  { repository, table }: Live,
  at: Instant | undefined,
  output: Output,
): Promise<PastTable> {
  const name = `${table.db}.${table.name}`;
  const request = {
    ...(at === undefined ? {} : { at }),
    tables: [name],
    databases: [],
    renames: new Map<string, string>(),
    allowInexact: false,
    nearest: false,
    exactOnly: true,
  };
  const look = () => lookAt(repository, (view) => planRestore(view, request));
  const onWait = (ms: number) => output.note(waitingText(ms));
  const plan = await whenProven(repository, at, look, systemClock, onWait);
  const past = pastTable(repository, plan);
  if (past.table.config.id === table.id) return past;
  throw new ThinkbackError(
    "unknown",
    `${name} was another table at ${formatInstant(past.table.instant)}: it was dropped and made again, or renamed`,
    { hint: `restore that one beside it: thinkback restore --table ${name} --rename ${name}=…` },
  );
}

/** What is to be done, as undo and rewind find it out. */
export interface Intent {
  type: OperationType;
  /** In words. */
  description: string;
  steps(only?: Selection): AsyncIterable<UndoStep>;
  /** A conflict ends it before anything is written. */
  refusesConflicts: boolean;
}

/** Plans it, or plans and carries it out. */
export async function intend(
  live: Live,
  intent: Intent,
  args: LiveChangeArguments,
  output: Output,
): Promise<void> {
  const head = headOf(live, intent);
  const conflicts = new Map<string, Conflict>();
  const progress = new ProgressLines();
  const changes = async function* (only?: Selection): AsyncGenerator<DocumentChange> {
    let seen = 0;
    for await (const { change, conflict } of intent.steps(only)) {
      live.signal.throwIfAborted();
      seen += 1;
      if (seen % 100 === 0) progress.set("plan", `comparing: ${formatCount(seen)} documents`);
      if (conflict) conflicts.set(conflict.key.toString("latin1"), conflict);
      if (change) yield change;
    }
  };
  try {
    if (args.dryRun) {
      await onlyPlan(head, changes(), conflicts, args.plan, output);
      return;
    }
    if (intent.refusesConflicts) {
      // Nothing may be written before it is known that there is none.
      for await (const _ of changes());
      if (conflicts.size > 0) {
        printConflicts([...conflicts.values()], output);
        output.result({ ...headResult(head), conflicts: conflictResults(conflicts) });
        throw new ThinkbackError(
          "conflict",
          `${counted(conflicts.size, "document")} had fields set to something else since; nothing was written`,
          { hint: "give --on-conflict skip, cascade or force; --dry-run shows what each would do" },
        );
      }
    }
    const pin = await pinBefore(live, head, output);
    const result = await carriedOut(live, head, pin, changes, undefined, progress, output);
    progress.clear();
    report(head, result, conflicts, pin, output);
  } finally {
    progress.clear();
  }
}

/** Carries out what a file says, and nothing else. */
export async function intendByFile(
  live: Live,
  type: OperationType,
  { path, head }: GivenPlan,
  output: Output,
): Promise<void> {
  const name = `${live.table.db}.${live.table.name}`;
  const wrong =
    (head.type !== type && `it is for ${head.type}`) ||
    (head.repository !== live.repository.description.id && "it is of another repository") ||
    (head.table !== live.table.id && `${name} is not the table that it was made for`);
  if (wrong) {
    throw new ThinkbackError("usage", `the plan ${path} cannot be used here: ${wrong}`, {
      hint: "make a plan for this table with --dry-run --plan",
    });
  }
  const progress = new ProgressLines();
  try {
    const pin = await pinBefore(live, head, output);
    const changes = () => changesInPlan(path);
    const result = await carriedOut(live, head, pin, changes, 1, progress, output);
    progress.clear();
    report(head, result, new Map(), pin, output);
  } finally {
    progress.clear();
  }
}

function headOf({ repository, table }: Live, { type, description }: Intent): PlanHead {
  return {
    id: randomBytes(4).toString("hex"),
    type,
    repository: repository.description.id,
    made: systemClock.now(),
    table: table.id,
    name: `${table.db}.${table.name}`,
    description,
  };
}

async function onlyPlan(
  head: PlanHead,
  changes: AsyncIterable<DocumentChange>,
  conflicts: ReadonlyMap<string, Conflict>,
  path: string | undefined,
  output: Output,
): Promise<void> {
  const writer = path === undefined ? undefined : await PlanWriter.create(path, head);
  let [documents, bytes] = [0, 0];
  try {
    for await (const change of changes) {
      documents += 1;
      bytes += change.after?.length ?? 0;
      await writer?.add(change);
    }
    const requests = Math.ceil(documents / 100);
    const found = { requests, conflicts: conflictResults(conflicts) };
    await writer?.finish(found);
    output.line(
      `${head.description}: would change ${counted(documents, "document")}, ${formatBytes(bytes)}`,
    );
    printConflicts([...conflicts.values()], output);
    if (path !== undefined) output.line(`plan ${head.id} is in ${path}`);
    output.result({ ...headResult(head), documents, bytes, ...found, plan: path ?? null });
  } catch (error) {
    await writer?.discard();
    throw error;
  }
}

/** Pins the newest instant before the operation, so that it stays restorable. Returns the pin's name. */
async function pinBefore(
  { repository }: Live,
  { id, type }: PlanHead,
  output: Output,
): Promise<string | undefined> {
  const name = `before-${type.replaceAll(" ", "-")}-${id}`;
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(repository.store, systemClock, thisProcess, randomBytes(4).toString("hex"), work);
  try {
    const request = { name, note: `before ${type} ${id}`, allowInexact: true };
    const { pin } = await pinInstant(repository, request, systemClock.now(), underLease);
    output.note(`thinkback: ${formatInstant(pin.at)} is pinned as ${name}`);
    return name;
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    // A plan that was carried out before has its pin already.
    if (error.message.includes("there is a pin")) return name;
    output.note(
      `thinkback: no instant before this could be pinned (${error.message}); what is replaced is recorded all the same`,
    );
    return undefined;
  }
}

async function carriedOut(
  { repository, target, table, signal }: Live,
  head: PlanHead,
  pin: string | undefined,
  changes: (only?: Selection) => AsyncIterable<DocumentChange>,
  rounds: number | undefined,
  progress: ProgressLines,
  output: Output,
): Promise<OperationResult> {
  const observer = {
    planned: (documents: number) =>
      progress.set("plan", `comparing: ${counted(documents, "document")} to change`),
    recorded: ({ documents }: { documents: number }) =>
      output.note(`thinkback: ${head.type} ${head.id} changes ${counted(documents, "document")}`),
    written: (done: number, of: number) =>
      progress.set("plan", `${progressBar(done / of)} ${formatCount(done)} of ${formatCount(of)}`),
  };
  const operating = { repository, target, table, head, pin, clock: systemClock, observer, signal };
  return operate(operating, changes, rounds);
}

function report(
  head: PlanHead,
  { written, already, left, rounds }: OperationResult,
  conflicts: ReadonlyMap<string, Conflict>,
  pin: string | undefined,
  output: Output,
): void {
  const more = already > 0 ? `, ${formatCount(already)} were so already` : "";
  output.line(
    rounds === 0
      ? `${head.description}: nothing to change`
      : `${head.description}: ${counted(written, "document")} written${more}`,
  );
  printConflicts([...conflicts.values()], output);
  for (const { key, refused } of left.slice(0, printedMax)) {
    const why = refused ?? "it was changed by somebody else";
    output.line(`left as it is: ${textOfJson(key)}: ${why}`);
  }
  if (rounds > 0) {
    output.line(`to take this back: thinkback undo ${head.name} --operation ${head.id}`);
  }
  output.result({
    ...headResult(head),
    written,
    already,
    left: left.map(({ key, refused }) => {
      return { key: JSON.parse(textOfJson(key)) as unknown, refused: refused ?? null };
    }),
    conflicts: conflictResults(conflicts),
    pin: pin ?? null,
  });
  if (left.length === 0) return;
  throw new ThinkbackError(
    "conflict",
    `${counted(left.length, "document")} were left as they are`,
    {
      hint: "others changed them meanwhile, or the server refused them; look at them, and run the command again",
    },
  );
}

const printedMax = 20;

function printConflicts(conflicts: readonly Conflict[], output: Output): void {
  for (const { key, paths } of conflicts.slice(0, printedMax)) {
    output.line(`conflict: ${textOfJson(key)}: ${paths.map(pathText).join(", ")}`);
  }
  const more = conflicts.length - printedMax;
  if (more > 0) output.line(`and ${counted(more, "conflict")} more; --json lists all`);
}

const headResult = ({ id, type, name, description, made }: PlanHead) => {
  return { operation: id, type, table: name, description, made: formatInstant(made) };
};

const conflictResults = (conflicts: ReadonlyMap<string, Conflict>) =>
  [...conflicts.values()].map(({ key, paths }) => {
    return { key: JSON.parse(textOfJson(key)) as unknown, paths: paths.map(pathText) };
  });
