/**
 * Capture of a whole source: one TableCapture per table, the catalog followed, ticks closed.
 * Composition only; each part keeps its own invariant.
 */
import { aborted, rejectedOnAbort } from "../abort.js";
import { type Clock, withTimeout } from "../clock.js";
import { clearAfter, ThinkbackError } from "../errors.js";
import { hasLeft } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import type { BaseInventory } from "../repository/bases/base.js";
import type { TableCoverage } from "../repository/coverage/coverage.js";
import { catalogAt } from "../repository/log/catalog.js";
import {
  claimEpoch,
  type LostEnd,
  type WriterMayRun,
  withoutEnd,
} from "../repository/log/claim-epoch.js";
import { latestEpoch } from "../repository/log/claims.js";
import type { LogEnd } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import { LogWriter } from "../repository/log/log-writer.js";
import { evidenceNames } from "../repository/records/evidence.js";
import { isHandedOver, type Wish } from "../repository/registers/handovers.js";
import { idleSegmentMs } from "../repository/registers/idle-pace.js";
import { RepositoryView } from "../repository/repository-view.js";
import { type CatalogReading, untoldTables } from "../rethinkdb/catalog-reader.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { type ObjectStore, StoreUnavailable } from "../storage/object-store.js";
import type { CaptureObserver, CaptureOptions } from "./capture-options.js";
import { CapturedTables, type FoundAtBegin } from "./captured-tables.js";
import { CatalogFollower } from "./catalog-follower.js";
import { CatalogTracker } from "./catalog-tracker.js";
import { compareClocks, followServerClock } from "./compared-clocks.js";
import { followEvidence } from "./evidence-follower.js";
import { readFirstCatalog, recogniseSource } from "./first-catalog.js";
import { accessStream, catalogStream } from "./frontier.js";
import { type AnsweredWish, HandOver } from "./hand-over.js";
import { ifNotNow } from "./lane-tables.js";
import { deliverSpool } from "./left-spool.js";
import { checkStartClock, LogClock, type Mislabelled } from "./log-clock.js";
import { OwnLog } from "./own-log.js";
import { Recorder } from "./recorder.js";
import { ScanQueue } from "./scan-queue.js";
import { SharedReads } from "./shared-reads.js";
import { clockOfSource, ShiftedClock } from "./shifted-clock.js";
import { RetryingShipper } from "./shipper.js";
import type { TableCaptureContext } from "./table-context.js";
import { TableLog } from "./table-log.js";
import { type Continued, captured, TakeOver } from "./take-over.js";
import { Turns } from "./turns.js";
import { UnreachableTables } from "./unreachable-tables.js";
import { claimAfterSilence } from "./wait-for-writer.js";

/** So many tables are opened at once: with more, each would wait so long that its server seems not to answer. */
const openingsAtOnce = 64;
/** How long the store is waited for when a capture that ends looks whether another process wants to go on. */
const lastLookMs = 2000;

/** The tables that a capture will watch, as far as that is known before it begins. */
async function selection(
  repository: Repository,
  { lane, selects }: Pick<CaptureOptions, "lane" | "selects">,
): Promise<(table: TableReference) => boolean> {
  if (!lane) return ({ db, name }) => selects(db, name);
  const { tables } = await (await RepositoryView.read(repository)).coverage();
  return ({ id, db, name }) => {
    const state = tables.get(id)?.state;
    const isHere = lane.belongs(id) || (state !== undefined && !hasLeft(state));
    return isHere && selects(db, name);
  };
}

/** Throws, with code "fenced", if the last writer has ended for a process that has not claimed the next epoch yet. */
async function refuseHandedOver(store: ObjectStore): Promise<void> {
  const epoch = await latestEpoch(store);
  if (epoch === 0 || !(await isHandedOver(store, epoch))) return;
  throw new ThinkbackError("fenced", "the capture has been handed over to another process", {
    hint: "there is nothing to do: it is asked again in a moment, if that process has not gone on by then",
  });
}

const nothingContinued: Continued = { tables: new Map(), streams: new Map() };

