import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant } from "../instant.js";
import type { AsOf } from "../repository/coverage/as-of.js";
import { type PlacedHold, placeHold } from "../repository/registers/holds.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { type RestoredAccess, restoreAccess } from "../restore/access.js";
import type { HeldBack } from "../restore/held-back.js";
import { classText } from "../restore/inexact.js";
import { planRestore, type RestorePlan } from "../restore/plan.js";
import type { RestoreRequest } from "../restore/request.js";
import { type RestoredTable, refuseExisting, restore } from "../restore/restore.js";
import { whenProven } from "../restore/when-proven.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, isGiven, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { countedCopies, type Repos } from "./copies-at.js";
import { refuseCutOff } from "./expected-head.js";
import { gapOption } from "./gap-option.js";
import { heldBackResult, heldBackText } from "./held-back-text.js";
import { instantOf } from "./instant-of.js";
import {
  counted,
  formatBytes,
  formatCount,
  formatNames,
  formatTable,
  groupedBy,
  type Output,
  waitingText,
} from "./output.js";
import { RestoreProgress } from "./restore-progress.js";
import { stopOnSignals } from "./stop-signals.js";
import { closeIfStuck, isWhole, type Remains, stoppedRestore } from "./stopped-restore.js";

export interface RestoreArguments extends TargetArguments {
  repo: Repos;
  at?: string;
  table: string[];
  db: string[];
  rename: string[];
  dryRun?: boolean;
  gap?: string;
  allowInexact?: boolean;
  nearest?: boolean;
  withoutAccess?: boolean;
  expectHead?: string;
}

export async function restoreCommand(args: RestoreArguments, given: Output): Promise<void> {
  // A dry run needs no target; but an address that is given is checked.
  const access = accessToTarget(args);
  const target = args.dryRun && !isGiven(access) ? undefined : targetAt(args);
  const { store, output } = await countedCopies(args.repo, given);
  for (const text of warningsOf(access, "target")) output.note(`thinkback: ${text}`);
  const repository = await openRepository(store);
  refuseWithoutReader(repository.store);
  await refuseCutOff(repository, args.expectHead);
  const request = {
    ...(args.at === undefined ? {} : { at: await instantOf(args.at, repository) }),
    tables: args.table,
    databases: args.db,
    renames: parseRenames(args.rename),
    ...gapOption(args.gap),
    allowInexact: args.allowInexact === true,
    nearest: args.nearest === true,
    withoutAccess: args.withoutAccess === true,
  };
  const plan = await planOf(repository, request, output);
  printPlan(plan, output);
  if (args.dryRun || !target) {
    output.result(planResult(plan));
    return;
  }
  const progress = new RestoreProgress(plan);
  const signal = stopOnSignals((name) => {
    progress.end();
    output.note(`thinkback: ${name}: ending the restore; send the signal once more to end at once`);
  });
  const ended = new AbortController();
  void closeIfStuck(target, signal, ended.signal);
  let hold: PlacedHold | undefined;
  try {
    await refuseExisting(plan, target);
    hold = await placeRestoreHold(repository, plan, output);
    const restored = await restore(repository, plan, target, systemClock, progress, signal);
    progress.end();
    // Users and grants are a few short steps: they are restored also after a signal. The tables are reported even if
    // users and grants cannot be restored.
    const access = await restoreAccess(plan.access, target).catch((error: unknown) => error);
    printReport(plan, restored, isAccess(access) ? access : undefined, undefined, output);
    if (!isAccess(access)) throw access;
    refuseDifferent(restored);
    refuseLeftOut(restored);
  } catch (error) {
    const remains = progress.remains();
    const isStopped = error === signal.reason || !isWhole(remains);
    if (!signal.aborted || !isStopped) throw error;
    progress.end();
    printReport(plan, remains.complete, undefined, remains, output);
    throw stoppedRestore(plan, remains, args, error);
  } finally {
    progress.end();
    ended.abort(new Error("the restore has ended"));
    await hold?.end();
    target.close();
  }
}

