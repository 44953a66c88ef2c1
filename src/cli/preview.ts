import { randomUUID } from "node:crypto";
import { systemClock, withTimeout } from "../clock.js";
import { cleared, ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatDuration, formatInstant } from "../instant.js";
import { placeHold } from "../repository/registers/holds.js";
import { openRepository } from "../repository/repository.js";
import { scratchPlan } from "../restore/drill-plan.js";
import { classText } from "../restore/inexact.js";
import type { RestorePlan } from "../restore/plan.js";
import { type RestoredTable, restore } from "../restore/restore.js";
import type { ScratchServer } from "../rethinkdb/scratch-server.js";
import type { Target } from "../rethinkdb/target.js";
import { isScratchDatabase, scratchPrefix } from "../scratch-database.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, isGiven, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { countedCopies, type Repos } from "./copies-at.js";
import { instantOf } from "./instant-of.js";
import { durationOption } from "./maintenance-options.js";
import { counted, formatTable, type Output } from "./output.js";
import { startServer, targetOf } from "./own-server.js";
import { RestoreProgress } from "./restore-progress.js";
import { printMissingKeys, tellDoubts } from "./restore-report.js";
import { type PastArguments, planWhenProven, requestOf } from "./restore-request.js";
import { isSelecting, type SelectArguments, selectionOf } from "./select.js";
import { stopOnSignals } from "./stop-signals.js";

export interface PreviewArguments extends TargetArguments, SelectArguments, PastArguments {
  repo: Repos;
  at?: string;
  for?: string;
  http?: boolean;
  clean?: boolean;
}

/** Where the past is shown, and how it is removed again. */
interface Place {
  target: Target;
  plan: RestorePlan;
  /** What a client connects to. */
  address: string;
  /** URL of the web interface. */
  web: string | undefined;
  remove(): Promise<void>;
  /** Rejects if it is gone before it is removed; never resolves. */
  gone: Promise<never>;
}

/** How long dropping what a preview has made on a target may take. */
const dropMsMax = 60_000;

/** Shows the past on a throw-away server, until it is stopped. */
export async function previewCommand(args: PreviewArguments, given: Output): Promise<void> {
  const lastsMs = args.for === undefined ? undefined : durationOption("--for", args.for, 1000);
  refuseIdleOptions(args);
  // What cannot be read is refused before the repository is asked.
  await selectionOf(args);
  const { store, output } = await countedCopies(args.repo, given);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  const repository = await openRepository(store);
  refuseWithoutReader(repository.store);
  const plan = await planOf(repository, args, output);
  let isReady = false;
  const signal = stopOnSignals((name) => {
    output.note(
      `thinkback: ${name}: removing the preview; send the signal once more to end at once`,
    );
  });
  try {
    const place = await placeFor(plan, args, signal, output);
    const show = async () => {
      const restored = await fill(repository, place, signal, output);
      isReady = true;
      report(place, restored, lastsMs, output);
      await Promise.race([untilEnd(lastsMs, signal), place.gone]);
    };
    await cleared(show, async () => {
      await place.remove();
      output.note("thinkback: the preview is removed");
    });
  } catch (error) {
    if (isReady || !signal.aborted) throw error;
    throw new ThinkbackError("incomplete", "the preview was stopped before it was ready", {
      cause: error,
    });
  }
}

function refuseIdleOptions(args: PreviewArguments): void {
  const isOnTarget = isGiven(accessToTarget(args));
  if (args.clean && !isOnTarget) {
    throw new ThinkbackError("usage", "--clean has no effect without --target", {
      hint: "give the server on which earlier previews left databases, with --target or THINKBACK_TARGET",
    });
  }
  if (args.http && isOnTarget) {
    throw new ThinkbackError("usage", "--http has no effect with --target", {
      hint: "the target has its own web interface, or none; leave out one of the two",
    });
  }
}

async function planOf(
  repository: Repository,
  args: PreviewArguments,
  output: Output,
): Promise<RestorePlan> {
  const at = args.at === undefined ? undefined : await instantOf(args.at, repository);
  const selected = isSelecting(args) ? { documentsOf: await selectionOf(args) } : {};
  return planWhenProven(repository, requestOf(args, at, selected), output);
}

/** A server of our own, or scratch databases on the given target. */
async function placeFor(
  plan: RestorePlan,
  args: PreviewArguments,
  signal: AbortSignal,
  output: Output,
): Promise<Place> {
  if (!isGiven(accessToTarget(args))) {
    return onOwnServer(plan, await startServer("preview", signal, args.http));
  }
  const target = targetAt(args);
  try {
    await tidyUp(target, args.clean === true, output);
  } catch (error) {
    target.close();
    throw error;
  }
  const unique = randomUUID().slice(-12);
  const remove = async () => {
    try {
      await dropScratch(target, unique);
    } finally {
      target.close();
    }
  };
  const scratch = scratchPlan(plan, scratchPrefix(unique, "preview"));
  // A target that is gone is met by whoever uses it, and when the databases are dropped.
  const gone = new Promise<never>(() => undefined);
  return { target, plan: scratch, address: target.location, web: undefined, remove, gone };
}

