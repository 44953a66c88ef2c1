/**
 * One table, watched: its feed into the log, and under the open feed a scan that makes its base or resyncs a gap.
 *
 * Invariant: a table is called live only if the feed that was open before the scan began is still open after it ended,
 * and is proven up to the instant that the record names. Break it and capture claims changes that nobody saw.
 */
import { aborted, rejectedOnAbort } from "../abort.js";
import { digestOf } from "../digest.js";
import { isDamage, messageOf, ThinkbackError } from "../errors.js";
import { copyUnique } from "../format/names.js";
import type { Instant } from "../instant.js";
import type { BaseInventory, BaseManifest } from "../repository/bases/base.js";
import { type AddRow, BaseWriter } from "../repository/bases/base-writer.js";
import { knownKeys } from "../repository/bases/known-state.js";
import { BothEnds } from "../rethinkdb/both-ends.js";
import type { Feed, FeedChange, FeedOverflow } from "../rethinkdb/feed.js";
import { ConnectionLost, isRefusal } from "../rethinkdb/response.js";
import type { ScanBatch, ScanOptions } from "../rethinkdb/scan.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { isOfOneObject } from "../storage/object-store.js";
import { endless, RetryingStore } from "../storage/retrying-store.js";
import { Backoff } from "./backoff.js";
import { giveWay } from "./give-way.js";
import { resumingScan } from "./resuming-scan.js";
import { baseToResyncFrom, Resync, type ResyncSummary } from "./resync.js";
import type { SharedLog } from "./shared-reads.js";
import type { TableCaptureContext } from "./table-context.js";
import type { TableLog } from "./table-log.js";
import { step, type TableEvent, type TableState } from "./table-state.js";
import type { ContinuedTable } from "./take-over.js";
import { ChangesMissed, FeedOverflowed, troubleOf } from "./trouble.js";
import type { GoesOn } from "./watched-feed.js";

const reopenFirstMs = 200;
const reopenLastMs = 10_000;
/** A defect comes again until its cause is gone; and each try may read the whole table. */
const retryFirstMs = 60_000;
const retryLastMs = 3_600_000;
/** How long a table that could be called live waits for the catalog; where that cannot be read it is live without. */
const catalogMsMax = 3000;

export class TableCapture {
  /**
   * Resolves when the table is live for the first time in this run, or gone, or stopped by a defect; the next tick to
   * be closed says so.
   */
  readonly complete: Promise<void>;
  private markComplete: () => void = () => undefined;
  state: TableState = "opening";
  private resync: Resync | undefined;
  private lastLoss: string | undefined;
  private copiesMade = 0;
  private suspicion: ((reason: Error) => void) | undefined;
  /** Only a table that became live shows that opening it again was of use. */
  private readonly reopening = new Backoff(reopenFirstMs, reopenLastMs);
  private readonly retrying = new Backoff(retryFirstMs, retryLastMs);
  private stoppedBy: string | undefined;

  constructor(
    private readonly context: TableCaptureContext,
    private readonly log: TableLog,
    /** Changes when the table is renamed. */
    public table: TableReference,
    /** A table that was there at the start must be readable; one that comes later may wait for its grant. */
    private readonly mustOpen: boolean,
    /** When the table's last copy was complete, by what is stored; see TableCoverage. */
    private lastCopy: Instant | undefined,
    /** The bases as they were when the capture began: all tables that begin with it go by one look. */
    private bases: BaseInventory | undefined,
    /** Set if the table goes on where the writer before ended. */
    private goesOn: ContinuedTable | undefined,
  ) {
    this.complete = new Promise((resolve) => {
      this.markComplete = resolve;
    });
  }

  /** Why a defect has stopped the table; undefined again as soon as it is live. */
  get defect(): string | undefined {
    return this.stoppedBy;
  }

