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
import type { TableCoverage } from "../repository/coverage/coverage.js";
import { type Catalog, catalogAt } from "../repository/log/catalog.js";
import { claimEpoch, type LostEnd, withoutEnd } from "../repository/log/claim.js";
import type { LogEnd } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import { LogWriter } from "../repository/log/log-writer.js";
import { RepositoryView } from "../repository/repository-view.js";
import { type CatalogReading, untoldTables } from "../rethinkdb/catalog-reader.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { beginAgain } from "./begin-again.js";
import { CatalogFollower, type CatalogObserver } from "./catalog-follower.js";
import { CatalogTracker } from "./catalog-tracker.js";
import { compareClocks, followServerClock } from "./compared-clocks.js";
import { CopyQueue } from "./copy-queue.js";
import { followEvidence } from "./evidence-follower.js";
import { type ClusterOptions, readFirstCatalog, recogniseSource } from "./first-catalog.js";
import { accessStream, catalogStream } from "./frontier.js";
import { deliverSpool, type SpoolObserver } from "./left-spool.js";
import { type ClockNews, checkStartClock, LogClock, type Mislabelled } from "./log-clock.js";
import { isKept, LogLost, OwnLog } from "./own-log.js";
import { Recorder, type RecorderOptions } from "./recorder.js";
import { RetryingShipper, type ShipperObserver, type Spool } from "./shipper.js";
import {
  TableCapture,
  type TableCaptureContext,
  type CaptureObserver as TableObserver,
} from "./table-capture.js";
import { TableLog } from "./table-log.js";
import type { PaceChange } from "./tick-pace.js";
import { reference, UnreachableTables } from "./unreachable-tables.js";

export interface CaptureObserver
  extends TableObserver,
    ShipperObserver,
    CatalogObserver,
    SpoolObserver {
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
  /** Tables that are copied at once. */
  copiesAtOnce: number;
  /** Tables of so many documents, as the server estimates them, are copied from both ends at once. */
  bothEndsFrom: number;
  /** Take over from a writer that seems to live. */
  takeOver: boolean;
  /** Begin also by a clock that the source's does not confirm. */
  trustClock: boolean;
  owner: Owner;
  /** Where closed segments wait while the store fails; in memory if absent. */
  spool: Spool | undefined;
  /** For the jitter of retries. */
  random: () => number;
  /** Opens the repository anew, after what was stored there was lost. Rejects while there is none, or another one. */
  reopen: () => Promise<Repository>;
}

/** What a capture finds in its repository when it begins. */
interface Begin {
  /** By table id. */
  coverage: Map<string, TableCoverage>;
  /** Undefined once the tables that were there have begun. */
  bases: BaseInventory | undefined;
}

interface RunningTable {
  capture: TableCapture;
  stop: AbortController;
  done: Promise<void>;
}

export class Capture {
  private readonly tables = new Map<string, RunningTable>();
  /** Ids of tables whose capture has not ended yet: one that is there again is started at a later reading. */
  private readonly stopping = new Set<string>();
  private readonly context: TableCaptureContext;
  private readonly ended = new AbortController();
  private started = false;
  /** No table is started any more. */
  private isEnding = false;
  /** Names of tables that are there and cannot be opened, and why. */
  private readonly unreachable: UnreachableTables;
  private readonly follower: CatalogFollower;
  /** Ids of all that has a history. */
  private readonly known: Set<string>;
  private absentNoted = false;

  private constructor(
    private readonly source: Source,
    private readonly clock: Clock,
    private readonly options: CaptureOptions,
    private readonly recorder: Recorder,
    private readonly logClock: LogClock,
    tracker: CatalogTracker,
    private readonly begin: Begin,
    private readonly written: Catalog,
    private readonly first: CatalogReading,
    repository: Repository,
    observer: CaptureObserver,
  ) {
    this.known = new Set([...begin.coverage.keys(), catalogStream, accessStream]);
    const copies = new CopyQueue(options.copiesAtOnce);
    const { bothEndsFrom } = options;
    const waitsForRoom = options.spool !== undefined;
    const shared = { source, repository, clock, copies, observer };
    this.context = { ...shared, bothEndsFrom, waitsForRoom, random: options.random };
    const { frontier, log } = recorder;
    this.follower = new CatalogFollower(
      source,
      frontier,
      log,
      tracker,
      clock,
      observer,
      (reading) => {
        this.noteAbsent(reading);
        this.apply(reading);
      },
    );
    this.unreachable = new UnreachableTables(options, observer);
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
    let capture = await Capture.begin(source, repository, clock, options, observer);
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
          return Capture.begin(source, place, clock, another, observer, lost);
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
    const owner = { ...options.owner, tickMs: options.tickMaxMs };
    const checkEnd = (end: LogEnd | undefined) => {
      if (!options.trustClock) checkStartClock(clock.now(), logClock.serverClock, end);
    };
    const claim = await claimEpoch(repository, clock, owner, takeOver, checkEnd, lost);
    if (options.spool && lost) await deliverSpool(repository, options.spool, clock, observer);
    const mislabelled = logClock.continueAfter(claim.last);
    const shipper = new RetryingShipper(
      repository.store,
      new OwnLog(repository, claim, clock),
      clock,
      options.random,
      options.spool,
      observer,
    );
    const log = LogWriter.open(repository, logClock, claim, shipper);
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
      { coverage, bases: await view.bases() },
      written,
      first,
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
    this.apply(this.first);
    this.begin.bases = undefined;
    this.started = true;
    const { source, logClock, clock, recorder } = this;
    const logTime = () => recorder.log.time;
    const onMislabelled = (labels: Mislabelled) => this.noteMislabelled(labels);
    const clocks = { source, logClock, clock, logTime, onMislabelled };
    const suspect = (id: string, why: string) => this.tables.get(id)?.capture.suspect(why);
    const complete = this.untilComplete(stop);
    try {
      await Promise.race([
        // These end with the signal too, and must not speak for whether everything is complete.
        Promise.all([
          this.follower.run(stop),
          followServerClock(clocks, stop),
          followEvidence(this.context.repository, clock, suspect, stop),
        ]).then(() => complete),
        complete,
        rejectedOnAbort(this.ended.signal),
      ]);
    } finally {
      this.isEnding = true;
      finished.abort(new Error("the capture ended"));
      // The last tick is closed while the feeds are still open, so that it can be proven.
      recorderStop.abort();
      try {
        await recording;
      } finally {
        await this.stopTables();
      }
    }
  }