export class Capture {
  private readonly tables: CapturedTables;
  private readonly ended = new AbortController();
  private readonly follower: CatalogFollower;
  /** Ids of all that has a history. */
  private readonly known: Set<string>;

  private constructor(
    private readonly source: Source,
    private readonly clock: Clock,
    private readonly options: CaptureOptions,
    private readonly recorder: Recorder,
    private readonly logClock: LogClock,
    tracker: CatalogTracker,
    found: FoundAtBegin,
    private readonly begins: {
      reading: CatalogReading;
      bases: BaseInventory;
      continued: Continued;
      /** Names of the evidence that the coverage goes by. */
      evidence: string[];
      coverage: ReadonlyMap<string, TableCoverage>;
    },
    private readonly repository: Repository,
    observer: CaptureObserver,
  ) {
    this.known = new Set([...found.coverage.keys(), catalogStream, accessStream]);
    const context: TableCaptureContext = {
      source,
      repository,
      clock,
      scans: new ScanQueue(options.copiesAtOnce),
      openings: new Turns(openingsAtOnce),
      reads: new SharedReads(repository.store, clock),
      bothEndsFrom: options.bothEndsFrom,
      waitsForRoom: options.spool !== undefined,
      random: options.random,
      observer,
    };
    this.tables = new CapturedTables(
      context,
      found,
      ({ id, db, name }) => {
        const isHere = options.lane?.belongs(id) ?? true;
        return options.selects(db, name) && (isHere || this.tables.isHere(id));
      },
      new UnreachableTables(options, observer),
      (table) => new TableLog(recorder, table),
      (table) => this.known.add(table),
      (error) => this.ended.abort(error),
    );
    const { frontier, log } = recorder;
    this.follower = new CatalogFollower(
      source,
      frontier,
      log,
      tracker,
      clock,
      observer,
      (reading, isWhole) => {
        if (isWhole) this.tables.noteAbsent(reading);
        this.apply(reading, isWhole);
      },
      begins.continued.streams,
    );
    recorder.onAwaited = (stream) => {
      if (stream === catalogStream) this.follower.hasten();
    };
  }

