import { randomUUID } from "node:crypto";
import { type Chosen, idleChoices, idleText, tablesOf } from "../capture/idle-patterns.js";
import { LaneKeeper } from "../capture/lane-keeper.js";
import { recorderDefaults } from "../capture/recorder.js";
import { tableSelection } from "../capture/selection.js";
import type { TableConfig } from "../catalog-record.js";
import { systemClock } from "../clock.js";
import { Replicas } from "../copies/replicas.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { Facts } from "../health/facts.js";
import { durationMs } from "../instant.js";
import { thisProcess } from "../owner.js";
import type { Lane } from "../repository/lanes.js";
import { parseHeads } from "../repository/log/head.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { parseKeep } from "../repository/registers/keep-policy.js";
import { StoredMembers } from "../repository/registers/members.js";
import { openSame } from "../repository/repository.js";
import { bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import type { Source } from "../rethinkdb/source.js";
import { sizeBytes } from "../size.js";
import { refuseUnusable } from "../storage/probe.js";
import { directoryAt, refuseShared, spoolAt } from "../storage/store-at.js";
import { addInto, noUse, type StoreUse } from "../storage/store-use.js";
import { type CronTimes, parseCron, parseFoldSchedule } from "../upkeep/schedule.js";
import { drillBeside, maintainBeside } from "./beside.js";
import { commandsOn } from "./child-command.js";
import {
  type Access,
  accessToSource,
  addressesOf,
  isGiven,
  sourceAt,
  warningsOf,
} from "./connect.js";
import type { Repos } from "./copies-at.js";
import { refuseWrongExpectations } from "./expect-file.js";
import { refuseCutOffAt } from "./expected-head.js";
import { LaneObservers, laneOf } from "./lane-observers.js";
import { type Log, openLog } from "./log.js";
import { loggedReplica } from "./logged-replica.js";
import { durationOption } from "./maintenance-options.js";
import { counted, formatBytes, type Output } from "./output.js";
import { logOwnMeasures } from "./own-measures.js";
import type { RunArguments } from "./run-arguments.js";
import { serve } from "./run-service.js";
import { stopOnSignals } from "./stop-signals.js";
import { logRequests, requestsText } from "./store-use-text.js";
import { openTried, storeOf } from "./tried-store.js";

const tickMsMax = 3_600_000;
/** How often maintenance looks for what is due: a round costs two puts and some listings even if nothing is. */
const maintainEveryMs = 300_000;
const maintainEveryChargedMs = 1_800_000;
/** At most a day: no timer is set for longer. */
const maintainEveryMsMax = 86_400_000;

/** @param given `repo`: the repository, and copies of it that are kept up to date */
export async function run(
  given: Omit<RunArguments, "repo"> & { repo: Repos },
  output: Output,
): Promise<void> {
  const [repo, ...copies] = [given.repo].flat() as [string, ...string[]];
  // A copy in the place of the repository would be given segments before it is known that they may be put.
  await refuseShared([repo, ...copies].map((location) => ({ option: "--repo", location })));
  const args: RunArguments = { ...given, repo };
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
  refuseNoNames(args.forgetServer);
  if (args.expectHead !== undefined) parseHeads(args.expectHead);
  const tickMaxMs = tickMaxOf(args, tickMs);
  const spoolBytesMax = await spoolBytesMaxOf(args);
  const beside = besideOptions(args);
  await refuseWrongExpectations(args.expect);
  const log = openLog(args.logLevel);
  const warnings = [...args.warnings, ...warningsOf(accessToSource(args), "source")];
  for (const warning of [...warnings, ...warningsOf(drillAccess(args), "target")])
    log.warn(warning);
  const chosen = { include: args.include, exclude: args.exclude };
  const selects = tableSelection(chosen.include, chosen.exclude);
  const use = { ...noUse };
  const replicas = new Replicas(repo, copies, systemClock, (copy) => loggedReplica(copy, log), use);
  const source = sourceAt(args, () => undefined);
  const facts = new Facts(systemClock);
  const began = performance.now();
  try {
    await lookForChosen(source, chosen, args.once === true, log);
    if (args.spool !== undefined) await refuseUnusable(directoryAt("--spool", args.spool));
    await replicas.refuseApart();
    const since = systemClock.now();
    // Before anything is made or put there.
    await refuseCutOffAt(storeOf(args, use), args.expectHead);
    const openStore = () => replicas.hearing(storeOf(args, use));
    const repository = await openTried(args, use, log, openStore);
    replicas.begin();
    // A directory may be the spool of several repositories, and of several lanes.
    const spool = ({ description }: Lane) =>
      directoryAt("--spool", `${args.spool!}/${description.id}`);
    const observers = new LaneObservers(log, facts);
    log.info({ source: source.location, repository: repository.store.location }, "capture begins");
    const stop = stopOnSignals((signal) => {
      const waits =
        "; the repository's store is away, and is given some 15 s to take the last ticks";
      const doing = `closing the last tick${observers.isStoreAway ? waits : ""}`;
      log.info({ signal }, `${doing}; send the signal once more to end at once`);
    });
    const ended = new AbortController();
    const ending = AbortSignal.any([stop, ended.signal]);
    // While a repository is put back, maintenance would take its objects for leftovers. And it MUST NOT maintain
    // another repository that stands in the place of this one.
    const check = async () => {
      if (observers.isLost)
        throw new Error("the log was lost, and the capture has not gone on yet");
      await openSame(storeOf(args, use), repository.description);
    };
    // Maintenance and drills are made by the process that captures lane 0.
    const mayFold = repository.store.sealing?.readsDocuments ?? true;
    if (!mayFold) {
      log.info(
        "the keys given read no document: another host folds and drills, see `thinkback maintain`",
      );
    }
    const isOurs = () => mayFold && keeper.has(0) && !observers.of(0).isStandingBy;
    // A new store: what the old one remembers of the directory may be untrue by now.
    const reopen = () => openSame(openStore(), repository.description);
    const capture = (lane: Lane) => ({
      ...recorderDefaults,
      idleSegmentMs: idlePaceMs(repository.store),
      tickMs,
      tickMaxMs,
      selects,
      once: args.once === true,
      copiesAtOnce,
      bothEndsFrom: bothEndsFromDefault,
      acceptCluster: args.acceptCluster === true,
      forgetServers: args.forgetServer,
      takeOver: args.takeOver === true,
      standby: args.standby === true,
      trustClock: args.trustClock === true,
      owner: { ...thisProcess, ...chosen, ...(args.singleWriter ? { singleWriter: true } : {}) },
      requests: () => ({ since, ...use }),
      spool:
        spoolBytesMax === undefined ? undefined : { store: spool(lane), bytesMax: spoolBytesMax },
      random: Math.random,
      alsoTo: replicas.ofLane(lane.lane.number),
      deliverLeft: (to: Repository) => replicas.deliverLeft(to, lane.lane.number),
      reopen,
    });
    const openSource = (lane: number) =>
      sourceAt(args, (server) => log.info({ server, ...laneOf(lane) }, "connected to the source"));
    const unique = randomUUID().replaceAll("-", "");
    const members = new StoredMembers(repository.store, systemClock, thisProcess, unique);
    const keeper = new LaneKeeper(repository, systemClock, members, {
      openSource,
      observer: (lane) => observers.telling(lane),
      capture,
      reopen,
    });
    const goingOn = goingOnBeside(args, beside, { ...repository, check, isOurs, use }, log, ending);
    const measures = Promise.all([
      logOwnMeasures(systemClock, log, ending),
      logRequests(use, systemClock, log, ending),
    ]);
    const endService = await serve({
      args,
      repository,
      facts,
      commands: commandsOn(args),
      clock: systemClock,
      log,
      isFirst: isOurs,
      signal: ending,
    });
    const next = await keeper.run(stop).finally(() => ended.abort(new Error("the capture ended")));
    await Promise.all([goingOn, measures, replicas.end(args.once === true)]);
    await endService();
    const seconds = (performance.now() - began) / 1000;
    observers.end();
    if (next) log.info({ host: next.host, process: next.process }, "another process goes on");
    log.info({ seconds }, "capture ended; the last tick is closed");
    const { tables, documents, bytes } = observers.copiedInAll();
    const read = `${counted(tables, "table")}, ${counted(documents, "document")}, ${formatBytes(bytes)}`;
    output.line(
      args.once
        ? `${read} copied in ${seconds.toFixed(1)} s`
        : `captured for ${seconds.toFixed(1)} s; copies and resyncs read ${read}`,
    );
    if (next) output.line(`process ${next.process} on ${next.host} goes on with the capture`);
    if (repository.store.chargesRequests) output.line(requestsText(use));
    const handedOverTo = next ? { host: next.host, process: next.process } : null;
    output.result({ tables, documents, bytes, seconds, handedOverTo, requests: use });
  } finally {
    source.close();
    await replicas.stop();
  }
}

/**
 * Asks the source for its tables, so that a wrong address is found before a repository is made. Warns of include and
 * exclude options that choose none of them. With `once` that is an error, because the backup would end well without
 * what was meant; a capture that goes on takes such a table as soon as it is made.
 */
async function lookForChosen(
  source: Source,
  chosen: Chosen,
  once: boolean,
  log: Log,
): Promise<void> {
  const tables = await tablesOf(source);
  for (const idle of tables ? idleChoices(chosen, tables) : []) {
    const text = `${idleText(idle, chosen)} of ${source.location}`;
    if (once)
      throw new ThinkbackError("unknown", text, { hint: `tables there: ${named(tables!)}` });
    log.warn(chosen, `${text} yet; tables there: ${named(tables!)}`);
  }
}

/** The names of the first 20 tables. */
function named(tables: TableConfig[]): string {
  const names = tables.map(({ db, name }) => `${db}.${name}`);
  return `${names.slice(0, 20).join(", ") || "none"}${names.length > 20 ? ", …" : ""}`;
}

function refuseNoNames(servers: string[]): void {
  const odd = servers.find((name) => !/^[A-Za-z0-9_-]+$/.test(name));
  if (odd === undefined) return;
  throw new ThinkbackError("usage", `--forget-server ${odd} is not the name of a server`, {
    hint: "give the server's name or id; `thinkback status` names the servers that are not reached",
  });
}

/** At most 30 s: with longer ticks the capture would look like one that is gone. */
const tickMaxMsMax = 30_000;
const tickMaxMsDefault = 10_000;

function tickMaxOf(args: RunArguments, tickMs: number): number {
  if (!args.auto) return tickMs;
  if (args.tickMax === undefined) return Math.max(tickMs, tickMaxMsDefault);
  const maxMs = durationOption("--tick-max", args.tickMax, 1);
  if (maxMs > tickMaxMsMax) {
    throw new ThinkbackError("usage", `--tick-max ${args.tickMax} is longer than 30s`);
  }
  if (maxMs >= tickMs) return maxMs;
  throw new ThinkbackError("usage", `--tick-max ${args.tickMax} is shorter than --tick`, {
    hint: "while the store is slow, ticks grow from --tick up to --tick-max: give a longer one, or leave it out",
  });
}

/**
 * How often maintenance runs beside the capture, and when drills do. Throws for bad options, before anything begins.
 */
function besideOptions(args: RunArguments): {
  everyMs: number | undefined;
  times: CronTimes | undefined;
} {
  const { drillAt, maintainEvery, grace, keep } = args;
  const access = drillAccess(args);
  if (isGiven(access)) addressesOf(access, "target");
  if (keep !== undefined) parseKeep(keep);
  parseFoldSchedule(args);
  durationOption("--grace", grace);
  const everyMs =
    maintainEvery === undefined
      ? undefined
      : durationOption("--maintain-every", maintainEvery, 1000, maintainEveryMsMax);
  return { everyMs, times: drillAt === undefined ? undefined : parseCron(drillAt, "--drill-at") };
}

/** How the server is reached on which drills are made, as far as the options say it. */
function drillAccess({ drillTarget, drillTargetFile }: RunArguments): Access {
  return { urls: drillTarget?.trim().split(/\s+/) ?? [], file: drillTargetFile };
}

interface Beside {
  /** Throws if the repository must be left alone now. */
  check: () => Promise<void>;
  /** False while another process does this. */
  isOurs: () => boolean;
  /** What all of this process has sent to the repository's store. */
  use: StoreUse;
}

/** Runs maintenance and drills beside the capture until the signal aborts; nothing beside a one-shot backup. */
function goingOnBeside(
  args: RunArguments,
  { everyMs: given, times }: ReturnType<typeof besideOptions>,
  { store, check, isOurs, use }: Pick<Repository, "store"> & Beside,
  log: Log,
  signal: AbortSignal,
): Promise<unknown> {
  const tasks: Promise<void>[] = [];
  const told = { isOurs, check, onRequests: (sent: StoreUse) => addInto(use, sent) };
  if (args.fold && !args.once) {
    const everyMs = given ?? (store.chargesRequests ? maintainEveryChargedMs : maintainEveryMs);
    tasks.push(maintainBeside(args, everyMs, told, systemClock, log, signal));
  }
  if (times && !args.once) {
    tasks.push(drillBeside(args, times, told, systemClock, log, signal));
  }
  return Promise.all(tasks);
}

/** At least 1 MiB: less would not hold the ticks of a busy minute. */
const spoolBytesMin = 2 ** 20;

/** How many bytes the spool may hold; undefined without a spool. */
async function spoolBytesMaxOf({
  repo,
  spool,
  spoolLimit,
}: RunArguments): Promise<number | undefined> {
  if (spool === undefined) return undefined;
  // Throws if the spool may not lie there.
  await spoolAt("--spool", spool, repo);
  const bytesMax = sizeBytes(spoolLimit);
  if (bytesMax !== undefined && bytesMax >= spoolBytesMin) return bytesMax;
  const wrong = bytesMax === undefined ? "is not a size" : "is too little for a spool";
  throw new ThinkbackError("usage", `--spool-limit "${spoolLimit}" ${wrong}`, {
    hint: "give it as 512MiB or 2GiB, at least 1MiB",
  });
}
