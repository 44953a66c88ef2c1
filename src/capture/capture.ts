/**
 * Capture of a whole source: one TableCapture per table, the catalog followed, ticks closed.
 * Composition only; each part keeps its own invariant.
 */
import { aborted, rejectedOnAbort } from "../abort.js";
import type { TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Owner } from "../owner.js";
import type { BaseInventory } from "../repository/bases/base.js";
import { catalogAt } from "../repository/log/catalog.js";
import {
  type ClaimFacts,
  claimEpoch,
  type LostEnd,
  type WriterMayRun,
  withoutEnd,
} from "../repository/log/claim-epoch.js";
import type { LogEnd } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import { LogWriter } from "../repository/log/log-writer.js";
import { RepositoryView } from "../repository/repository-view.js";
import { type CatalogReading, untoldTables } from "../rethinkdb/catalog-reader.js";
import type { Source } from "../rethinkdb/source.js";
import { beginAgain } from "./begin-again.js";
import { CapturedTables, type FoundAtBegin } from "./captured-tables.js";
import { CatalogFollower, type CatalogObserver } from "./catalog-follower.js";
import { CatalogTracker } from "./catalog-tracker.js";
import { compareClocks, followServerClock } from "./compared-clocks.js";
import { followEvidence } from "./evidence-follower.js";
import { type ClusterOptions, readFirstCatalog, recogniseSource } from "./first-catalog.js";
import { accessStream, catalogStream } from "./frontier.js";
import { deliverSpool, type SpoolObserver } from "./left-spool.js";
import { type ClockNews, checkStartClock, LogClock, type Mislabelled } from "./log-clock.js";
import { isKept, LogLost, OwnLog } from "./own-log.js";
import { Recorder, type RecorderOptions } from "./recorder.js";
import { ScanQueue } from "./scan-queue.js";
import { SharedReads } from "./shared-reads.js";
import { RetryingShipper, type ShipperObserver, type Spool } from "./shipper.js";
import {
  type TableCaptureContext,
  type CaptureObserver as TableObserver,
} from "./table-capture.js";
import { TableLog } from "./table-log.js";
import type { PaceChange } from "./tick-pace.js";
import { Turns } from "./turns.js";
import { UnreachableTables } from "./unreachable-tables.js";
import { claimAfterSilence, type WriterObserver } from "./wait-for-writer.js";

export interface CaptureObserver
  extends TableObserver,
    ShipperObserver,
    CatalogObserver,
    SpoolObserver,
    WriterObserver {
  /** What this capture has stored is gone from its repository: it begins again behind what is there. */
  logLost(error: LogLost): void;
  /** It cannot yet, and tries again. */
  beginsLater(error: Error): void;
  beginsAgain(): void;
  /** Memory and spool are full, so reading stops; or there is room again. */
  readingStops(stops: boolean): void;
  /** Ticks are longer or shorter from now on, because the store is slow or fast. */
  tickAdapted(change: PaceChange): void;
  /** This machine's clock was set, or is right again. */
  clockSet(news: ClockNews): void;
  /** See RecorderObserver. */
  surveyFails(reason: string | undefined, defect?: unknown): void;
  /** A table has lost its write hook: somebody deleted it, or a reshard dropped it without a word. */
  writeHookGone(table: TableConfig): void;
}

export interface CaptureOptions extends RecorderOptions, ClusterOptions {
  /** True for a table to be captured. */
  selects(db: string, table: string): boolean;
  /** End as soon as every table has a complete base. */
  once: boolean;
  /** Large tables that are scanned at once; of small ones more, see ScanQueue. */
  copiesAtOnce: number;
  /** Tables of so many documents, as the server estimates them, are copied from both ends at once. */
  bothEndsFrom: number;
  /** Take over from a writer that seems to live. */
  takeOver: boolean;
  /** Begin also by a clock that the source's does not confirm. */
  trustClock: boolean;
  owner: Owner & Pick<ClaimFacts, "include" | "exclude">;
  /** Where closed segments wait while the store fails; in memory if absent. */
  spool: Spool | undefined;
  /** For the jitter of retries. */
  random: () => number;
  /** Opens the repository anew, after what was stored there was lost. Rejects while there is none, or another one. */
  reopen: () => Promise<Repository>;
}

