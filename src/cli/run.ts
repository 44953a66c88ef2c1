/** `thinkback run`: a process does what its roles say, until it is told to end. */
import { aborted } from "../abort.js";
import { systemClock, withTimeout } from "../clock.js";
import type { Repository } from "../format/description.js";
import { Facts } from "../health/facts.js";
import type { Wish } from "../repository/registers/handovers.js";
import { openRepository, openSame } from "../repository/repository.js";
import type { StoreUse } from "../storage/store-use.js";
import { commandsOn } from "./child-command.js";
import { accessToSource, warningsOf } from "./connect.js";
import type { Repos } from "./copies-at.js";
import { drillAccess, goingOnBeside } from "./going-on-beside.js";
import { type Log, openLog } from "./log.js";
import { counted, formatBytes, type Output } from "./output.js";
import { logOwnMeasures } from "./own-measures.js";
import type { RunArguments } from "./run-arguments.js";
import { Capturing } from "./run-capturing.js";
import { type Coordination, coordinationOf, tryRedis } from "./run-coordination.js";
import { serve } from "./run-service.js";
import { type RunSettings, readRunSettings } from "./run-settings.js";
import type { EndOfPart } from "./served.js";
import { stopOnSignals } from "./stop-signals.js";
import { logRequests, requestsText } from "./store-use-text.js";
import { storeOf } from "./tried-store.js";

/** How long a process whose capture has failed may take to tell of it, in ms. */
const fallenMsMax = 20_000;

/** What a process works with. */
interface Work {
  settings: RunSettings;
  repository: Repository;
  /** Undefined without the role `capture`: then no source is opened, and no lane claimed. */
  capturing: Capturing | undefined;
  coordination: Coordination;
  /** What is sent to the repository's store. */
  use: StoreUse;
  facts: Facts;
  log: Log;
}

/** @param given `repo`: the repository, and copies of it that are kept up to date */
export async function run(
  given: Omit<RunArguments, "repo"> & { repo: Repos },
  output: Output,
): Promise<void> {
  const began = performance.now();
  const settings = await readRunSettings(given);
  const { args, roles } = settings;
  const log = openLog(args.logLevel);
  for (const warning of warningsFor(settings)) log.warn(warning);
  const facts = new Facts(systemClock);
  const { use } = facts;
  // A one-shot backup shares nothing.
  const redis = settings.redis && !args.once ? await tryRedis(settings.redis, log) : undefined;
  let capturing: Capturing | undefined;
  let coordination: Coordination | undefined;
  try {
    if (roles.has("capture")) capturing = await Capturing.open(settings, use, facts, log);
    const repository = capturing?.repository ?? (await openRepository(storeOf(args, use)));
    coordination = coordinationOf(redis, repository, facts, log);
    // Who captures nothing tells the others nothing.
    if (redis && capturing) facts.redis = { answeredAt: undefined };
    const work = { settings, repository, capturing, coordination, use, facts, log };
    const stop = stopOnSignals((signal) => log.info({ signal }, endingText(capturing, facts)));
    const next = await workUntil(stop, work);
    tellEnd(output, work, next, (performance.now() - began) / 1000);
  } finally {
    coordination?.end();
    redis?.redis.disconnect();
    await capturing?.close();
  }
}

function warningsFor({ args, roles }: RunSettings): string[] {
  return [
    ...args.warnings,
    ...(roles.has("capture") ? warningsOf(accessToSource(args), "source") : []),
    ...warningsOf(drillAccess(args), "target"),
  ];
}

function endingText(capturing: Capturing | undefined, { lanes }: Facts): string {
  const waits = "; the repository's store is away, and is given some 15 s to take the last ticks";
  const isStoreAway = [...lanes.values()].some(({ storeFails }) => storeFails !== undefined);
  const closing = `closing the last tick${isStoreAway ? waits : ""}`;
  return `${capturing ? closing : "ending"}; send the signal once more to end at once`;
}