  /**
   * Watches until the signal aborts. A loss is written down as a gap, a defect as a stop; then the table is opened
   * again. Rejects only for what no table can be captured with.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const error = await this.watch(signal).catch((thrown: unknown) => thrown);
      if (signal.aborted) return;
      const pauseMs = this.giveUp(error);
      await this.context.clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  }

  /** The table is gone from the source: writes it down. */
  noteDropped(): void {
    this.take({ kind: "dropped", at: this.log.provenTo });
    this.stoppedBy = undefined;
    this.markComplete();
  }

  /** There is reason to think that changes were missed: the table is opened again and resynced. */
  suspect(reason: string): void {
    this.suspicion?.(new ChangesMissed(reason));
  }

  private async watch(signal: AbortSignal): Promise<void> {
    const { context, log, goesOn } = this;
    const { source, openings } = context;
    this.goesOn = undefined;
    const base = goesOn ? undefined : await this.newestBase(signal);
    const name = () => this.table;
    const feed = goesOn?.feed ?? (await openings.run(signal, () => source.openFeed(name)));
    goesOn?.feed.follow(name);
    const watch = new AbortController();
    const stopAll = () => watch.abort(signal.reason);
    const parts: Promise<void>[] = [];
    signal.addEventListener("abort", stopAll, { once: true });
    try {
      if (signal.aborted) return;
      this.suspicion = (reason) => watch.abort(reason);
      const going = goesOn && this.goOn(goesOn, watch);
      const onLost = (reason: Error) => watch.abort(reason);
      log.watch(name, feed, onLost, going?.goesOn);
      if (going) {
        parts.push(going.reading);
      } else {
        const since = log.stamp().time;
        this.take({ kind: "opened", at: since, hasBase: base !== undefined });
        parts.push(this.read(feed, watch.signal), this.makeExact(base, since, watch.signal));
      }
      parts[0]!.catch((error: unknown) => watch.abort(error));
      await Promise.all([...parts, rejectedOnAbort(watch.signal)]);
    } finally {
      signal.removeEventListener("abort", stopAll);
      this.suspicion = undefined;
      this.resync = undefined;
      watch.abort(new Error("the watch ended"));
      log.unwatch();
      // Nothing of this watch may add to the log any more when the next one begins, also if the feed cannot be closed.
      await Promise.allSettled([feed.close(), ...parts]);
    }
  }

  /** What a resync can start from; undefined if there is nothing, or only damage: then the table is copied. */
  private async newestBase(signal: AbortSignal): Promise<BaseManifest | undefined> {
    const { reads, observer } = this.context;
    const { id } = this.table;
    try {
      const bases = this.bases ?? (await reads.bases(id, signal));
      this.bases = undefined;
      return baseToResyncFrom(bases, id, this.lastCopy);
    } catch (error) {
      if (!isOfOneObject(error)) throw error;
      observer.lost(this.table, `${error.message}; the table is copied anew`);
      return undefined;
    }
  }

  /**
   * Goes on where the writer before ended. When the feed has caught up, all that it has delivered until then is
   * appended with one time, because part of it is in the log already; from then on it is read.
   */
  private goOn(
    { feed, from }: ContinuedTable,
    watch: AbortController,
  ): { goesOn: GoesOn; reading: Promise<void> } {
    void feed.ended.then((error) => watch.abort(error));
    const caught = new AbortController();
    const caughtUp = () => {
      caught.abort();
      try {
        this.log.atOnce((at) => {
          this.take({ kind: "continued", since: from.to, at });
          feed.release((event) => this.append(event));
        });
        this.markLive();
      } catch (error) {
        watch.abort(error);
      }
      return !watch.signal.aborted;
    };
    const reading = aborted(AbortSignal.any([caught.signal, watch.signal])).then(() =>
      this.read(feed, watch.signal),
    );
    return { goesOn: { from, caughtUp }, reading };
  }

  /** Appends what the feed delivers until the signal aborts; throws when the feed is lost. */
  private async read(feed: Feed, signal: AbortSignal): Promise<void> {
    // Closing the feed, which an abort brings about, ends the iteration.
    for await (const batch of feed.batches) {
      if (signal.aborted) return;
      batch.forEach((event) => this.append(event));
      await this.log.room(signal);
    }
    if (!signal.aborted) throw new ConnectionLost("the feed ended");
  }