/** So many tables are opened at once: with more, each would wait so long that its server seems not to answer. */
const openingsAtOnce = 64;

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
    private readonly begins: { reading: CatalogReading; bases: BaseInventory },
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
      (db, table) => options.selects(db, table),
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
    );
    recorder.onAwaited = (stream) => {
      if (stream === catalogStream) this.follower.hasten();
    };
  }

  /**
   * Connects, claims an epoch and captures until the signal aborts; then closes the open tick. If what it has stored is
   * lost, it does so again, in the next epoch.
   */
  static async run(
    source: Source,
    repository: Repository,
    clock: Clock,
    options: CaptureOptions,
    observer: CaptureObserver,
    signal: AbortSignal,
  ): Promise<void> {
    const beginning = Capture.begin(source, repository, clock, options, observer, signal);
    let capture = await beginning.catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (!capture) {
      // Stopped while it waited for another writer to be silent.
      if (options.once) throw incomplete("stopped before every table had a complete base");
      return;
    }
    for (;;) {
      try {
        await capture.run(signal);
        return;
      } catch (error) {
        if (!(error instanceof LogLost) || signal.aborted) throw error;
        observer.logLost(error);
        // Who has begun meanwhile is not shut out.
        const another = { ...options, takeOver: false, forgetServers: [] };
        const begin = async (place: Repository) => {
          const isLost = !(await isKept(place.store, error.end.segment.name));
          const lost = isLost ? error.end : undefined;
          return Capture.begin(source, place, clock, another, observer, signal, lost);
        };
        const waits = (reason: Error) => observer.beginsLater(reason);
        capture = await beginAgain({ open: options.reopen, begin, waits }, clock, signal).catch(
          (failure) => {
            throw signal.aborted ? error : failure;
          },
        );
        observer.beginsAgain();
      }
    }
  }

  /** @param lost the end of the log, if it is lost: this capture goes on before it */
  private static async begin(
    source: Source,
    repository: Repository,
    clock: Clock,
    options: CaptureOptions,
    observer: CaptureObserver,
    signal: AbortSignal,
    lost?: LostEnd,
  ): Promise<Capture> {
    const first = await readFirstCatalog(source);
    // What waits behind the end that is lost is disowned by the claim.
    if (options.spool && !lost) await deliverSpool(repository, options.spool, clock, observer);
    const standing = lost ? withoutEnd(repository.store, lost) : repository.store;
    const before = await catalogAt(await LogView.read(standing), Number.MAX_SAFE_INTEGER);
    const gone = recogniseSource(source, first, before, options);
    const logClock = new LogClock(clock, (news) => observer.clockSet(news));
    await compareClocks(source, logClock);
    const { takeOver } = options;
    const unique = () => Math.floor(options.random() * 2 ** 52).toString(36);
    const owner = { ...options.owner, unique, tickMs: options.tickMaxMs };
    const checkEnd = (end: LogEnd | undefined) => {
      if (!options.trustClock) checkStartClock(clock.now(), logClock.serverClock, end);
    };
    const claim = (silent: WriterMayRun | undefined) =>
      claimEpoch(repository, clock, owner, takeOver || (silent ?? false), checkEnd, lost);
    const own = await claimAfterSilence(repository.store, clock, claim, observer, signal);
    if (options.spool && lost) await deliverSpool(repository, options.spool, clock, observer);
    const mislabelled = logClock.continueAfter(own.last);
    const shipper = new RetryingShipper(
      repository.store,
      new OwnLog(repository, own, clock),
      clock,
      options.random,
      options.spool,
      observer,
    );
    const log = LogWriter.open(repository, logClock, own, shipper);
    // Read once more: a writer that was shut out by the claim may have changed it until then.
    const view = await RepositoryView.read(repository);
    const written = await view.catalog();
    const recorder = new Recorder(log, source, clock, logClock, options, {
      readingStops: (stops) => observer.readingStops(stops),
      tickAdapted: (change) => observer.tickAdapted(change),
      surveyFails: (...why) => observer.surveyFails(...why),
    });
    const { tables: coverage } = await view.coverage();
    const tracker = new CatalogTracker(log, written, (table) => observer.writeHookGone(table));
    tracker.forget(gone);
    const capture = new Capture(
      source,
      clock,
      options,
      recorder,
      logClock,
      tracker,
      { coverage, catalog: written },
      { reading: first, bases: await view.bases() },
      repository,
      observer,
    );
    if (mislabelled) capture.noteMislabelled(mislabelled);
    return capture;
  }

  private async run(signal: AbortSignal): Promise<void> {
    const finished = new AbortController();
    const stop = AbortSignal.any([signal, this.ended.signal, finished.signal]);
    const recorderStop = new AbortController();
    const proveRest = () => this.follower.readAgain();
    const recording = this.recorder.run(recorderStop.signal, proveRest).catch((error: unknown) => {
      this.ended.abort(error);
      throw error;
    });
    recording.catch(() => undefined);
    const { reading, bases } = this.begins;
    this.recorder.untold = untoldTables(reading);
    this.tables.begin(reading, bases);
    const { source, logClock, clock, recorder } = this;
    const logTime = () => recorder.log.time;
    const onMislabelled = (labels: Mislabelled) => this.noteMislabelled(labels);
    const clocks = { source, logClock, clock, logTime, onMislabelled };
    const suspect = (id: string, why: string) => this.tables.suspect(id, why);
    const complete = this.untilComplete(stop);
    try {
      await Promise.race([
        // These end with the signal too, and must not speak for whether everything is complete.
        Promise.all([
          this.follower.run(stop),
          followServerClock(clocks, stop),
          followEvidence(this.repository, clock, suspect, stop),
        ]).then(() => complete),
        complete,
        rejectedOnAbort(this.ended.signal),
      ]);
    } finally {
      this.tables.close();
      finished.abort(new Error("the capture ended"));
      // The last tick is closed while the feeds are still open, so that it can be proven.
      recorderStop.abort();
      try {
        await recording;
      } finally {
        await this.tables.stopAll();
      }
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

function incomplete(what: string): ThinkbackError {
  return new ThinkbackError("incomplete", what, {
    hint: "what was captured is kept; run again to complete it, or leave a table out with --exclude",
  });
}