/**
 * Does the work of all roles until the signal aborts, or another process goes on with the capture.
 * @returns that process
 */
async function workUntil(stop: AbortSignal, work: Work): Promise<Wish | undefined> {
  const { settings, repository, capturing, coordination, use, facts, log } = work;
  const { args, roles } = settings;
  const ended = new AbortController();
  const ending = AbortSignal.any([stop, ended.signal]);
  const goingOn = Promise.all([
    goingOnFor(work, ending),
    logOwnMeasures(systemClock, log, ending),
    logRequests(use, systemClock, log, ending),
  ]);
  let endService: EndOfPart = () => Promise.resolve();
  let next: Wish | undefined;
  try {
    endService = await serve({
      args,
      roles,
      repository,
      facts,
      commands: commandsOn(args, settings.copies),
      waker: coordination.waker,
      clock: systemClock,
      log,
      isFirst: () => capturing?.isFirst === true,
      signal: ending,
    });
    const working = capturing ? capturing.run(coordination.coordinator, stop) : aborted(stop);
    next = (await working) ?? undefined;
    ended.abort(new Error("the work has ended"));
    await Promise.all([goingOn, capturing?.end()]);
  } catch (error) {
    ended.abort(new Error("the work has failed"));
    // A recovery that is stopped is left to others, and who is told of alarms is told of this.
    const closing = Promise.all([goingOn, endService(error)]);
    const late = () => new Error("the service does not end");
    await withTimeout(systemClock, fallenMsMax, closing, late).catch(() => undefined);
    throw error;
  }
  await endService();
  return next;
}

/** Maintenance and drills. Of the processes that capture, the one that captures lane 0 makes them. */
function goingOnFor(work: Work, signal: AbortSignal): Promise<unknown> {
  const { settings, repository, capturing, use, facts, log } = work;
  const { args, roles, beside } = settings;
  if (!roles.has("fold")) return Promise.resolve();
  const mayFold = repository.store.sealing?.readsDocuments ?? true;
  if (!mayFold) {
    log.info(
      "the keys given read no document: another host folds and drills, see `thinkback maintain`",
    );
  }
  // While a repository is put back, maintenance would take its objects for leftovers. And it MUST NOT maintain another
  // repository that stands in the place of this one.
  const check = async () => {
    if ([...facts.lanes.values()].some(({ isLost }) => isLost))
      throw new Error("the log was lost, and the capture has not gone on yet");
    await openSame(storeOf(args, use), repository.description);
  };
  const isOurs = () => mayFold && (capturing?.isFirst ?? true);
  return goingOnBeside(args, beside, { ...repository, facts, check, isOurs, use }, log, signal);
}

function tellEnd(output: Output, work: Work, next: Wish | undefined, seconds: number): void {
  const { settings, repository, capturing, use, log } = work;
  if (next) log.info({ host: next.host, process: next.process }, "another process goes on");
  const charges = repository.store.chargesRequests === true;
  if (!capturing) {
    log.info({ seconds }, "ended");
    output.line(`served for ${seconds.toFixed(1)} s`);
    if (charges) output.line(requestsText(use));
    output.result({ seconds, requests: use });
    return;
  }
  log.info({ seconds }, "capture ended; the last tick is closed");
  const { tables, documents, bytes } = capturing.observers.copiedInAll();
  const read = `${counted(tables, "table")}, ${counted(documents, "document")}, ${formatBytes(bytes)}`;
  output.line(
    settings.args.once
      ? `${read} copied in ${seconds.toFixed(1)} s`
      : `captured for ${seconds.toFixed(1)} s; copies and resyncs read ${read}`,
  );
  if (next) output.line(`process ${next.process} on ${next.host} goes on with the capture`);
  if (charges) output.line(requestsText(use));
  const handedOverTo = next ? { host: next.host, process: next.process } : null;
  output.result({ tables, documents, bytes, seconds, handedOverTo, requests: use });
}