  private append(event: FeedChange | FeedOverflow): void {
    if ("overflow" in event) throw new FeedOverflowed(event.overflow);
    const { key, document, previous } = event;
    const before = previous === null ? null : digestOf(previous);
    const sequence = this.log.append(key, before, document);
    this.resync?.noteChange(key, sequence);
  }

  /** Makes the table exact: by a resync if there is a base to start from, else by a copy. */
  private async makeExact(
    base: BaseManifest | undefined,
    since: Instant,
    signal: AbortSignal,
  ): Promise<void> {
    const { log } = this;
    let detail: object | undefined = base && (await this.tryResync(base, since, signal));
    let copied: BaseWriter | undefined;
    if (!detail) {
      copied = await this.copy(since, signal);
      detail = { documents: copied.rows };
    }
    // An event may come after the row that holds it already. The first proof says that those have come, and while it
    // was made they were still labelled with times after its own instant. The second one proves an instant after all of
    // them.
    await log.proven(signal);
    const instant = await log.proven(signal);
    // A restore wants to know what the table is called too, as a rule a moment later.
    await log.catalogWithin(catalogMsMax, instant, signal);
    signal.throwIfAborted();
    // Changes of the very millisecond in which the feed opened belong to the log.
    await copied?.finish(instant, since - 1, signal);
    signal.throwIfAborted();
    this.take({ kind: "proven", at: instant }, detail);
    if (copied) this.lastCopy = instant;
    this.markLive();
    // A capture that goes on says so at once, however long its ticks are.
    await log.proven(signal);
  }

  private markLive(): void {
    this.lastLoss = undefined;
    this.stoppedBy = undefined;
    this.reopening.reset();
    this.retrying.reset();
    this.markComplete();
  }

  private async copy(since: Instant, signal: AbortSignal): Promise<BaseWriter> {
    const { repository, clock, random, scans, bothEndsFrom, waitsForRoom } = this.context;
    const { id, primaryKey } = this.table;
    this.copiesMade += 1;
    const unique = copyUnique(this.log.epoch, this.copiesMade);
    // Neither a copy of hours nor the capture ends because a disk or a network is away for a minute.
    const patience = { ...endless, waitsForOthers: waitsForRoom };
    const store = new RetryingStore(repository.store, clock, random, patience, signal);
    const { epoch } = this.log;
    const identity = { table: id, primaryKey, epoch, begun: since, unique };
    const writer = new BaseWriter({ ...repository, store }, identity);
    const estimate = await this.estimate(signal);
    const ends = new BothEnds();
    let bytes = 0;
    await scans.run(signal, estimate, async (noteBytes) => {
      // What a scan wrote after this has returned would be another copy's.
      await ends.run(estimate >= bothEndsFrom, signal, (options) =>
        this.scanAll(options, estimate, async (batch) => {
          const { time, sequence } = batch.stamp;
          const give = (add: AddRow) =>
            ends.forEach(options.order, batch, (key, document) => {
              add(key, time, sequence, document);
              bytes += document.length;
            });
          if (options.order === "falling") writer.addBack(give);
          else give((...row) => writer.add(...row));
          noteBytes(bytes);
          await writer.drain();
          return { documents: writer.rows, bytes };
        }),
      );
      // The next scan begins when nothing of this one is held in memory, however long the proof takes.
      await writer.close();
    });
    return writer;
  }

  /** How many documents the table has, by the server's estimate. */
  private estimate(signal: AbortSignal): Promise<number> {
    const { openings, source } = this.context;
    return openings.run(signal, () => source.estimateDocuments(this.table));
  }

