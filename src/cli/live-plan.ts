/** Plans of undo and rewind: made, shown, and carried out. */
import { systemClock } from "../clock.js";
import { clearAfter, ThinkbackError } from "../errors.js";
import { isSameText } from "../json-bytes.js";
import type { OperatedTable, OperationHead } from "../recovery/operation.js";
import { changesInPlan, type PlannedTable, PlanWriter } from "../recovery/plan-file.js";
import { Tally } from "../recovery/tally.js";
import type { UndoStep } from "../recovery/undo.js";
import type { DocumentChange, OperationType } from "../repository/records/operations.js";
import { textOfJson } from "../server-text.js";
import { estimateOf } from "./change-estimate.js";
import type { Asked, Live } from "./live-asked.js";
import { Conflicts, printedMax } from "./live-conflicts.js";
import { stoppedIf, wayBackText } from "./live-end.js";
import { type Found, type Intent, refusal } from "./live-found.js";
import {
  type Example,
  keptNone,
  nameOf,
  type PlannedChange,
  report,
  reportPlan,
  type ToReport,
} from "./live-report.js";
import { LiveRun } from "./live-run.js";
import { choosesNone } from "./live-tables.js";
import { counted, formatNames } from "./output.js";
import { tellDoubts } from "./restore-report.js";

/** So many changes are shown field by field. */
const examplesMax = 5;

/**
 * Prints what would be done, and writes it down if a path is given.
 * @throws {ThinkbackError} `conflict` if it would be refused; then no plan is written
 */
export async function planOnly(
  { repository, reads, use, output }: Live,
  head: OperationHead,
  tables: readonly OperatedTable[],
  found: Found,
  { refusesConflicts }: Intent,
  { planPath: path, profile }: Asked,
): Promise<void> {
  const { conflicts } = found;
  const made = systemClock.now();
  const writer = path === undefined ? undefined : await PlanWriter.create(path, { ...head, made });
  let isWhole = false;
  try {
    const { planned, examples } = await stepsNoted(tables, writer);
    const tallies = planned.map(({ tally }) => tally).filter(({ documents }) => documents > 0);
    const extent = { tables: tallies.length, all: Tally.sumOf(tallies) };
    const estimate = await estimateOf(extent, reads, repository, use, profile);
    const isRefused = refusesConflicts && conflicts.count > 0;
    if (!isRefused) {
      const { changed, deleted, broughtBack } = extent.all;
      await writer?.finish({ changed, deleted, broughtBack, estimate, ...conflicts.results() });
      isWhole = true;
    }
    found.progress.clear();
    const written = isRefused ? null : (path ?? null);
    const doubts = found.doubts();
    const toReport = { tables: planned, examples, conflicts, doubts, kept: found, isRefused };
    tellDoubts(doubts, output);
    reportPlan(head, toReport, estimate, { plan: written }, output);
    if (isRefused)
      throw refusal(
        conflicts,
        path === undefined ? "nothing would be written" : "no plan was written",
      );
    if (path !== undefined) output.line(`plan ${head.id} is in ${path}`);
  } catch (error) {
    if (!isWhole) await clearAfter(error, async () => writer?.discard());
    throw error;
  }
}

async function stepsNoted(
  tables: readonly OperatedTable[],
  writer: PlanWriter | undefined,
): Promise<{ planned: PlannedChange[]; examples: Example[] }> {
  const planned: PlannedChange[] = [];
  const examples: Example[] = [];
  for (const { table, steps } of tables) {
    const tally = new Tally();
    await writer?.begin(table);
    for await (const { change } of steps()) {
      if (!change) continue;
      tally.add(change);
      noteExample(examples, { table, change });
      await writer?.add(change);
    }
    planned.push({ table, tally });
  }
  return { planned, examples };
}

function noteExample(examples: Example[], { table, change }: Example): void {
  if (examples.length === examplesMax || change.after === null) return;
  const { code, key, before, after } = change;
  const copy = (text: Buffer | null) => text && Buffer.from(text);
  const own = { code, key: Buffer.from(key), before: copy(before), after: copy(after) };
  examples.push({ table, change: own });
}

