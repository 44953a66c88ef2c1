import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { Follower, type FollowObserver, type FollowProgress } from "../recovery/follow.js";
import { type CheckedTable, checkTable } from "../recovery/standby-check.js";
import { StandbyStore } from "../recovery/standby-record.js";
import type { TableEvent } from "../recovery/standby-tables.js";
import { tableNamed } from "../repository/log/catalog.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { planAccess, restoreAccess } from "../restore/access.js";
import { refuseTwoChoices } from "../restore/request.js";
import { ConnectionLost, isUnavailable } from "../rethinkdb/response.js";
import type { Target } from "../rethinkdb/target.js";
import { textOfJson } from "../server-text.js";
import { failureOf, refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { instantOf } from "./instant-of.js";
import { durationOption } from "./maintenance-options.js";
import { counted, formatCount, formatNames, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";
import { stopOnSignals } from "./stop-signals.js";

export interface FollowArguments extends TargetArguments {
  repo: Repos;
  table: string[];
  db: string[];
  until?: string;
  check?: boolean;
  drop?: boolean;
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
    const scope = { databases: args.db, tables: args.table };
    const of = { repository: repository.description.id, ...scope };
    const unique = randomUUID();
    const isKnown = () => refuseUnknown(repository, args);
    const owner = thisProcess;
    const store = await StandbyStore.open(target, systemClock, owner, unique, of, isKnown, signal);
    const following = { repository, target, store, clock: systemClock, observer: printer, signal };
    const follower = new Follower({ ...following, drops: args.drop === true });
    let reached: Instant | undefined;
    try {
      reached = await followUntil(follower, until, everyMs, printer, signal);
    } finally {
      // If it fails, the next process waits until this one counts as gone.
      await store.end().catch(() => undefined);
    }
    if (reached !== undefined)
      await finish(repository, target, reached, store, args, printer, signal);
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
  if (!idle || args.until !== undefined) return;
  throw new ThinkbackError("usage", `${idle} has no effect without --until`, {
    hint: "give --until with the instant at which the standby is to stand still, such as now",
  });
}

/** Follows until stopped: resolves with undefined; or until everything is as of `until`: with the instant. */
async function followUntil(
  follower: Follower,
  until: Instant | undefined,
  everyMs: number,
  printer: FollowPrinter,
  signal: AbortSignal,
): Promise<Instant | undefined> {
  let pauseMs = retryMs.first;
  let hasStepped = false;
  for (;;) {
    signal.throwIfAborted();
    let waitMs = everyMs;
    try {
      const progress = await follower.step(until);
      [hasStepped, pauseMs] = [true, retryMs.first];
      if (until !== undefined && isThere(progress, until)) return until;
    } catch (error) {
      if (!hasStepped || signal.aborted || !mayPass(error)) throw error;
      printer.trouble(error);
      waitMs = pauseMs;
      pauseMs = Math.min(2 * pauseMs, retryMs.max);
    }
    await systemClock.sleep(waitMs, signal);
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

async function finish(
  repository: Repository,
  target: Target,
  instant: Instant,
  { record }: StandbyStore,
  args: FollowArguments,
  printer: FollowPrinter,
  signal: AbortSignal,
): Promise<void> {
  const catalog = await lookAt(repository, (view) => view.catalog(instant));
  const tables = catalog.tables().filter(({ id }) => record.followed[id]?.made);
  for (const table of tables) await target.waitForIndexes(table);
  if (args.withAccess) {
    const access = await lookAt(repository, (view) => view.catalog(instant, "access"));
    const plan = planAccess(catalog, access, (db, table) => {
      return table === undefined ? { db } : { db, table };
    });
    const { usersWithoutPassword, grants } = await restoreAccess(plan, target);
    printer.access(usersWithoutPassword, grants);
  }
  const checked: CheckedTable[] = [];
  for (const { db, name } of args.check ? tables : []) {
    const table = `${db}.${name}`;
    const onCompared = (documents: number) => printer.comparing(table, documents);
    checked.push(await checkTable(repository, target, table, instant, onCompared, signal));
  }
  printer.done(instant, tables.length, args.check ? checked : undefined);
  const wrong = checked.filter(({ different }) => different > 0);
  if (wrong.length === 0) return;
  const names = wrong.map(({ table, different }) => `${table} (${formatCount(different)})`);
  throw new ThinkbackError("mismatch", `documents of the standby differ: ${names.join(", ")}`, {
    hint: "something else writes to the standby, or it stores numbers differently; drop these tables there and follow again: they are copied anew",
  });
}

/** Without --json, the state is printed so often while nothing else happens. */
const quietMsMax = 60_000;

/** Prints what a standby does: lines for people, or one JSON object a line. */
class FollowPrinter implements FollowObserver {
  private readonly lines = new ProgressLines();
  private lastMs: number | undefined;
  private before = "";

  constructor(private readonly output: Output) {}

  event(event: TableEvent, table: string, detail?: string): void {
    this.say(`${table}: ${event}${detail === undefined ? "" : `: ${detail}`}`);
    this.output.result({ event, table, ...(detail === undefined ? {} : { detail }) });
  }

  copying(table: string, documents: number): void {
    this.lines.set(table, `${table}: ${counted(documents, "document")} copied or compared`);
  }

  comparing(table: string, documents: number): void {
    this.lines.set("check", `${table}: ${counted(documents, "document")} compared`);
  }

  refused(table: string, key: Buffer, reason: string): void {
    const text = textOfJson(key);
    this.output.note(`thinkback: ${table}: the target refuses document ${text}: ${reason}`);
    this.output.result({ event: "refused", table, key: text, reason });
  }

  disowned(): void {
    this.say("the end of the log was not continued by another writer; tables are compared again");
    this.output.result({ event: "compared again" });
  }

  notHeld({ message }: Error): void {
    this.output.note(
      `thinkback: cannot place a hold in the repository (${message}). Let nothing expire until the copy is complete`,
    );
  }

  trouble(error: unknown): void {
    this.output.note(`thinkback: ${messageOf(error)}; trying again`);
    this.output.result({ event: "trouble", message: messageOf(error) });
  }

  access(users: string[], grants: number): void {
    this.say(`${counted(grants, "grant")} restored`);
    for (const user of users) this.say(`user ${user} was made without a usable password`);
  }

  stepped({ instant, tables, held, isCatalogProven, changes }: FollowProgress): void {
    const behindMs = instant === undefined ? undefined : systemClock.now() - instant;
    const inexact = held.map(({ config, reason }) => ({
      table: `${config.db}.${config.name}`,
      reason,
    }));
    this.output.result({
      event: "status",
      instant: instant === undefined ? null : formatInstant(instant),
      behindMs: behindMs ?? null,
      tables,
      changes,
      inexact,
      catalog: isCatalogProven ? "exact" : "unproven",
    });
    const state = inexact.map(
      ({ table, reason }) => `INEXACT until a resync: ${table} (${reason})`,
    );
    if (!isCatalogProven) state.push("the catalog is not proven: what was dropped is not followed");
    const text =
      instant === undefined
        ? "nothing is captured yet that could be followed"
        : `as of ${formatInstant(instant)}, ${formatDuration(behindMs!)} behind; ${counted(tables, "table")}, ${counted(changes, "change")}`;
    for (const line of [text, ...state]) this.lines.set(line === text ? "state" : line, line);
    const now = systemClock.monotonicMs();
    const isNews = state.join() !== this.before;
    if (!isNews && this.lastMs !== undefined && now - this.lastMs < quietMsMax) return;
    for (const line of [text, ...state]) this.say(line);
    [this.lastMs, this.before] = [now, state.join()];
  }

  done(instant: Instant, tables: number, checked: CheckedTable[] | undefined): void {
    const documents = checked?.reduce((sum, one) => sum + one.documents, 0);
    const different = checked?.reduce((sum, one) => sum + one.different, 0);
    const compared =
      documents === undefined
        ? ""
        : `; ${counted(documents, "document")} compared, ${formatCount(different!)} different`;
    this.say(`${counted(tables, "table")} as of ${formatInstant(instant)}${compared}`);
    this.output.result({
      event: "done",
      instant: formatInstant(instant),
      tables,
      checked: checked ?? null,
    });
  }

  end(): void {
    this.lines.clear();
  }

  private say(text: string): void {
    this.lines.clear();
    this.output.line(text);
  }
}