  /**
   * Connects and claims an epoch.
   * @param known `lost`: the end of the log, if it is lost; this capture goes on before it. `silent`: the writer
   * before, if it is known to be gone
   */
  static async begin(
    source: Source,
    repository: Repository,
    machine: Clock,
    options: CaptureOptions,
    observer: CaptureObserver,
    signal: AbortSignal,
    { lost, silent }: { lost?: LostEnd | undefined; silent?: WriterMayRun | undefined },
  ): Promise<Capture> {
    const first = await readFirstCatalog(source);
    // What waits behind the end that is lost is disowned by the claim.
    if (options.spool && !lost) await deliverSpool(repository, options.spool, machine, observer);
    const standing = lost ? withoutEnd(repository.store, lost) : repository.store;
    const before = await catalogAt(await LogView.read(standing), Number.MAX_SAFE_INTEGER);
    const gone = recogniseSource(source, first, before, options);
    const isShared = options.isShared?.() === true;
    const clock = isShared ? await clockOfSource(source, machine) : new ShiftedClock(machine, 0);
    const logClock = new LogClock(clock, (news) => observer.clockSet(news), clock.byMs);
    await compareClocks(source, logClock);
    const { takeOver } = options;
    const unique = () => Math.floor(options.random() * 2 ** 52).toString(36);
    const idle = options.idleSegmentMs > idleSegmentMs ? { idleMs: options.idleSegmentMs } : {};
    const owner = { ...options.owner, unique, tickMs: options.tickMaxMs, ...idle };
    const check = (end: LogEnd | undefined) => {
      if (!options.trustClock) checkStartClock(machine.now(), logClock.serverClock, end);
    };
    const { store } = repository;
    const isAsking = takeOver && !options.once && !lost;
    const tables = isAsking ? captured(first, await selection(repository, options)) : [];
    const mustAnswer = options.mustAnswer === true;
    const context = { store, source, clock, owner, tables, check, mustAnswer, unique, observer };
    const taking = isAsking ? await TakeOver.begin(context, signal) : undefined;
    const claim = async (gone: WriterMayRun | undefined) => {
      // A repository that went away while the writer before was waited for is silent too. Nothing is put in its place.
      if (gone || taking) await options.reopen();
      const isForced = takeOver && (!mustAnswer || taking?.isAnswered === true);
      if (mustAnswer && !isForced) await refuseHandedOver(store);
      if (!lost) await options.deliverLeft?.(repository);
      return claimEpoch(repository, clock, owner, isForced || (gone ?? false), check, lost);
    };
    try {
      const own = await claimAfterSilence(repository.store, clock, claim, observer, signal, silent);
      if (options.spool && lost) await deliverSpool(repository, options.spool, clock, observer);
      const mislabelled = logClock.continueAfter(own.last);
      const shipper = new RetryingShipper(
        repository.store,
        new OwnLog(repository, own, clock, options.heldSinceMs),
        clock,
        options.random,
        options.spool,
        observer,
        options.alsoTo,
      );
      const log = LogWriter.open(repository, logClock, own, shipper);
      const evidence = await evidenceNames(store);
      // Read once more: a writer that was shut out by the claim may have changed it until then.
      const view = await viewWithClaim(repository, own.epoch, clock);
      const written = await view.catalog();
      // A hand-over may have taken a while.
      const reading = taking ? await readFirstCatalog(source) : first;
      const recorder = new Recorder(log, source, clock, logClock, options, {
        tickStored: (...told) => observer.tickStored(...told),
        readingStops: (stops) => observer.readingStops(stops),
        tickAdapted: (change) => observer.tickAdapted(change),
        surveyFails: (...why) => observer.surveyFails(...why),
      });
      const coverage = await view.coverage();
      const continued = taking?.continued(own, coverage) ?? nothingContinued;
      const tracker = new CatalogTracker(log, written, (table) => observer.writeHookGone(table));
      tracker.forget(gone);
      const capture = new Capture(
        source,
        clock,
        options,
        recorder,
        logClock,
        tracker,
        { coverage: coverage.tables, catalog: written },
        { reading, bases: await view.bases(), continued, evidence, coverage: coverage.tables },
        repository,
        observer,
      );
      if (mislabelled) capture.noteMislabelled(mislabelled);
      await taking?.close(continued);
      return capture;
    } catch (error) {
      await clearAfter(error, async () => taking?.close());
      throw error;
    }
  }

  /**
   * Captures until the signal aborts, or another process goes on; then closes the open tick.
   * @returns the process that goes on, if it was asked to end for one
   */
  async run(signal: AbortSignal): Promise<Wish | undefined> {
    const finished = new AbortController();
    const handing = new AbortController();
    const stop = AbortSignal.any([signal, this.ended.signal, finished.signal, handing.signal]);
    const recorderStop = new AbortController();
    const proveRest = () => this.follower.readAgain();
    const recording = this.recorder.run(recorderStop.signal, proveRest).catch((error: unknown) => {
      this.ended.abort(error);
      throw error;
    });
    recording.catch(() => undefined);
    const { reading, bases, continued, evidence } = this.begins;
    this.recorder.untold = untoldTables(reading);
    await this.leaveMoved();
    this.tables.begin(reading, bases, continued.tables);
    const { source, logClock, clock, recorder } = this;
    const logTime = () => recorder.log.time;
    const onMislabelled = (labels: Mislabelled) => this.noteMislabelled(labels);
    const clocks = { source, logClock, clock, logTime, onMislabelled };
    const suspect = (id: string, why: string) => this.tables.suspect(id, why);
    const complete = this.untilComplete(stop);
    const retired = async () => {
      const isRetired = await this.options.lane?.follow(this.tables, logTime, clock, stop);
      if (isRetired) finished.abort(new Error("the lane has no table any more"));
    };
    const { idleSegmentMs: idleMs, isExpected } = this.options;
    const { store } = this.repository;
    const handOver = new HandOver(store, recorder.log, clock, idleMs, isExpected);
    let next: AnsweredWish | undefined;
    const answering = async () => {
      if (this.options.once) return;
      next = await handOver.run(stop);
      recorder.handedTo = next;
      if (next) handing.abort(new Error("another process goes on"));
    };
    try {
      await Promise.race([
        // These end with the signal too, and must not speak for whether everything is complete.
        Promise.all([
          this.follower.run(stop),
          followServerClock(clocks, stop),
          followEvidence(this.repository, evidence, clock, suspect, stop),
          answering(),
          retired(),
        ]).then(() => complete),
        complete,
        rejectedOnAbort(this.ended.signal),
      ]);
    } finally {
      this.tables.close();
      finished.abort(new Error("the capture ended"));
      if (!next && !this.options.once && !this.ended.signal.aborted) {
        // A process that waits for the next look is not left to wait for one that never comes.
        const looking = handOver.look();
        next = await withTimeout(clock, lastLookMs, looking, () => new Error("no answer")).catch(
          () => undefined,
        );
        recorder.handedTo = next;
      }
      // The last tick is closed while the feeds are still open, so that it can be proven.
      recorderStop.abort();
      try {
        await recording;
      } finally {
        await this.tables.stopAll();
      }
    }
    return next;
  }

