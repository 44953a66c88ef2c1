/** What undo and rewind have in common: the live tables, the plan, the operation, and the way back. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../clock.js";
import type { PriceProfile } from "../costs/prices.js";
import { ThinkbackError } from "../errors.js";
import { durationMs, formatInstant } from "../instant.js";
import { thisProcess } from "../owner.js";
import {
  type Extent,
  type OperatedTable,
  type OperationHead,
  operate,
  type WayBack,
} from "../recovery/operation.js";
import {
  changesInPlan,
  type PlannedTable,
  type PlanRead,
  PlanWriter,
  readPlan,
} from "../recovery/plan-file.js";
import type { Selection } from "../recovery/selection.js";
import { Tally } from "../recovery/tally.js";
import type { UndoStep } from "../recovery/undo.js";
import type { OperationType } from "../repository/records/operations.js";
import { withLease } from "../repository/registers/lease.js";
import { listPins } from "../repository/registers/pins.js";
import { openRepository } from "../repository/repository.js";
import { pinInstant } from "../restore/pin.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import type { StoreUse } from "../storage/store-use.js";
import { estimateOf, ReadTimes, writeTime } from "./change-estimate.js";
import {
  accessToTarget,
  addressesOf,
  type TargetArguments,
  targetAt,
  warningsOf,
} from "./connect.js";
import {
  Conflicts,
  headResult,
  nameOf,
  type PlannedChange,
  report,
  reportPlan,
} from "./live-report.js";
import {
  type Choice,
  choiceOf,
  choosesNone,
  type LiveTables,
  type TableArguments,
} from "./live-tables.js";
import { counted, formatCount, formatNames, type Output } from "./output.js";
import { profileOf } from "./plan-costs.js";
import { ProgressLines, progressBar } from "./progress.js";
import { stopOnSignals } from "./stop-signals.js";
import { countedStore } from "./store-use-text.js";

export interface LiveChangeArguments extends TargetArguments, TableArguments {
  repo: string;
  dryRun?: boolean;
  plan?: string;
  undoableFor: string;
  profile?: string;
  prices?: string;
}

/** What the arguments say, once they are read and checked. */
export interface Asked {
  choice: Choice;
  dryRun: boolean;
  /** Where a plan is written. */
  planPath: string | undefined;
  /** A plan that is to be carried out. Its whole file is checked. */
  given: { path: string; plan: PlanRead } | undefined;
  undoableMs: number;
  profile: PriceProfile | undefined;
}

const dayMs = 86_400_000;

/**
 * Reads and checks the arguments before anything is asked of the server or the repository.
 * @param saysTables true if something else in the arguments says which tables are meant
 * @throws {ThinkbackError} `usage` for what cannot be meant
 */
export async function askedOf(
  names: readonly string[],
  args: LiveChangeArguments,
  saysTables: boolean,
): Promise<Asked> {
  addressesOf(accessToTarget(args), "target");
  const choice = await choiceOf(names, args);
  const { plan: path, dryRun = false } = args;
  const undoableMs = durationMs(args.undoableFor);
  if (undoableMs === undefined || undoableMs < dayMs) {
    throw new ThinkbackError("usage", `--undoable-for ${args.undoableFor} is not a day or longer`, {
      hint: "give a duration, such as 30d",
    });
  }
  const profile = await profileOf(args);
  if (path === undefined || dryRun) {
    if (choosesNone(choice) && !saysTables) {
      throw new ThinkbackError("usage", "it is not said which tables are meant", {
        hint: "give db.table, several of them, --db, or --tenant with a file that names tables",
      });
    }
    return { choice, dryRun, planPath: path, given: undefined, undoableMs, profile };
  }
  if (choice.selects) {
    throw new ThinkbackError("usage", "a plan says itself which documents are meant", {
      hint: "leave out --key, --between, --where and --tenant",
    });
  }
  const given = { path, plan: await readPlan(path) };
  return { choice, dryRun, planPath: undefined, given, undoableMs, profile };
}

/** A repository, and the live tables that are to be changed. */
export interface Live extends LiveTables {
  /** Reads the tables of `target`, and takes the time. */
  reads: ReadTimes;
  signal: AbortSignal;
  /** What was sent to the store so far. */
  use: StoreUse;
  output: Output;
}

/** Runs `work` with the repository and the server; closes the connection after it. */
export async function withLive(
  args: LiveChangeArguments,
  given: Output,
  work: (live: Live) => Promise<void>,
): Promise<void> {
  const target = targetAt(args);
  const { store, use, output } = countedStore(args.repo, given);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  const signal = stopOnSignals((which) =>
    output.note(`thinkback: ${which}: ending; what was written stays, and is recorded`),
  );
  try {
    const repository = await openRepository(store);
    refuseWithoutReader(repository.store);
    const tables = await target.tables();
    const reads = new ReadTimes(target);
    await work({ repository, target, tables, reads, signal, use, output });
  } finally {
    target.close();
  }
}

