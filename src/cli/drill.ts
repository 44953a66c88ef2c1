import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { drillName } from "../format/names.js";
import { formatInstant } from "../instant.js";
import { checkText } from "../recovery/expectations.js";
import { type Drill, type DrilledTable, notPassed } from "../repository/records/drills.js";
import { openRepository } from "../repository/repository.js";
import { type DrillObserver, drill } from "../restore/drill.js";
import type { DrillChecks } from "../restore/drill-checks.js";
import type { DrillChoice } from "../restore/drill-plan.js";
import type { RestorePlan } from "../restore/plan.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, isGiven, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { countedCopies, type Repos } from "./copies-at.js";
import { differencesText, drillResult } from "./drill-text.js";
import { expectationsIn } from "./expect-file.js";
import { refuseCutOff } from "./expected-head.js";
import { heldBackText } from "./held-back-text.js";
import { instantOf } from "./instant-of.js";
import {
  counted,
  formatBytes,
  formatCount,
  formatTable,
  type Output,
  waitingText,
} from "./output.js";
import { startServer, targetOf } from "./own-server.js";
import { ProgressLines, progressBar } from "./progress.js";
import { noteRestoreRate } from "./restore-estimate.js";
import { stopOnSignals } from "./stop-signals.js";
import { tellProgress } from "./tell-progress.js";

export interface DrillArguments extends TargetArguments {
  repo: Repos;
  at?: string;
  latest?: boolean;
  table: string[];
  db: string[];
  clean?: boolean;
  expectHead?: string;
  /** A file of expectations. */
  expect?: string;
}

export async function drillCommand(args: DrillArguments, given: Output): Promise<void> {
  refuseIdleClean(args);
  refuseTwoInstants(args);
  const { store, output } = await countedCopies(args.repo, given);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  const repository = await openRepository(store);
  refuseWithoutReader(repository.store);
  await refuseCutOff(repository, args.expectHead);
  const at = await chosenInstant(args, repository);
  const choice = { at, tables: args.table, databases: args.db };
  const checks = await expectationsIn(args.expect, repository.store);
  const observer = new DrillProgress(output);
  const signal = stopOnSignals((name) => {
    observer.end();
    output.note(
      `thinkback: ${name}: dropping the drill's databases; send the signal once more to end at once`,
    );
  });
  try {
    const settings = { ...choice, clean: args.clean === true, checks };
    const done = await drillOn(args, repository, settings, observer, signal);
    observer.end();
    if (done.ok)
      await noteRestoreRate(repository, { ...done, tables: done.tables.length }, done.seconds);
    printReport(done, output);
    refuseDifferent(done);
    refuseUnexpected(done);
  } finally {
    observer.end();
  }
  observer.refuseLeftBehind();
}

/** Makes a drill on the target. Without one, a server is started for the drill and removed afterwards. */
export async function drillOn(
  args: TargetArguments,
  repository: Repository,
  choice: DrillChoice & { clean: boolean; checks?: DrillChecks | undefined },
  observer: DrillObserver,
  signal: AbortSignal,
): Promise<Drill> {
  const server = isGiven(accessToTarget(args)) ? undefined : await startServer("drill", signal);
  try {
    const target = server ? targetOf(server) : targetAt(args);
    try {
      const unique = randomUUID().slice(-12);
      const options = { ...choice, unique, clock: systemClock, random: Math.random };
      return await drill(repository, target, options, observer, signal);
    } finally {
      target.close();
    }
  } finally {
    await server?.stop();
  }
}

/** Refuses --clean without a target: a server that is started for the drill has nothing to drop. */
function refuseIdleClean(args: DrillArguments): void {
  if (!args.clean || isGiven(accessToTarget(args))) return;
  throw new ThinkbackError("usage", "--clean has no effect without --target", {
    hint: "give the server on which earlier drills left databases, with --target or THINKBACK_TARGET",
  });
}

function refuseTwoInstants({ at, latest }: DrillArguments): void {
  if (at !== undefined && latest) {
    throw new ThinkbackError("usage", "--at and --latest are both given", {
      hint: "give one of them; without either, an exact instant is drawn by lot",
    });
  }
}

async function chosenInstant(
  { at, latest, expect }: DrillArguments,
  repository: Repository,
): Promise<DrillChoice["at"]> {
  if (at !== undefined) return instantOf(at, repository);
  // What is expected is expected now: at an instant of last month there were fewer documents, and rightly so.
  return latest || expect !== undefined ? "latest" : "random";
}

function printReport(done: Drill, output: Output): void {
  const rows = done.tables.map((table) => [
    table.name,
    table.rows,
    formatBytes(table.bytes),
    table.seconds.toFixed(1),
    table.ok ? "equal" : "DIFFERENT",
  ]);
  output.line("");
  output.line(
    formatTable(["table", "documents", "size", "seconds", "compared with the repository"], rows),
  );
  for (const { name, differences } of done.tables) {
    if (differences) output.line(`${name}: ${differencesText(differences)}`);
  }
  for (const { table, what, outcome, found, reason } of done.checks ?? []) {
    const count = found === undefined ? "" : `, found ${formatCount(found)}`;
    const why = reason === undefined ? "" : ` (${reason})`;
    output.line(`${outcomeTexts[outcome]}  ${table}: ${what}${count}${why}`);
  }
  const { documents, bytes, seconds, documentsPerSecond, bytesPerSecond } = done;
  output.line(
    `\n${counted(documents, "document")}, ${formatBytes(bytes)} restored in ${seconds.toFixed(1)} s: ` +
      `${formatCount(documentsPerSecond)} documents/s, ${formatBytes(bytesPerSecond)}/s`,
  );
  const what = done.ok ? "proven restorable" : "NOT PROVEN";
  output.line(`${what}: ${formatInstant(done.instant)} (${done.class}) on ${serverText(done)}`);
  output.line(`stored as ${drillName(done.ended, done.unique)}`);
  output.result(drillResult(done));
}