/** Carries out what a file says, and nothing else; or shows it. */
export async function intendByFile(
  live: Live,
  types: readonly OperationType[],
  asked: Asked,
): Promise<void> {
  const { plan } = asked.given!;
  const tables = tablesOfPlan(live, types, asked);
  const { id, type, repository, description, estimatedSeconds } = plan;
  const head = { id, type, repository, description };
  const conflicts = Conflicts.kept(plan);
  if (asked.dryRun) {
    await show(live, head, tables, conflicts);
    return;
  }
  const beganMs = performance.now();
  const run = new LiveRun(live, head, asked.undoableMs);
  try {
    const result = await run.carryOut(tables, 1, async () => undefined);
    const seconds = (performance.now() - beganMs) / 1000;
    const times = { seconds, estimatedSeconds };
    const wayBack = wayBackText(id, live.args);
    const ended = {
      conflicts,
      doubts: [],
      kept: keptNone,
      ...times,
      refusesConflicts: true,
      byPlan: true,
      wayBack,
    };
    report(head, result, ended, live.output);
  } catch (error) {
    throw stoppedIf(live.signal, error);
  }
}

function tablesOfPlan(
  live: Live,
  types: readonly OperationType[],
  { choice, given }: Asked,
): OperatedTable[] {
  const { path, plan } = given!;
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

/** So many live documents are asked for with one request. */
const documentsAtOnce = 200;

/** How the documents of a plan are now. */
interface Standing {
  /** JSON texts of the first keys of documents that are neither as the plan has them nor as it makes them. */
  moved: { table: string; key: Buffer }[];
  movedCount: number;
  /** How many are as the plan makes them. */
  done: number;
}

/** Prints what a plan would do, and which of its documents have moved since. Changes nothing. */
async function show(
  live: Live,
  head: OperationHead,
  tables: readonly OperatedTable[],
  conflicts: Conflicts,
): Promise<void> {
  const { output } = live;
  const standing: Standing = { moved: [], movedCount: 0, done: 0 };
  const looking = tables.map((of) => ({ ...of, steps: () => looked(live, of, standing) }));
  const { planned, examples } = await stepsNoted(looking, undefined);
  const { moved, movedCount, done } = standing;
  const keys = moved.map(({ table, key }) => ({
    table,
    key: JSON.parse(textOfJson(key)) as unknown,
  }));
  const toReport: ToReport = {
    tables: planned,
    examples,
    conflicts,
    doubts: [],
    kept: keptNone,
    isRefused: false,
  };
  reportPlan(head, toReport, undefined, { moved: keys, movedCount, done }, output);
  if (done > 0) output.line(`${counted(done, "document")} of it are so already`);
  for (const { table, key } of moved) {
    output.line(`moved since, would be left: ${table} ${textOfJson(key)}`);
  }
  if (movedCount > moved.length)
    output.line(`and ${counted(movedCount - moved.length, "more document")}`);
  if (movedCount === 0) return;
  const have = movedCount === 1 ? "has" : "have";
  throw new ThinkbackError(
    "conflict",
    `${counted(movedCount, "document")} ${have} moved since the plan was made`,
    { hint: "carried out, the plan leaves them as they are; or make a new plan" },
  );
}

async function* looked(
  live: Live,
  of: OperatedTable,
  standing: Standing,
): AsyncGenerator<UndoStep> {
  let batch: DocumentChange[] = [];
  for await (const step of of.steps()) {
    live.signal.throwIfAborted();
    batch.push(step.change!);
    yield step;
    if (batch.length < documentsAtOnce) continue;
    await look(live, of, batch, standing);
    batch = [];
  }
  await look(live, of, batch, standing);
}

async function look(
  { target }: Live,
  { table }: OperatedTable,
  batch: readonly DocumentChange[],
  standing: Standing,
): Promise<void> {
  if (batch.length === 0) return;
  const documents = await target.documents(
    table,
    batch.map(({ key }) => key),
  );
  for (const [i, { key, before, after }] of batch.entries()) {
    const is = documents[i]!;
    if (isSameText(is, before)) continue;
    if (isSameText(is, after)) standing.done += 1;
    else {
      standing.movedCount += 1;
      if (standing.moved.length < printedMax) standing.moved.push({ table: nameOf(table), key });
    }
  }
}