/** What is to be done, as undo and rewind find it out. */
export interface Intent {
  type: OperationType;
  /** In words. */
  description: string;
  /** A conflict ends it before anything is written. */
  refusesConflicts: boolean;
  tables: IntendedTable[];
}

export interface IntendedTable {
  table: TableReference;
  steps: (only?: Selection) => AsyncIterable<UndoStep>;
}

/** Plans it, or plans and carries it out. */
export async function intend(live: Live, intent: Intent, asked: Asked): Promise<void> {
  const { type, description } = intent;
  const id = randomBytes(4).toString("hex");
  const head = { id, type, repository: live.repository.description.id, description };
  const conflicts = new Conflicts();
  const progress = new ProgressLines();
  const tables = intent.tables.map(({ table, steps }): OperatedTable => {
    return { table, steps: (only) => noted(live, table, steps(only), conflicts, progress) };
  });
  try {
    if (asked.dryRun) {
      await onlyPlan(live, head, tables, conflicts, asked);
      return;
    }
    let [beganMs, estimatedSeconds] = [0, 0];
    const beforeWriting = async (extent: Extent) => {
      if (intent.refusesConflicts && conflicts.count > 0) refuse(head, conflicts, live.output);
      const wayBack = await pinBefore(live, head, asked);
      tellBegin(live, head, extent, progress);
      estimatedSeconds = (await writeTime(extent, live.reads, live.repository)).seconds;
      beganMs = performance.now();
      return wayBack;
    };
    const result = await carryOut(live, head, tables, undefined, beforeWriting, progress);
    // Of conflicts alone nothing is recorded, so nothing has asked about them yet.
    if (intent.refusesConflicts && conflicts.count > 0 && result.rounds === 0) {
      refuse(head, conflicts, live.output);
    }
    const seconds = result.rounds === 0 ? 0 : (performance.now() - beganMs) / 1000;
    progress.clear();
    report(head, result, conflicts, { seconds, estimatedSeconds }, live.output);
  } finally {
    progress.clear();
  }
}

async function* noted(
  { signal }: Live,
  table: TableReference,
  steps: AsyncIterable<UndoStep>,
  conflicts: Conflicts,
  progress: ProgressLines,
): AsyncGenerator<UndoStep> {
  let seen = 0;
  for await (const step of steps) {
    signal.throwIfAborted();
    seen += 1;
    if (seen % 100 === 0) {
      progress.set("plan", `comparing ${nameOf(table)}: ${formatCount(seen)} documents`);
    }
    if (step.conflict) conflicts.note(table, step.conflict);
    yield step;
  }
}

function refuse(head: OperationHead, conflicts: Conflicts, output: Output): never {
  conflicts.print(output);
  output.result({ ...headResult(head), conflicts: conflicts.results() });
  throw new ThinkbackError(
    "conflict",
    `${counted(conflicts.count, "document")} had fields set to something else since; nothing was written`,
    { hint: "give --on-conflict skip, cascade or force; --dry-run shows what each would do" },
  );
}

/** Carries out what a file says, and nothing else. */
export async function intendByFile(
  live: Live,
  types: readonly OperationType[],
  { choice, given, ...asked }: Asked,
): Promise<void> {
  const { path, plan } = given!;
  const tables = tablesOfPlan(live, types, choice, path, plan);
  const { id, type, repository, description, estimatedSeconds } = plan;
  const head = { id, type, repository, description };
  const progress = new ProgressLines();
  const beganMs = performance.now();
  const beforeWriting = async (extent: Extent) => {
    const wayBack = await pinBefore(live, head, asked);
    tellBegin(live, head, extent, progress);
    return wayBack;
  };
  try {
    const result = await carryOut(live, head, tables, 1, beforeWriting, progress);
    progress.clear();
    const seconds = (performance.now() - beganMs) / 1000;
    report(head, result, new Conflicts(), { seconds, estimatedSeconds }, live.output);
  } finally {
    progress.clear();
  }
}