/** Of one length, so that they stand below each other. */
const outcomeTexts = { passed: "passed ", differs: "DIFFERS", "not run": "NOT RUN" } as const;

function serverText({ server }: Drill): string {
  return server ?? "a server of unknown version";
}

function refuseDifferent(done: Drill): void {
  if (done.ok) return;
  const wrong = done.tables.filter(({ ok }) => !ok).map(wrongText);
  throw new ThinkbackError(
    "mismatch",
    `the restored tables differ from the repository: ${wrong.join("; ")}`,
    {
      hint: "the drill is stored as failed. Repeat it with --at at the same instant, on this server and on another one: if it fails on one server only, that server alters documents; else the repository is damaged",
    },
  );
}

/** Throws if something is not as expected; and if something could not be checked. */
function refuseUnexpected(done: Drill): void {
  const failed = notPassed(done);
  const differ = failed.filter(({ outcome }) => outcome === "differs");
  if (differ.length > 0) {
    const what = differ.map(checkText).join("; ");
    throw new ThinkbackError("unexpected", `the restore is not what is expected: ${what}`, {
      hint: "the restore equals the repository, so the source held this at that instant: look there, with `thinkback history` and `thinkback diff`; or correct the file of expectations",
    });
  }
  if (failed.length === 0) return;
  throw new ThinkbackError("unchecked", failed.map(checkText).join("; "), {
    hint: "correct the names of tables and fields in the file of expectations, or leave out --table and --db",
  });
}

function wrongText({ name, differences }: DrilledTable): string {
  return differences ? `${name}: ${differencesText(differences)}` : name;
}

class DrillProgress implements DrillObserver {
  private readonly lines = new ProgressLines();
  private readonly rows = new Map<string, { name: string; rows: number }>();
  private leftBehind: { databases: string[]; error: Error } | undefined;

  constructor(private readonly output: Output) {}

  leftovers(databases: string[], dropped: boolean): void {
    const names = databases.join(", ");
    this.output.note(
      dropped
        ? `thinkback: dropped what earlier drills had left on the target: ${names}`
        : `thinkback: the target has databases of other drills: ${names}. If no other drill runs there, drop them with --clean`,
    );
  }

  waits(ms: number): void {
    this.output.note(waitingText(ms));
  }

  planned(plan: RestorePlan): void {
    for (const { from, to, base } of plan.tables) {
      this.rows.set(`${to.db}.${to.name}`, { name: `${from.db}.${from.name}`, rows: base.rows });
    }
    const tables = plan.tables.map(({ from }) => `${from.db}.${from.name}`);
    this.output.line(
      `drill: restoring ${tables.join(", ") || "no table"} to ${formatInstant(plan.instant)}`,
    );
    if (plan.heldBack) this.output.line(heldBackText(plan.heldBack));
    for (const name of plan.notCaptured) {
      this.output.note(`thinkback: ${name} existed then, but nothing of it was captured`);
    }
  }

  notHeld({ message }: Error): void {
    this.output.note(
      `thinkback: cannot place a hold in the repository (${message}). Let nothing expire until this drill ends`,
    );
  }

  reading(segmentsRead: number, segments: number): void {
    this.lines.set("log", `${progressBar(segmentsRead / segments)} reading the log`);
  }

  writing(table: { db: string; name: string }, documents: number, bytes: number): void {
    this.step(table, documents, `${counted(documents, "document")}, ${formatBytes(bytes)}`);
  }

  finishing(table: { db: string; name: string }, step: string): void {
    this.step(table, Number.POSITIVE_INFINITY, step);
  }

  comparing(table: { db: string; name: string }, documents: number): void {
    this.step(table, documents, `${counted(documents, "document")} compared`);
  }

  notDropped(databases: string[], error: Error): void {
    this.leftBehind = { databases, error };
    this.output.note(`thinkback: could not drop ${databases.join(", ")}: ${error.message}`);
  }

  /** Throws if a database of the drill could not be dropped. */
  refuseLeftBehind(): void {
    if (!this.leftBehind) return;
    const { databases, error } = this.leftBehind;
    throw new ThinkbackError("target", `the drill left ${databases.join(", ")} on the target`, {
      hint: "drop them by hand, or give --clean to the next drill",
      cause: error,
    });
  }

  end(): void {
    this.lines.clear();
  }

  private step({ db, name }: { db: string; name: string }, documents: number, text: string): void {
    const table = this.rows.get(`${db}.${name}`);
    const share = table && table.rows > 0 ? Math.min(1, documents / table.rows) : 1;
    this.lines.set(name, `${progressBar(share)} ${table?.name ?? name}: ${text}`);
    // Of all tables nobody knows how much there is to do.
    tellProgress({ share: null, text: `${table?.name ?? name}: ${text}` });
  }
}