/** The plan, as soon as what it needs is proven. */
function planOf(
  repository: Repository,
  request: RestoreRequest,
  output: Output,
): Promise<RestorePlan> {
  const look = () => lookAt(repository, (view) => planRestore(view, request));
  const onWait = (ms: number) => output.note(waitingText(ms));
  return whenProven(repository, request.at, look, systemClock, onWait);
}

/**
 * Places a hold on what the restore reads. If the repository cannot be written to, the restore goes on without a hold.
 */
function placeRestoreHold(
  { store }: Repository,
  { instant }: RestorePlan,
  output: Output,
): Promise<PlacedHold> {
  const unique = randomUUID().replaceAll("-", "");
  return placeHold(store, systemClock, unique, instant, ({ message }) =>
    output.note(
      `thinkback: cannot place a hold in the repository (${message}). Let nothing expire until this restore ends`,
    ),
  );
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

function planResult(plan: RestorePlan): object {
  return {
    at: formatInstant(plan.instant),
    ...(plan.asked === undefined ? {} : { asked: formatInstant(plan.asked) }),
    heldBack: plan.heldBack ? heldBackResult(plan.heldBack) : null,
    databases: plan.databases,
    segments: plan.segments,
    notCaptured: plan.notCaptured,
    catalog: asOfResult(plan.catalog),
    accessAsOf: plan.accessAsOf ? asOfResult(plan.accessAsOf) : null,
    tables: plan.tables.map(({ from, to, base, indexes, missing, ...of }) => ({
      from: `${from.db}.${from.name}`,
      to: `${to.db}.${to.name}`,
      ...asOfResult(of),
      missing: missing.map((hole) => ({
        object: hole.missing,
        from: formatInstant(hole.from),
        to: formatInstant(hole.to),
      })),
      base: formatInstant(base.instant),
      baseDocuments: base.rows,
      baseBytes: base.documentBytes,
      indexes: indexes.map(({ index }) => index),
    })),
  };
}

function asOfResult({ class: of, reason, lateMs, instant }: AsOf): object {
  return {
    class: of,
    reason: reason ?? null,
    lateMs: lateMs ?? null,
    instant: formatInstant(instant),
  };
}

/** Users and grants that hold a restore back by no more than this are not mentioned. */
const behindNoteMs = 30_000;

function printPlan(plan: RestorePlan, output: Output): void {
  output.line(`restoring to ${formatInstant(plan.instant)}`);
  if (plan.heldBack) output.line(`${heldBackText(plan.heldBack)}; ${wayOn(plan.heldBack)}`);
  if (plan.asked !== undefined) {
    output.line(
      `the history is thinned at ${formatInstant(plan.asked)}: the restore takes the last kept instant before it`,
    );
  }
  if ((plan.withoutAccess ?? 0) > plan.instant + behindNoteMs) {
    output.note(
      "thinkback: users and grants are not known after that instant; " +
        `--without-access leaves them out, and restores all else to ${formatInstant(plan.withoutAccess!)}`,
    );
  }
  const rows = plan.tables.map(({ from, to, base, indexes, ...of }) => [
    `${from.db}.${from.name}`,
    `${to.db}.${to.name}`,
    classText(of),
    formatInstant(of.instant),
    formatInstant(base.instant),
    base.rows,
    formatBytes(base.documentBytes),
    indexes.length,
  ]);
  output.line(
    formatTable(
      ["table", "restored as", "class", "as of", "base", "in the base", "size", "indexes"],
      rows,
    ),
  );
  printMissing(plan, output);
  printAsOf("catalog", plan.catalog, plan, output);
  if (plan.accessAsOf) printAsOf("access", plan.accessAsOf, plan, output);
  output.line(`log: ${counted(plan.segments, "segment")} to read`);
  for (const table of plan.notCaptured) {
    output.note(
      `thinkback: ${table} existed then, but nothing of it was captured; it is not restored`,
    );
  }
}

/** Prints the changes that are missing in damaged tables; one line for all tables that lack the same. */
function printMissing({ tables }: RestorePlan, output: Output): void {
  const lacking = tables.flatMap(({ from, missing }) =>
    missing.map((hole) => ({
      name: `${from.db}.${from.name}`,
      what: `changes from ${formatInstant(hole.from)} to ${formatInstant(hole.to)}, because ${hole.reason}`,
    })),
  );
  for (const [what, of] of groupedBy(lacking, (one) => one.what)) {
    output.line(`MISSING of ${formatNames(of.map(({ name }) => name))}: ${what}`);
  }
}

/** Which option restores more than the newest instant of all does. */
function wayOn({ by, damage }: HeldBack): string {
  if (damage !== undefined) {
    return "`thinkback verify` reports what is lost, `thinkback repair` rebuilds what other objects still hold; a later --at with --allow-inexact restores what is left";
  }
  return {
    catalog:
      "a later --at with --allow-inexact takes names, indexes and hooks as they were read then",
    access: "--without-access leaves them out",
    table:
      "a later --at with --gap before takes what is behind as last known, and the others as of that instant",
  }[by];
}

/** Prints the class of the catalog or of access; if it is not exact, also why, and as of which instant it is taken. */
function printAsOf(name: string, of: AsOf, { instant }: RestorePlan, output: Output): void {
  if (of.class === "exact") {
    output.line(`${name}: exact`);
    return;
  }
  const asOf = of.instant === instant ? "" : `, as of ${formatInstant(of.instant)}`;
  output.line(
    `${name}: ${classText(of)}${of.reason === undefined ? "" : ` (${of.reason})`}${asOf}`,
  );
}

function isAccess(value: unknown): value is RestoredAccess {
  return !(value instanceof Error);
}

function printReport(
  plan: RestorePlan,
  restored: RestoredTable[],
  access: RestoredAccess | undefined,
  stopped: Remains | undefined,
  output: Output,
): void {
  const rows = restored.map((table) => [
    table.to,
    table.documents,
    formatBytes(table.bytes),
    table.seconds.toFixed(1),
    table.indexes,
    table.matches ? "equal" : "DIFFERENT",
  ]);
  if (rows.length > 0 || !stopped) {
    output.line("");
    output.line(
      formatTable(
        ["table", "documents", "size", "seconds", "indexes", "compared with the server"],
        rows,
      ),
    );
  }
  for (const { to, leftOut } of restored) {
    for (const { key, reason } of leftOut) output.line(`${to}: left out ${key}: ${reason}`);
  }
  printMissing(plan, output);
  if (access) printAccess(access, output);
  const { halfFilled = null, notBegun = [] } = stopped ?? {};
  output.result({
    ...planResult(plan),
    restored,
    access: access ?? null,
    halfFilled: halfFilled && `${halfFilled.to.db}.${halfFilled.to.name}`,
    notBegun: notBegun.map(({ to }) => `${to.db}.${to.name}`),
  });
}

function refuseDifferent(restored: RestoredTable[]): void {
  const wrong = restored.filter(({ matches }) => !matches).map(({ to }) => to);
  if (wrong.length === 0) return;
  throw new ThinkbackError(
    "mismatch",
    `the target does not hold what was written: ${wrong.join(", ")}`,
    {
      hint: "do not rely on these tables: something else writes to them, or the target stores numbers differently",
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

function printAccess(
  { usersWithoutPassword, usersKept, grants }: RestoredAccess,
  output: Output,
): void {
  if (usersWithoutPassword.length + usersKept.length === 0) return;
  output.line(`\n${counted(grants, "grant")} restored`);
  for (const user of usersWithoutPassword) {
    const set = `r.db("rethinkdb").table("users").get(${JSON.stringify(user)}).update({password: …})`;
    output.line(`user ${user} was made without a usable password; set one: ${set}`);
  }
  for (const user of usersKept)
    output.line(`user ${user} was there already and keeps its password and grants`);
}
