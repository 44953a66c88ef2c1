import { join } from "node:path";
import { Capture, type CaptureObserver } from "../capture/capture.js";
import { type Chosen, idlePatterns } from "../capture/idle-patterns.js";
import type { ClockNews } from "../capture/log-clock.js";
import type { LogLost } from "../capture/own-log.js";
import { recorderDefaults } from "../capture/recorder.js";
import { tableSelection } from "../capture/selection.js";
import type { PaceChange } from "../capture/tick-pace.js";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { type CronTimes, parseCron, parseFoldSchedule } from "../fold/schedule.js";
import { durationMs } from "../instant.js";
import { parseKeep } from "../repository/keep-policy.js";
import {
  directoryAt,
  openOrCreateRepository,
  openRepository,
  type Repository,
  type RepositoryDescription,
  storeAt,
} from "../repository/repository.js";
import { parseAddress } from "../rethinkdb/address.js";
import { bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import type { TableConfig } from "../rethinkdb/catalog-reader.js";
import { isRefusal } from "../rethinkdb/response.js";
import type { Source } from "../rethinkdb/source.js";
import { drillBeside, maintainBeside } from "./beside.js";
import { sourceAt } from "./connect.js";
import { type Log, openLog } from "./log.js";
import type { MaintainArguments } from "./maintain.js";

import { durationOption } from "./maintenance-options.js";
import { formatBytes, formatCount, type Output } from "./output.js";
import { logOwnMeasures } from "./own-measures.js";
import { ProgressLines, progressBar } from "./progress.js";
import { sizeBytes } from "./size.js";
import { stopOnSignals } from "./stop-signals.js";
import { thisProcess } from "./this-process.js";

export interface RunArguments extends MaintainArguments {
  source?: string;
  /** False with --no-fold. */
  fold: boolean;
  maintainEvery: string;
  drillAt?: string;
  drillTarget?: string;
  include: string[];
  exclude: string[];
  tick: string;
  tickMax: string;
  once?: boolean;
  copies: string;
  spool?: string;
  spoolLimit: string;
  takeOver?: boolean;
  acceptCluster?: boolean;
  trustClock?: boolean;
  logLevel: string;
}

const tickMsMax = 3_600_000;
/** No timer is set for longer. */
const maintainEveryMsMax = 86_400_000;

export async function run(args: RunArguments, output: Output): Promise<void> {
  const tickMs = durationMs(args.tick);
  if (tickMs === undefined || tickMs < 10 || tickMs > tickMsMax) {
    throw new ThinkbackError("usage", `--tick "${args.tick}" is not a length of a tick`, {
      hint: "give a duration of at least 10ms and at most 1h, such as 1s or 500ms",
    });
  }
  const copiesAtOnce = /^\d{1,4}$/.test(args.copies) ? Number(args.copies) : 0;
  if (copiesAtOnce < 1) {
    throw new ThinkbackError("usage", `--copies ${args.copies} is not a whole number above 0`, {
      hint: "give a number such as 2",
    });
  }
  const tickMaxMs = tickMaxOf(args, tickMs);
  const spoolBytesMax = spoolBytesMaxOf(args);
  const beside = besideOptions(args);
  const log = openLog(args.logLevel);
  const chosen = { include: args.include, exclude: args.exclude };
  const selects = tableSelection(chosen.include, chosen.exclude);
  const source = sourceAt(args.source);
  const began = performance.now();
  try {
    await lookForChosen(source, chosen, args.once === true, log);
    const repository = await openOrCreateRepository(storeAt(args.repo), systemClock.now());
    // A directory may be the spool of several repositories.
    const spool = () => directoryAt("--spool", join(args.spool!, repository.description.id));
    const observer = new RunObserver(log);
    log.info({ source: source.location, repository: repository.store.location }, "capture begins");
    const stop = stopOnSignals((signal) =>
      log.info({ signal }, "closing the last tick; once more to end at once"),
    );
    const ended = new AbortController();
    const ending = AbortSignal.any([stop, ended.signal]);
    // What is on its way to its place would look like leftovers; and another repository is not ours to maintain.
    const check = async () => {
      if (observer.isLost) throw new Error("the log was lost, and the capture has not gone on yet");
      await openSame(args.repo, repository.description);
    };
    const goingOn = goingOnBeside(args, beside, check, log, ending);
    const measures = logOwnMeasures(systemClock, log, ending);
    await Capture.run(
      source,
      repository,
      systemClock,
      {
        ...recorderDefaults,
        tickMs,
        tickMaxMs,
        selects,
        once: args.once === true,
        copiesAtOnce,
        bothEndsFrom: bothEndsFromDefault,
        acceptCluster: args.acceptCluster === true,
        takeOver: args.takeOver === true,
        trustClock: args.trustClock === true,
        owner: { ...thisProcess, ...chosen },
        spool:
          spoolBytesMax === undefined ? undefined : { store: spool(), bytesMax: spoolBytesMax },
        random: Math.random,
        // A store of its own: what the one before knew of the directory is not so any more.
        reopen: () => openSame(args.repo, repository.description),
      },
      observer,
      stop,
    ).finally(() => ended.abort(new Error("the capture ended")));
    await Promise.all([goingOn, measures]);
    const seconds = (performance.now() - began) / 1000;
    observer.end();
    log.info({ seconds }, "capture ended; the last tick is closed");
    const { tables, documents, bytes } = observer.copiedInAll();
    output.line(
      `${formatCount(tables)} tables, ${formatCount(documents)} documents, ${formatBytes(bytes)} copied in ${seconds.toFixed(1)} s`,
    );
    output.result({ tables, documents, bytes, seconds });
  } finally {
    source.close();
  }
}

/**
 * Tells of each include pattern that chooses none of the source's tables. A one-shot backup would end well without what
 * was meant, so there it is an error; a capture that goes on takes such a table as soon as it is made.
 */
async function lookForChosen(
  source: Source,
  chosen: Chosen,
  once: boolean,
  log: Log,
): Promise<void> {
  if (chosen.include.length === 0) return;
  const tables = await tablesOf(source);
  for (const pattern of tables ? idlePatterns(chosen, tables) : []) {
    const text = `--include ${pattern} chooses no table of ${source.location}`;
    if (once)
      throw new ThinkbackError("unknown", text, { hint: `tables there: ${named(tables!)}` });
    log.warn({ include: pattern }, `${text} yet; tables there: ${named(tables!)}`);
  }
}

/** The first names. */
function named(tables: TableConfig[]): string {
  const names = tables.map(({ db, name }) => `${db}.${name}`);
  return `${names.slice(0, 20).join(", ") || "none"}${names.length > 20 ? ", …" : ""}`;
}

/** The source's tables; undefined if it does not tell, which the capture explains. */
async function tablesOf(source: Source): Promise<TableConfig[] | undefined> {
  try {
    const { structure } = await source.readCatalog();
    return structure
      .filter(({ key }) => key[0] === "table")
      .map(({ value }) => value as TableConfig);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Longer ticks would look like a writer that is gone. */
const tickMaxMsMax = 30_000;

function tickMaxOf(args: RunArguments, tickMs: number): number {
  if (!args.auto) return tickMs;
  const maxMs = durationOption("--tick-max", args.tickMax, 1);
  if (maxMs <= tickMaxMsMax) return Math.max(tickMs, maxMs);
  throw new ThinkbackError("usage", `--tick-max ${args.tickMax} is longer than 30s`);
}

/** What of the options goes on beside the capture; bad ones are refused before anything begins. */
function besideOptions(args: RunArguments): { everyMs: number; times: CronTimes | undefined } {
  const { drillAt, drillTarget, maintainEvery, grace, keep } = args;
  if (drillTarget !== undefined) parseAddress(drillTarget);
  if (keep !== undefined) parseKeep(keep);
  parseFoldSchedule(args);
  durationOption("--grace", grace);
  const everyMs = durationOption("--maintain-every", maintainEvery, 1000, maintainEveryMsMax);
  return { everyMs, times: drillAt === undefined ? undefined : parseCron(drillAt, "--drill-at") };
}

/** What goes on while the capture runs; nothing for a one-shot backup. */
function goingOnBeside(
  args: RunArguments,
  { everyMs, times }: ReturnType<typeof besideOptions>,
  check: () => Promise<void>,
  log: Log,
  signal: AbortSignal,
): Promise<unknown> {
  const { drillTarget, repo } = args;
  const tasks: Promise<void>[] = [];
  if (args.fold && !args.once) {
    tasks.push(maintainBeside(args, everyMs, check, systemClock, log, signal));
  }
  if (times && !args.once) {
    tasks.push(drillBeside({ repo, drillTarget, times }, systemClock, log, signal));
  }
  return Promise.all(tasks);
}

/** Opens the repository anew; throws if there is none any more, or another one. */
async function openSame(location: string, { id }: RepositoryDescription): Promise<Repository> {
  const repository = await openRepository(storeAt(location));
  if (repository.description.id === id) return repository;
  throw new ThinkbackError(
    "repository",
    `${location} holds another repository, ${repository.description.id}; ours is ${id}`,
    { hint: "put ours back in its place, or stop this capture" },
  );
}

/** The bound of the spool; undefined without one. */
function spoolBytesMaxOf({ spool, spoolLimit }: RunArguments): number | undefined {
  if (spool === undefined) return undefined;
  directoryAt("--spool", spool);
  const bytesMax = sizeBytes(spoolLimit);
  if (bytesMax !== undefined) return bytesMax;
  throw new ThinkbackError("usage", `"${spoolLimit}" is not a size`, {
    hint: "give it as 512MiB or 2GiB",
  });
}

/** Logs states, draws progress. */
class RunObserver implements CaptureObserver {
  private readonly progress = new ProgressLines();
  private readonly copies = new Map<string, { documents: number; bytes: number }>();
  /** The log was lost, and the capture has not gone on yet. */
  isLost = false;

  constructor(private readonly log: Log) {}

  state(table: { id: string; db: string; name: string }, state: string, detail: object = {}): void {
    this.progress.clear();
    const name = `${table.db}.${table.name}`;
    const entry = { table: name, id: table.id, state, ...detail };
    if (state === "hole") this.log.warn(entry, "the table is not watched");
    else
      this.log.info(
        entry,
        state === "live" ? "the table is captured completely" : `the table is ${state}`,
      );
    if (state === "live") this.progress.remove(name);
  }

  lost(table: { id: string; db: string; name: string }, reason: string): void {
    this.progress.clear();
    const entry = { table: `${table.db}.${table.name}`, id: table.id, reason };
    this.log.warn(entry, "the table cannot be watched now; it will be opened again");
  }

  walked(
    table: { id: string; db: string; name: string },
    documents: number,
    bytes: number,
    estimate: number,
  ): void {
    this.copies.set(table.id, { documents, bytes });
    const name = `${table.db}.${table.name}`;
    const share = estimate > 0 ? Math.min(1, documents / estimate) : 1;
    this.progress.set(
      name,
      `${progressBar(share)} ${name}: ${formatCount(documents)} documents, ${formatBytes(bytes)}`,
    );
  }

  storeFails(error: Error): void {
    this.progress.clear();
    this.log.warn({ error: error.message }, "the repository's store fails; closed ticks wait");
  }

  storeIsBack(waitedMs: number): void {
    this.log.info({ waitedMs: Math.round(waitedMs) }, "the repository's store is back");
  }

  readingStops(stops: boolean): void {
    this.progress.clear();
    if (stops)
      this.log.warn(
        "memory and spool are full: nothing is read until the repository's store takes segments",
      );
    else this.log.info("there is room again: reading goes on");
  }

  tickAdapted(change: PaceChange): void {
    this.progress.clear();
    this.log.info(change, "the length of ticks was adapted");
  }

  surveyFails(reason: string | undefined): void {
    this.progress.clear();
    if (reason === undefined)
      this.log.info("the source says again how much is written; tables are proven");
    else
      this.log.warn(
        { reason },
        "the source does not say how much is written: until it does no table is proven, and nothing newer can be restored",
      );
  }

  catalogUnreadable(reason: string | undefined): void {
    this.progress.clear();
    if (reason === undefined) this.log.info("the catalog can be read again");
    else
      this.log.warn(
        { reason },
        "the catalog cannot be read: new tables, names, indexes and write hooks are not known until it can",
      );
  }

  accessRefused(refused: boolean): void {
    this.progress.clear();
    if (refused)
      this.log.warn(
        "users and permissions may not be read: they are kept as they were last known; grant the user read on the database rethinkdb",
      );
    else this.log.info("users and permissions can be read");
  }

  clockSet({ outcome, byMs }: ClockNews): void {
    this.progress.clear();
    if (outcome === "right again") {
      this.log.info("this machine's clock is right again");
    } else if (outcome === "followed") {
      this.log.warn(
        { byMs },
        "this machine's clock was set, and the source's clock confirms it: the log follows, and what was labelled before is late",
      );
    } else {
      this.log.warn(
        { byMs },
        "this machine's clock was set, and the source's clock does not confirm it: the log goes on by the time of before; set the clock right",
      );
    }
  }

  writeHookGone(table: { db: string; name: string }): void {
    this.progress.clear();
    this.log.warn(
      { table: `${table.db}.${table.name}` },
      "the table has no write hook any more; a reshard drops it without a word, `thinkback catalog` still has it",
    );
  }

  spoolDelivered(segments: number): void {
    this.log.info({ segments }, "what the spool still held is in the repository");
  }

  spoolDropped(segments: number): void {
    this.progress.clear();
    this.log.warn(
      { segments },
      "what the spool still held does not continue the log that is in the repository, and was dropped: it is a gap, which is repaired",
    );
  }

  logLost({ end }: LogLost): void {
    this.isLost = true;
    this.progress.clear();
    this.log.error(
      { missing: end.segment.name },
      "WHAT THIS CAPTURE HAD STORED IS GONE FROM ITS REPOSITORY: an older copy was put in its place, or objects were deleted. As soon as nothing moves there any more, it goes on behind what is left, and compares every table with it; what lies between is a gap",
    );
  }

  beginsAgain(): void {
    this.isLost = false;
    this.log.warn("the capture goes on in its repository, behind what is left of the log");
  }

  beginsLater(error: Error): void {
    this.progress.clear();
    this.log.error({ error: error.message }, "the capture cannot go on yet; it tries again");
  }

  copiedInAll() {
    let documents = 0;
    let bytes = 0;
    for (const copy of this.copies.values()) {
      documents += copy.documents;
      bytes += copy.bytes;
    }
    return { tables: this.copies.size, documents, bytes };
  }

  end(): void {
    this.progress.clear();
  }
}
