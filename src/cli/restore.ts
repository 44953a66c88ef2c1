import { untilAborted } from "../abort.js";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { maskOf } from "../recovery/mask.js";
import type { PlacedHold } from "../repository/registers/holds.js";
import { openRepository } from "../repository/repository.js";
import { type RestoredAccess, restoreAccess } from "../restore/access.js";
import { Pace, parseMaxRate } from "../restore/pace.js";
import { planRestore, type RestorePlan } from "../restore/plan.js";
import type { RestoreRequest } from "../restore/request.js";
import { type RestoredTable, restore } from "../restore/restore.js";
import { type Begun, begunAt, begunOf, isRestored, lastTable } from "../restore/tag.js";
import type { Target } from "../rethinkdb/target.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, isGiven, targetAt, warningsOf } from "./connect.js";
import { countedCopies } from "./copies-at.js";
import { refuseCutOff } from "./expected-head.js";
import { instantOf } from "./instant-of.js";
import { readMask } from "./mask-given.js";
import { counted, formatBytes, formatCount, formatNames, type Output } from "./output.js";
import { placeReadHold } from "./read-hold.js";
import { reported } from "./report-file.js";
import type { RestoreArguments } from "./restore-arguments.js";
import { type Estimate, estimateOf, noteRestoreRate } from "./restore-estimate.js";
import { identityOf } from "./restore-identity.js";
import { RestoreProgress } from "./restore-progress.js";
import { planResult, printEstimate, printPlan, printReport, printRules } from "./restore-report.js";
import { lookWhenProven, requestOf } from "./restore-request.js";
import { isSelecting, selectionOf } from "./select.js";
import { stopOnSignals } from "./stop-signals.js";
import { closeIfStuck, halfFilledText, isWhole, stoppedRestore } from "./stopped-restore.js";
import { endingBefore, tellEnding } from "./tell-progress.js";

export function restoreCommand(args: RestoreArguments, output: Output): Promise<void> {
  return reported(args.report, output, (reporting) => restoreAsAsked(args, reporting));
}

async function restoreAsAsked(args: RestoreArguments, given: Output): Promise<void> {
  // A dry run needs no target; but an address that is given is checked.
  if (args.maxRate !== undefined) parseMaxRate(args.maxRate);
  const access = accessToTarget(args);
  const target = args.dryRun && !isGiven(access) ? undefined : targetAt(args);
  const { store, output } = await countedCopies(args.repo, given);
  for (const text of warningsOf(access, "target")) output.note(`thinkback: ${text}`);
  const repository = await openRepository(store);
  refuseWithoutReader(repository.store);
  await refuseCutOff(repository, args.expectHead);
  const at = args.at === undefined ? undefined : await instantOf(args.at, repository);
  const request = requestOf(args, at, {
    renames: parseRenames(args.rename),
    // Whoever selects documents, or restores beside what is live, wants these, and no users.
    withoutAccess: args.withoutAccess === true || args.beside === true || isSelecting(args),
    beside: args.beside === true,
    ...maskIn(args),
    ...(isSelecting(args) ? { documentsOf: await selectionOf(args) } : {}),
  });
  const found = await planOf(repository, request, output);
  if (args.dryRun || !target) {
    printPlan(found.plan, output);
    printRules(found.plan, output);
    const isPaced = args.maxRate !== undefined || args.gentle;
    const estimate = isPaced ? undefined : found.estimate;
    printEstimate(estimate, output);
    for (const text of paceTexts(args)) output.line(text);
    const { maxRate = null, gentle = false } = args;
    const estimatedSeconds = estimate?.seconds ?? null;
    output.result({ ...planResult(found.plan), estimatedSeconds, maxRate, gentle });
    // The plan is of use also where the target is in the way.
    if (target) await refuseTaken(repository, args, { plan: found.plan, target, output });
    return;
  }
  const progress = new RestoreProgress();
  const signal = stopOnSignals((name) => {
    progress.end();
    output.note(`thinkback: ${name}: ending the restore; send the signal once more to end at once`);
  });
  const ended = new AbortController();
  void closeIfStuck(target, signal, ended.signal);
  let hold: PlacedHold | undefined;
  let { plan, estimate } = found;
  try {
    if (await isRestored(target, endingBefore())) {
      output.line("an earlier run of this restore came to its end");
      output.result(planResult(plan));
      return;
    }
    const identity = await identityOf(repository, args);
    const earlier = await begunAt(target, identity, plan.instant);
    if (earlier !== undefined && earlier !== plan.instant) {
      ({ plan } = await planOf(repository, { ...request, at: earlier }, output));
    }
    printPlan(plan, output);
    const begun = await begunOf(plan, target, identity);
    if (earlier !== undefined) output.line(wayOnText(begun));
    // What is there already, and a pace that is asked for, make it another restore than those that were measured.
    if (earlier !== undefined || args.maxRate !== undefined || args.gentle) estimate = undefined;
    printEstimate(estimate, output);
    progress.begin(plan, begun);
    hold = await placeReadHold(repository, plan, "restore", output);
    let access: unknown;
    // Users and grants are a few short steps: they are restored also after a signal. The tables are reported even if
    // users and grants cannot be restored.
    const beforeEnd = async () => {
      access = await restoreAccess(plan.access, target).catch((error: unknown) => error);
      const last = lastTable(plan, begun);
      if (last) await untilAborted(tellEnding(last), signal);
    };
    const options = { signal, begun, beforeEnd, pace: paceOf(args, signal) };
    const began = performance.now();
    const restored = await restore(repository, plan, target, systemClock, progress, options);
    const seconds = (performance.now() - began) / 1000;
    progress.end();
    const report = { restored, earlier: [...begun.whole], seconds, estimate };
    printReport(plan, report, isAccess(access) ? access : undefined, undefined, output);
    if (estimate) await noteRestoreRate(repository, sumOf(restored), seconds);
    if (!isAccess(access)) throw access;
    refuseDifferent(restored);
    refuseLeftOut(restored);
  } catch (error) {
    const remains = progress.remains();
    const isStopped = error === signal.reason || !isWhole(remains);
    progress.end();
    if (!signal.aborted || !isStopped) {
      if (remains.halfFilled.length > 0) output.note(`thinkback: ${halfFilledText(remains)}`);
      throw error;
    }
    const { complete: restored, earlier } = remains;
    const report = { restored, earlier, seconds: null, estimate };
    printReport(plan, report, undefined, remains, output);
    throw stoppedRestore(plan, remains, error);
  } finally {
    progress.end();
    ended.abort(new Error("the restore has ended"));
    await hold?.end();
    target.close();
  }
}