  /** A clock was set right: what it labelled before is late, of everything that has a history. */
  private noteMislabelled({ since, to, lateMs }: Mislabelled): void {
    for (const stream of this.known) {
      this.recorder.frontier.record(stream, { state: "late", since, to, lateMs });
    }
  }

  /** Starts and stops tables as the catalog says. */
  private apply(reading: CatalogReading): void {
    if (this.ended.signal.aborted || this.isEnding) return;
    const { structure } = reading;
    this.recorder.untold = untoldTables(reading);
    const present = new Map<string, TableReference>();
    const tables = structure.filter(({ key }) => key[0] === "table");
    const configs = tables.map(({ value }) => value as TableConfig);
    this.unreachable.note(configs);
    for (const config of configs) {
      // Not reachable now: neither new nor gone.
      const known = this.tables.get(config.id)?.capture.table;
      const table = config.error === undefined ? reference(config) : known;
      if (table) present.set(config.id, table);
    }
    for (const [id, running] of this.tables) {
      const table = present.get(id);
      if (table) running.capture.table = table;
      else this.stopTable(id, running, true).catch((error: unknown) => this.ended.abort(error));
    }
    for (const table of present.values()) {
      const { id, db, name } = table;
      if (!this.tables.has(id) && !this.stopping.has(id) && this.options.selects(db, name)) {
        this.startTable(table);
      }
    }
  }

  /**
   * Tables with a history that are gone when this capture first knows the catalog: they were dropped while nobody
   * watched, or are of the cluster before. Nothing is known of them after their last proof.
   */
  private noteAbsent({ structure }: CatalogReading): void {
    if (this.absentNoted) return;
    this.absentNoted = true;
    const present = new Set(structure.map(({ key }) => key[1]));
    const names = new Map(this.written.tables().map((table) => [table.id, table]));
    for (const [id, { state, frontier }] of this.begin.coverage) {
      if (state === "dropped" || present.has(id) || this.tables.has(id)) continue;
      const { recorder } = this;
      const since = frontier ?? recorder.frontier.provenTo(id);
      recorder.frontier.record(id, { state: "dropped", since });
      const last = names.get(id);
      if (last) this.context.observer.state(reference(last), "dropped");
    }
  }

  private startTable(table: TableReference): void {
    const capture = new TableCapture(
      this.context,
      new TableLog(this.recorder, table.id),
      table,
      !this.started,
      this.begin.coverage.get(table.id)?.lastCopy,
      this.begin.bases,
    );
    const stop = new AbortController();
    const done = capture.run(stop.signal).catch((error: unknown) => this.ended.abort(error));
    this.tables.set(table.id, { capture, stop, done });
    this.known.add(table.id);
  }

  private async stopTable(id: string, running: RunningTable, dropped: boolean): Promise<void> {
    this.tables.delete(id);
    this.stopping.add(id);
    running.stop.abort(new Error("the table is not captured any more"));
    await running.done;
    if (dropped) running.capture.noteDropped();
    this.stopping.delete(id);
  }

  private async stopTables(): Promise<void> {
    await Promise.all([...this.tables].map(([id, running]) => this.stopTable(id, running, false)));
  }

  /** With `once`, resolves when every table is complete; otherwise when the signal aborts. */
  private async untilComplete(signal: AbortSignal): Promise<void> {
    if (!this.options.once) return aborted(signal);
    const complete = Promise.all([...this.tables.values()].map(({ capture }) => capture.complete));
    let done = false;
    await Promise.race([aborted(signal), complete.then(() => (done = true))]);
    if (this.ended.signal.aborted) return;
    const left = [...this.unreachable.reasons, ...this.defects()].map(
      ([name, why]) => `${name}: ${why}`,
    );
    if (done && left.length === 0) return;
    const what = done
      ? `not every table could be captured: ${left.join("; ")}`
      : "stopped before every table had a complete base";
    throw new ThinkbackError("incomplete", what, {
      hint: "what was captured is kept; run again to complete it, or leave a table out with --exclude",
    });
  }

  /** Names of tables that a defect has stopped, and why. */
  private defects(): [name: string, reason: string][] {
    return [...this.tables.values()].flatMap(({ capture: { defect, table } }) =>
      defect === undefined ? [] : [[`${table.db}.${table.name}`, defect]],
    );
  }
}