  /** Resyncs from the last known state; undefined if that state cannot be read, because an object is damaged. */
  private async tryResync(
    base: BaseManifest,
    since: Instant,
    signal: AbortSignal,
  ): Promise<ResyncSummary | undefined> {
    const { repository, reads, scans } = this.context;
    await this.log.provenAt(since, signal);
    let shared: SharedLog | undefined;
    let reason: string;
    try {
      shared = await reads.log(base, since, signal);
      const known = knownKeys(repository.store, base, shared.log);
      const estimate = await this.estimate(signal);
      const summary = await scans.run(signal, estimate, async () => {
        const resync = Resync.begin(known, (key, previous, document) => {
          signal.throwIfAborted();
          this.log.append(key, previous, document);
        });
        this.resync = resync;
        await this.scanAll({ signal }, estimate, async (batch) => {
          await resync.compare(batch);
          await this.log.room(signal);
          return { documents: resync.summary.documents, bytes: 0 };
        });
        return resync.finish();
      });
      // An expiry that had not read yet that the table is resynced may have expired what it is resynced from.
      if (await this.newestBase(signal)) return summary;
      reason = "its base was expired meanwhile";
    } catch (error) {
      if (!isDamage(error)) throw error;
      reason = error.message;
    } finally {
      this.resync = undefined;
      await shared?.giveBack();
    }
    // From here on only the copy's base will do: what the gap held is in no log.
    this.take({ kind: "mustCopy", at: since }, { reason });
    return undefined;
  }

  /** Scans the table, hands on each batch, reports progress, and gives way to a busy server. */
  private async scanAll(
    options: Omit<ScanOptions, "stamp">,
    estimate: number,
    visit: (batch: ScanBatch) => Promise<{ documents: number; bytes: number }>,
  ): Promise<void> {
    const { source, clock, observer } = this.context;
    const stamp = () => this.log.stamp();
    for await (const batch of resumingScan(source, this.table, { ...options, stamp }, clock)) {
      const { documents, bytes } = await visit(batch);
      observer.scanned(this.table, documents, bytes, estimate);
      await giveWay(clock, this.log.latencyMs, options.signal);
    }
  }

  /** Writes down why the table is not watched any more; returns how long to wait before it is opened again. */
  private giveUp(error: unknown): number {
    const trouble = troubleOf(error);
    if (trouble === "common") throw error;
    if (trouble === "defect") {
      this.stop(error);
      return this.retrying.next();
    }
    if (this.state === "opening" && this.mustOpen && isRefusal(error)) throw this.refused(error);
    this.lose(error);
    return this.reopening.next();
  }

  /** Whatever is thrown stops this table only. */
  private stop(error: unknown): void {
    const reason = messageOf(error).replaceAll(/\s+/g, " ");
    const { provenTo } = this.log;
    const isNew = reason !== this.stoppedBy;
    this.stoppedBy = reason;
    this.take({ kind: "stopped", provenTo, reason }, { reason });
    if (isNew) this.context.observer.stopped(this.table, error);
    this.markComplete();
  }

  private lose(error: unknown): void {
    const reason = messageOf(error);
    const { provenTo } = this.log;
    if (reason !== this.lastLoss) this.context.observer.lost(this.table, reason);
    this.lastLoss = reason;
    this.take({ kind: "lost", provenTo, reason }, { reason });
  }

  private refused(error: Error): ThinkbackError {
    const { db, name } = this.table;
    return new ThinkbackError("source", `${db}.${name} cannot be captured: ${error.message}`, {
      hint: 'grant the user global read, and r.db("rethinkdb").grant(user, {read: true}); or leave the table out with --exclude',
    });
  }

  /** Steps the machine, and tells the repository and the observer. */
  private take(event: TableEvent, detail?: object): void {
    const { state, record } = step(this.state, event);
    const changed = state !== this.state;
    this.state = state;
    if (record) this.log.record(record);
    if (!isWatched(state)) this.log.forget();
    if (changed) this.context.observer.state(this.table, state, detail);
  }
}

function isWatched(state: TableState): boolean {
  return state === "copying" || state === "resyncing" || state === "live";
}