/**
 * Refuses, in a dry run, what the restore itself would refuse before it writes anything. A target that does not answer
 * is told.
 */
async function refuseTaken(
  repository: Repository,
  args: RestoreArguments,
  { plan, target, output }: { plan: RestorePlan; target: Target; output: Output },
): Promise<void> {
  const identity = await identityOf(repository, args);
  try {
    // One that was begun goes on, to its own instant.
    const at = await begunAt(target, identity, plan.instant).catch((error: unknown) => error);
    if (at instanceof Error) {
      output.note(`thinkback: the target was not looked at: ${at.message}`);
    } else if (at === undefined) await begunOf(plan, target, identity);
  } finally {
    target.close();
  }
}

function maskIn({
  mask,
  allowUnusedRules = false,
}: RestoreArguments): Pick<RestoreRequest, "maskOf"> {
  if (mask === undefined) return {};
  const file = readMask(mask);
  return { maskOf: (table, primaryKey) => maskOf(file, table, primaryKey, allowUnusedRules) };
}

function paceOf({ maxRate, gentle }: RestoreArguments, signal: AbortSignal): Pace | undefined {
  if (maxRate === undefined && !gentle) return undefined;
  const rate = maxRate === undefined ? undefined : parseMaxRate(maxRate);
  return new Pace(systemClock, rate, gentle === true, signal);
}

function paceTexts({ maxRate, gentle }: RestoreArguments): string[] {
  const { of, perSecond = 0 } = maxRate === undefined ? {} : parseMaxRate(maxRate);
  const amount = of === "bytes" ? formatBytes(perSecond) : counted(perSecond, "document");
  return [
    ...(of ? [`pace: at most ${amount} a second`] : []),
    ...(gentle ? ["pace: one batch at a time, and a rest after each"] : []),
  ];
}

function wayOnText({ made, whole }: Begun): string {
  const half = [...made.keys()].filter((name) => !whole.has(name));
  const parts = [
    ...(whole.size > 0 ? [`complete already: ${formatNames([...whole])}`] : []),
    ...(half.length > 0 ? [`half-filled: ${formatNames(half)}`] : []),
  ];
  return `an earlier run of this restore was ended; this one goes on (${parts.join("; ")})`;
}

/** The plan, as soon as what it needs is proven, and about how long it takes, if that is known. */
function planOf(
  repository: Repository,
  request: RestoreRequest,
  output: Output,
): Promise<{ plan: RestorePlan; estimate: Estimate | undefined }> {
  return lookWhenProven(repository, request.at, output, async (view) => {
    const plan = await planRestore(view, request);
    return { plan, estimate: await estimateOf(view, plan) };
  });
}

function parseRenames(texts: string[]): Map<string, string> {
  const renames = new Map<string, string>();
  for (const text of texts) {
    const [from, to] = parseRename(text);
    if (renames.has(from)) {
      throw new ThinkbackError("usage", `--rename of ${from} is given twice`, {
        hint: "give one new name for each old one",
      });
    }
    renames.set(from, to);
  }
  return renames;
}

function parseRename(text: string): [from: string, to: string] {
  const name = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?$/;
  const [from = "", to = "", ...more] = text.split("=");
  const valid = more.length === 0 && name.test(from) && name.test(to);
  if (valid && from.includes(".") === to.includes(".")) return [from, to];
  throw new ThinkbackError("usage", `--rename ${text} cannot be read`, {
    hint: "give it as --rename db.table=db.table, or --rename db=db",
  });
}

function sumOf(restored: readonly RestoredTable[]) {
  const sum = (of: "documents" | "bytes") => restored.reduce((all, table) => all + table[of], 0);
  return { tables: restored.length, documents: sum("documents"), bytes: sum("bytes") };
}

function isAccess(value: unknown): value is RestoredAccess {
  return !(value instanceof Error);
}

function refuseDifferent(restored: RestoredTable[]): void {
  const wrong = restored.filter(({ matches }) => !matches).map(({ to }) => to);
  if (wrong.length === 0) return;
  throw new ThinkbackError(
    "mismatch",
    `the target does not hold what was written: ${wrong.join(", ")}`,
    {
      hint: "they refuse writes until they are as they should be. Give the same command again: it writes what differs. If they differ again, something else writes to them, or the target stores numbers differently; `setWriteHook(null)` then takes them as they are",
    },
  );
}

function refuseLeftOut(restored: RestoredTable[]): void {
  const tables = restored.filter(({ leftOut }) => leftOut.length > 0);
  if (tables.length === 0) return;
  const named = tables.map(({ to, leftOut }) => `${formatCount(leftOut.length)} of ${to}`);
  throw new ThinkbackError("leftOut", `documents were left out: ${named.join(", ")}`, {
    hint: "the target refused them for the reasons above; everything else is restored. `thinkback show` prints such a document",
  });
}
