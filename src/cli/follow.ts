import { randomUUID } from "node:crypto";
import type { TableConfig } from "../catalog-record.js";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { Follower, type Following, type FollowProgress } from "../recovery/follow.js";
import { type CheckedTable, checkTable } from "../recovery/standby-check.js";
import { finishStandby } from "../recovery/standby-finish.js";
import { StandbyStore } from "../recovery/standby-record.js";
import { refuseUnproven } from "../recovery/standby-step.js";
import { tableNamed } from "../repository/log/catalog.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { planAccess, restoreAccess } from "../restore/access.js";
import { refuseTwoChoices } from "../restore/request.js";
import { ConnectionLost, isUnavailable } from "../rethinkdb/response.js";
import { failureOf, refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { FollowPrinter, type Lacks } from "./follow-printer.js";
import { instantOf } from "./instant-of.js";
import { durationOption } from "./maintenance-options.js";
import { formatCount, formatNames, type Output } from "./output.js";
import { stopOnSignals } from "./stop-signals.js";

export interface FollowArguments extends TargetArguments {
  repo: Repos;
  table: string[];
  db: string[];
  until?: string;
  check?: boolean;
  drop?: boolean;
  overwrite?: boolean;
  finish?: boolean;
  withAccess?: boolean;
  every: string;
}

/** After a trouble that may pass, the standby waits so long, and twice as long each time. */
const retryMs = { first: 1000, max: 30_000 };

/** Keeps a server some seconds behind a repository, until stopped, or until it is as of an instant. */
export async function followCommand(args: FollowArguments, output: Output): Promise<void> {
  const everyMs = durationOption("--every", args.every, 100);
  refuseTwoChoices({ tables: args.table, databases: args.db });
  refuseIdleOptions(args);
  const target = targetAt(args);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  const printer = new FollowPrinter(output);
  const signal = stopOnSignals((name) => {
    printer.end();
    output.note(`thinkback: ${name}: ending; the same command goes on from here`);
  });
  try {
    const repository = await openRepository(await copiesAt(args.repo, output));
    refuseWithoutReader(repository.store);
    const until = args.until === undefined ? undefined : await instantOf(args.until, repository);
    const of = {
      repository: repository.description.id,
      databases: args.db,
      tables: args.table,
    };
    const unique = randomUUID();
    const isOnlyEnding = args.finish === true && until === undefined;
    const beforeFirst = () =>
      isOnlyEnding ? Promise.reject(noStandby()) : refuseUnknown(repository, args);
    const [clock, owner] = [systemClock, thisProcess];
    const store = await StandbyStore.open(target, clock, owner, unique, of, beforeFirst, signal);
    const flags = { drops: args.drop === true, overwrites: args.overwrite === true };
    const following = { repository, target, store, clock, observer: printer, signal, ...flags };
    let isFinished = false;
    try {
      const there = isOnlyEnding ? undefined : await followUntil(following, until, everyMs);
      const lacks = await complete(following, there, args, printer);
      isFinished = args.finish === true;
      refuseLacking(lacks);
    } finally {
      // If it fails, the next process waits until this one counts as gone.
      if (!isFinished) await store.end().catch(() => undefined);
      if (signal.aborted) printer.stopped(store.record.instant, store.halfWritten().length > 0);
    }
  } catch (error) {
    if (!signal.aborted || (error instanceof ThinkbackError && error.code !== "target"))
      throw error;
  } finally {
    printer.end();
    target.close();
  }
}

/** Throws for a name that is not known now. Later it may be: what is followed may be renamed or dropped. */
async function refuseUnknown(
  repository: Repository,
  { table, db }: FollowArguments,
): Promise<void> {
  await lookAt(repository, async (view) => {
    const last = (await view.lastInstant()) ?? 0;
    const catalog = await view.catalog(last);
    for (const name of table) tableNamed(catalog, name, last);
    const databases = catalog.databases().map(({ name }) => name);
    const unknown = db.find((name) => !databases.includes(name));
    if (unknown === undefined) return;
    throw new ThinkbackError("unknown", `there is no database ${unknown}`, {
      hint: `databases known: ${databases.join(", ")}`,
    });
  });
}

function refuseIdleOptions(args: FollowArguments): void {
  const isName = (text: string) => /^[\w-]+$/.test(text);
  const tables = args.table.map((name) => ({ name, parts: name.split(".") }));
  const wrong =
    args.db.find((name) => !isName(name)) ??
    tables.find(({ parts }) => parts.length !== 2 || !parts.every(isName))?.name;
  if (wrong !== undefined) {
    throw new ThinkbackError("usage", `"${wrong}" is not a name`, {
      hint: "give a table as --table db.table, a database as --db name",
    });
  }
  const idle = [args.check && "--check", args.withAccess && "--with-access"].find(Boolean);
  if (!idle || args.until !== undefined || args.finish) return;
  throw new ThinkbackError("usage", `${idle} has no effect without --until or --finish`, {
    hint: "give --until with the instant at which the standby is to stand still, such as now",
  });
}

/** Follows until stopped, or until everything is as of `until`: resolves with the step that has reached it. */
async function followUntil(
  following: Following & { observer: FollowPrinter },
  until: Instant | undefined,
  everyMs: number,
): Promise<FollowProgress> {
  const { repository, store, clock, observer, signal } = following;
  const follower = new Follower(following);
  let pauseMs = retryMs.first;
  let last: FollowProgress | undefined;
  let provenMs = clock.monotonicMs();
  for (;;) {
    signal.throwIfAborted();
    let waitMs = everyMs;
    try {
      const progress = await follower.step(until);
      if (progress.instant !== last?.instant) provenMs = clock.monotonicMs();
      [last, pauseMs] = [progress, retryMs.first];
      if (until !== undefined) {
        if (isThere(progress, until)) return progress;
        const waitedMs = clock.monotonicMs() - provenMs;
        await refuseUnproven(repository, until, store.record, waitedMs, clock.now());
      }
    } catch (error) {
      if (!last || signal.aborted || !mayPass(error)) throw error;
      observer.trouble(error);
      waitMs = pauseMs;
      pauseMs = Math.min(2 * pauseMs, retryMs.max);
    }
    await clock.sleep(waitMs, signal);
  }
}

/** True if everything is as of the instant. Throws if something never will be. */
function isThere({ instant, held, isCatalogProven }: FollowProgress, until: Instant): boolean {
  if (instant !== until) return false;
  const [first] = held;
  if (!first && isCatalogProven) return true;
  const what = first
    ? `${formatNames(held.map(({ config }) => `${config.db}.${config.name}`))} cannot be had as of ${formatInstant(until)}: ${first.reason}`
    : `the catalog is not proven at ${formatInstant(until)}`;
  throw new ThinkbackError("instant", what, {
    hint: "`thinkback status` shows which instants are exact; give a later one with --until",
  });
}

/** True for a trouble of the store or the target that may be over by itself. */
function mayPass(error: unknown): boolean {
  if (failureOf(error) === "unavailable") return true;
  if (!(error instanceof ThinkbackError) || error.code !== "target") return false;
  const { cause } = error;
  return (
    cause instanceof ConnectionLost || isUnavailable(cause) || /cannot connect/.test(error.message)
  );
}

/**
 * Does what is to be done with a standby that stands still: access, the check, and the end of following. All of it is
 * done while this process still holds the standby. Resolves with what the standby lacks.
 * @param there the step that has reached the instant of --until; undefined if none was asked for
 * @throws {ThinkbackError} `mismatch` if documents differ: then the standby is not finished
 */
async function complete(
  following: Following,
  there: FollowProgress | undefined,
  args: FollowArguments,
  printer: FollowPrinter,
): Promise<Lacks> {
  const { repository, store } = following;
  const target = following.target.onlyIf(store.condition());
  const { record } = store;
  const instant = there?.instant ?? record.instant;
  if (instant === null) throw noStandby();
  const catalog = await lookAt(repository, (view) => view.catalog(instant));
  const tables = catalog.tables().filter(({ id }) => record.followed[id]?.made);
  for (const table of tables) await store.beatDuring(target.waitForIndexes(table));
  if (args.withAccess) {
    const access = await lookAt(repository, (view) => view.catalog(instant, "access"));
    const plan = planAccess(catalog, access, (db, table) => {
      return table === undefined ? { db } : { db, table };
    });
    const { usersWithoutPassword, grants } = await restoreAccess(plan, target);
    printer.access(usersWithoutPassword, grants);
  }
  const checked = args.check ? await check(following, tables, instant, printer) : undefined;
  const leftOut = tables.flatMap(({ id, db, name }): [string, number][] => {
    const { length } = record.followed[id]!.refused;
    return length > 0 ? [[`${db}.${name}`, length]] : [];
  });
  const lacks = { notCaptured: there?.notCaptured ?? [], leftOut };
  printer.done(instant, tables.length, checked, lacks);
  refuseDifferent(checked ?? []);
  if (args.finish) printer.finished(await finishStandby(repository, target, store));
  return lacks;
}

async function check(
  { repository, target, store, signal }: Following,
  tables: TableConfig[],
  instant: Instant,
  printer: FollowPrinter,
): Promise<CheckedTable[]> {
  const checked: CheckedTable[] = [];
  for (const { id, db, name } of tables) {
    const table = `${db}.${name}`;
    const { refused, reached } = store.record.followed[id]!;
    const onCompared = (documents: number) => printer.comparing(table, documents);
    const at = reached ?? instant;
    const work = checkTable(repository, target, table, at, refused, onCompared, signal);
    checked.push(await store.beatDuring(work));
  }
  return checked;
}

function refuseDifferent(checked: CheckedTable[]): void {
  const wrong = checked.filter(({ different }) => different > 0);
  if (wrong.length === 0) return;
  const names = wrong.map(({ table, different, keys }) => {
    const more = different > keys.length ? ", …" : "";
    return `${table} (${formatCount(different)}: ${keys.join(", ")}${more})`;
  });
  throw new ThinkbackError("mismatch", `documents of the standby differ: ${names.join("; ")}`, {
    hint: "if applications already write here, stop: follow would overwrite what they have written. If not, something else has written to the standby, or it stores numbers differently: `thinkback diff` shows what differs, and `thinkback follow --overwrite` compares all tables and writes it",
  });
}

function refuseLacking({ leftOut, notCaptured }: Lacks): void {
  if (leftOut.length > 0) {
    const named = leftOut.map(([table, count]) => `${formatCount(count)} of ${table}`);
    throw new ThinkbackError("leftOut", `documents were left out: ${named.join(", ")}`, {
      hint: "the target refused them, for reasons that were printed when they came; everything else is there. `thinkback show` prints such a document",
    });
  }
  if (notCaptured.length === 0) return;
  const names = formatNames(notCaptured);
  throw new ThinkbackError("instant", `nothing was captured of ${names}: the standby lacks it`, {
    hint: "let `thinkback run` capture it (see its --include and --exclude); or leave it out: follow with --db or --table into an empty server",
  });
}

function noStandby(): ThinkbackError {
  return new ThinkbackError("target", "there is no standby on the target that could be finished", {
    hint: "if it was finished before, nothing is left to do",
  });
}