  /** Notes the tables that another lane has by now: they are not opened here again. */
  private async leaveMoved(): Promise<void> {
    const { lane } = this.options;
    const { coverage: found } = this.begins;
    if (!lane) return;
    const away = [...found].filter(([id, { state }]) => !lane.belongs(id) && !hasLeft(state));
    if (away.length === 0) return;
    // If it cannot be told now, they are opened here again, and leave a moment later.
    const ids = away.map(([id]) => id);
    const arrivals = await lane.arrivals(ids, this.recorder.log.time).catch(ifNotNow);
    for (const [id, { lane: to, since }] of arrivals ?? []) {
      await this.tables.move(id, to, Math.max(since, found.get(id)!.frontier ?? 0));
    }
  }

  /** A clock was set right: what it labelled before is late, of everything that has a history. */
  private noteMislabelled({ since, to, lateMs }: Mislabelled): void {
    for (const stream of this.known) {
      this.recorder.frontier.record(stream, { state: "late", since, to, lateMs });
    }
  }

  private apply(reading: CatalogReading, isWhole: boolean): void {
    if (this.ended.signal.aborted) return;
    this.recorder.untold = untoldTables(reading);
    this.tables.apply(reading, isWhole);
  }

  /** With `once`, resolves when every table is complete; otherwise when the signal aborts. */
  private async untilComplete(signal: AbortSignal): Promise<void> {
    if (!this.options.once) return aborted(signal);
    let done = false;
    const complete = this.tables.complete().then(() => (done = true));
    await Promise.race([aborted(signal), complete]);
    if (this.ended.signal.aborted) return;
    const left = this.tables.troubled.map(([name, why]) => `${name}: ${why}`);
    if (done && left.length === 0) return;
    const what = done
      ? `not every table could be captured: ${left.join("; ")}`
      : "stopped before every table had a complete base";
    throw incomplete(what);
  }
}

export function incomplete(what: string): ThinkbackError {
  return new ThinkbackError("incomplete", what, {
    hint: "what was captured is kept; run again to complete it, or leave a table out with --exclude",
  });
}

/** How often, and after which pauses, the repository is read again for a claim that its listing lacks. */
const readingsMax = 30;
const readAgainMs = 500;

/**
 * The repository as the writer of an epoch goes on in it. A store whose listings lag may not show the claim yet, but
 * segments that it disowns: what these hold would not be resynced, though no reader will believe it.
 */
async function viewWithClaim(
  repository: Repository,
  epoch: number,
  clock: Clock,
): Promise<RepositoryView> {
  for (let readings = 1; ; readings += 1) {
    const view = await RepositoryView.read(repository);
    if ((view.log.claims.at(-1)?.epoch ?? 0) >= epoch) return view;
    if (readings === readingsMax)
      throw new StoreUnavailable(`the store does not list the claim of epoch ${epoch}`);
    await clock.sleep(readAgainMs);
  }
}