function tablesOfPlan(
  live: Live,
  types: readonly OperationType[],
  choice: Choice,
  path: string,
  plan: PlanRead,
): OperatedTable[] {
  const wrong = (why: string): never => {
    throw new ThinkbackError("usage", `the plan ${path} cannot be used here: ${why}`, {
      hint: "make a plan for these tables with --dry-run --plan",
    });
  };
  if (!types.includes(plan.type)) wrong(`it is for ${plan.type}`);
  if (plan.repository !== live.repository.description.id) wrong("it is of another repository");
  const names = plan.tables.map(({ name }) => name);
  const isSame =
    choice.databases.length === 0 &&
    choice.tables.every((name) => names.includes(name)) &&
    names.every((name) => choice.tables.includes(name));
  if (!choosesNone(choice) && !isSame) wrong(`it is for ${formatNames(names)}`);
  const gone = plan.tables.filter(({ id, name }) => {
    return !live.tables.some((one) => one.id === id && `${one.db}.${one.name}` === name);
  });
  if (gone.length > 0) {
    wrong(`${formatNames(gone.map(({ name }) => name))} is not the table that it was made for`);
  }
  return plan.tables.map((of): OperatedTable => {
    const { id, db, name, primary_key: primaryKey } = live.tables.find((one) => one.id === of.id)!;
    return { table: { id, db, name, primaryKey }, steps: () => stepsInPlan(path, of) };
  });
}

async function* stepsInPlan(path: string, of: PlannedTable): AsyncGenerator<UndoStep> {
  for await (const change of changesInPlan(path, of)) yield { change };
}

async function onlyPlan(
  { repository, reads, use, output }: Live,
  head: OperationHead,
  tables: readonly OperatedTable[],
  conflicts: Conflicts,
  { planPath: path, profile }: Asked,
): Promise<void> {
  const made = systemClock.now();
  const writer = path === undefined ? undefined : await PlanWriter.create(path, { ...head, made });
  try {
    const planned: PlannedChange[] = [];
    for (const { table, steps } of tables) {
      const of = { table, tally: new Tally() };
      await writer?.begin(table);
      for await (const { change } of steps()) {
        if (!change) continue;
        of.tally.add(change);
        await writer?.add(change);
      }
      planned.push(of);
    }
    const tallies = planned.map(({ tally }) => tally).filter(({ documents }) => documents > 0);
    const extent = { tables: tallies.length, all: Tally.sumOf(tallies) };
    const estimate = await estimateOf(extent, reads, repository, use, profile);
    await writer?.finish({ estimate, conflicts: conflicts.results() });
    reportPlan(head, planned, estimate, conflicts, path, output);
  } catch (error) {
    await writer?.discard();
    throw error;
  }
}

/** Pins the newest instant before the operation, so that it stays restorable as long as the operation can be undone. */
async function pinBefore(
  { repository: { store, ...of }, output }: Live,
  { id, type }: OperationHead,
  { undoableMs }: Pick<Asked, "undoableMs">,
): Promise<WayBack> {
  const repository = { ...of, store };
  const name = `before-${type.replaceAll(" ", "-")}-${id}`;
  const now = systemClock.now();
  const until = now + undoableMs;
  // A plan that was carried out before has its pin already. Its record stays for a day at least.
  const earlier = (await listPins(store)).find((pin) => pin.name === name);
  if (earlier) return { pin: name, until: Math.max(earlier.until ?? until, now + dayMs) };
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(store, systemClock, thisProcess, randomBytes(4).toString("hex"), work);
  try {
    const request = { name, note: `before ${type} ${id}`, until, allowInexact: true };
    const { pin } = await pinInstant(repository, request, now, underLease);
    output.note(
      `thinkback: ${formatInstant(pin.at)} is pinned as ${name} until ${formatInstant(until)}`,
    );
    return { pin: name, until };
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    output.note(
      `thinkback: no instant before this could be pinned (${error.message}); what is replaced is recorded all the same`,
    );
    return { until };
  }
}

function tellBegin(
  { output }: Live,
  { type, id }: OperationHead,
  { tables, all: { documents } }: Extent,
  progress: ProgressLines,
): void {
  progress.clear();
  const where = tables > 1 ? ` in ${counted(tables, "table")}` : "";
  output.note(`thinkback: ${type} ${id} changes ${counted(documents, "document")}${where}`);
}

function carryOut(
  { repository, target, signal }: Live,
  head: OperationHead,
  tables: readonly OperatedTable[],
  rounds: number | undefined,
  beforeWriting: (extent: Extent) => Promise<WayBack>,
  progress: ProgressLines,
) {
  const observer = {
    planned: (documents: number) =>
      progress.set("plan", `comparing: ${counted(documents, "document")} to change`),
    beforeWriting,
    written: (done: number, of: number) =>
      progress.set("plan", `${progressBar(done / of)} ${formatCount(done)} of ${formatCount(of)}`),
  };
  return operate(
    { repository, target, head, clock: systemClock, observer, signal },
    tables,
    rounds,
  );
}