function onOwnServer(plan: RestorePlan, server: ScratchServer): Place {
  const { address, httpPort } = server;
  const target = targetOf(server);
  const gone = server.ended.then(() => {
    throw new ThinkbackError("target", `the preview's own server has ended: ${server.lastOutput}`, {
      hint: "give the command again, or name a server for the preview with --target",
    });
  });
  // Also where nobody waits for it any more.
  gone.catch(() => undefined);
  return {
    gone,
    target,
    plan,
    address: `rethinkdb://${address.user}:${address.password}@${address.host}:${address.port}`,
    web: httpPort === undefined ? undefined : `http://${address.host}:${httpPort}`,
    remove: async () => {
      target.close();
      await server.stop();
    },
  };
}

async function tidyUp(target: Target, clean: boolean, output: Output): Promise<void> {
  const left = (await target.databases()).filter((name) => isScratchDatabase(name, "preview"));
  if (left.length === 0) return;
  if (clean) for (const name of left) await target.dropDatabase(name);
  output.note(
    clean
      ? `thinkback: dropped what earlier previews had left on the target: ${left.join(", ")}`
      : `thinkback: the target has databases of other previews: ${left.join(", ")}. If no other preview runs there, drop them with --clean`,
  );
}

async function dropScratch(target: Target, unique: string): Promise<void> {
  const prefix = scratchPrefix(unique, "preview");
  const drop = async () => {
    for (const name of await target.databases()) {
      if (name.startsWith(prefix)) await target.dropDatabase(name);
    }
  };
  try {
    await withTimeout(
      systemClock,
      dropMsMax,
      drop(),
      () => new Error("the target does not answer"),
    );
  } catch (error) {
    throw new ThinkbackError("target", `the preview left ${prefix}… on the target`, {
      hint: "drop them by hand, or give --clean to the next preview",
      cause: error,
    });
  }
}

async function fill(
  repository: Repository,
  { target, plan }: Place,
  signal: AbortSignal,
  output: Output,
): Promise<RestoredTable[]> {
  const unique = randomUUID().replaceAll("-", "");
  const hold = await placeHold(repository.store, systemClock, unique, plan.instant, (error) =>
    output.note(
      `thinkback: cannot place a hold in the repository (${error.message}). Let nothing expire until the preview is ready`,
    ),
  );
  const progress = new RestoreProgress();
  progress.begin(plan, { whole: new Set() });
  try {
    return await restore(repository, plan, target, systemClock, progress, { signal });
  } finally {
    progress.end();
    await hold.end();
  }
}

function report(
  { plan, address, web }: Place,
  restored: RestoredTable[],
  lastsMs: number | undefined,
  output: Output,
): void {
  const classes = new Map(plan.tables.map((table) => [`${table.to.db}.${table.to.name}`, table]));
  output.line(`the past as of ${formatInstant(plan.instant)}`);
  output.line(
    formatTable(
      ["table", "shown as", "class", "documents"],
      restored.map(({ from, to, documents }) => [from, to, classText(classes.get(to)!), documents]),
    ),
  );
  for (const { to, leftOut } of restored) {
    if (leftOut.length > 0) output.line(`${to}: ${counted(leftOut.length, "document")} left out`);
  }
  tellDoubts(
    restored.flatMap(({ doubts }) => doubts),
    output,
  );
  printMissingKeys(restored, output);
  for (const table of plan.notCaptured) {
    output.note(`thinkback: ${table} existed then, but nothing of it was captured`);
  }
  output.line(`\n${address}`);
  if (web !== undefined) output.line(web);
  const end = lastsMs === undefined ? "until it is stopped" : `for ${formatDuration(lastsMs)}`;
  output.line(`it stays ${end}; Ctrl-C removes it`);
  output.result({
    at: formatInstant(plan.instant),
    address,
    http: web ?? null,
    until: lastsMs === undefined ? null : formatInstant(systemClock.now() + lastsMs),
    tables: restored.map(({ class: of, leftOut, ...table }) => {
      const { from, to, documents, indexes, missingKeys, doubts } = table;
      const left = leftOut.length;
      return { from, to, class: of, documents, indexes, leftOut: left, missingKeys, doubts };
    }),
    notCaptured: plan.notCaptured,
  });
}

async function untilEnd(lastsMs: number | undefined, signal: AbortSignal): Promise<void> {
  if (lastsMs === undefined) await forever(signal);
  else await systemClock.sleep(lastsMs, signal).catch(() => undefined);
}

/** Resolves when the signal aborts. Until then the process stays: a signal alone would not keep it. */
async function forever(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await systemClock.sleep(60_000, signal).catch(() => undefined);
}
