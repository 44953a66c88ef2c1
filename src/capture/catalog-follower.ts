/**
 * Follows the catalog: reads it about every second, hands the reading on, and proves the catalog as tables are proven.
 * Users and permissions have a proof of their own, because the grant that only they need may be missing.
 *
 * Invariant: a proof is given only for what was read whole, by a reading that began after the instant and has heard
 * every server of the cluster. Break it and a restore is told that names, users and grants are known although nobody
 * has seen them. A table whose state a reading does not tell (untoldTables) holds back its own proofs instead: a table
 * that is dead for long must not hold back all others.
 *
 * A reading that finds a change does not say when it was made: at some instant since the reading before began. In that
 * span the catalog is late in what it says of the table or database that changed, and in nothing else. The span begins
 * behind the last proof, and is in the log before the next one. So no instant is called exact that later becomes late.
 */
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Instant } from "../instant.js";
import type { LogWriter } from "../repository/log/log-writer.js";
import { type CatalogReading, untoldTables } from "../rethinkdb/catalog-reader.js";
import type { Source } from "../rethinkdb/source.js";
import type { CatalogTracker, Updated } from "./catalog-tracker.js";
import { accessStream, catalogStream, type Frontier, type Mark } from "./frontier.js";
import { withoutScratch } from "./selection.js";
import { isTransient } from "./transient.js";

export interface CatalogObserver {
  /**
   * The catalog cannot be read; undefined when it can be read again. Called once per reason.
   * @param defect the error, if it is no trouble of the source
   */
  catalogUnreadable(reason: string | undefined, defect?: unknown): void;
  /** Names of the servers that are not reached; empty when all are reached again. Called when the names change. */
  serversMissing(names: string[]): void;
  /** Users and permissions may not be read; false when they may be read again. */
  accessRefused(refused: boolean): void;
}

/** How far apart readings begin: half of what may lie between two proofs. */
const readEveryMs = 1000;

export class CatalogFollower {
  /** Streams that this epoch has begun to prove. */
  private readonly live = new Set<string>();
  /** By stream: the begin of the last reading that told all of it. */
  private readonly told = new Map<string, Mark>();
  /** By the id of a table that the last reading did not tell: the begin of the last one that did. */
  private readonly untold = new Map<string, Mark>();
  private reading: Promise<void> | undefined;
  private failure: string | undefined;
  private isRefused = false;
  /** Names of the servers that the last reading has not heard. */
  private missing: string[] = [];
  private hurry = new AbortController();

  constructor(
    private readonly source: Pick<Source, "readCatalog">,
    private readonly frontier: Frontier,
    private readonly log: Pick<LogWriter, "mark" | "now">,
    private readonly tracker: CatalogTracker,
    private readonly clock: Clock,
    private readonly observer: CatalogObserver,
    /** Called with every reading; `isWhole` if it has heard every server, so that what it does not tell is gone. */
    private readonly onRead: (reading: CatalogReading, isWhole: boolean) => void,
    /** By stream that goes on where the writer before ended: that writer's last proof. */
    private readonly continued: ReadonlyMap<string, Mark>,
  ) {}

  /** Reads until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.hurry.abort(signal.reason), { once: true });
    while (!signal.aborted) {
      this.hurry = new AbortController();
      const beganMs = this.clock.monotonicMs();
      await this.read();
      const now = this.clock.monotonicMs();
      const dueMs = Math.max(0, beganMs + readEveryMs - now);
      // However many tables wait for the catalog, it is not read again at once: a reading costs the server much.
      const restMs = Math.min(now - beganMs, dueMs);
      await this.clock.sleep(restMs, signal).catch(() => undefined);
      await this.clock.sleep(dueMs - restMs, this.hurry.signal).catch(() => undefined);
    }
  }

  /** Begins the next reading at once, because somebody waits for a proof. */
  hasten(): void {
    this.hurry.abort(new Error("somebody waits for the catalog"));
  }

  /** Reads the catalog, in a reading that begins after the call. */
  async readAgain(): Promise<void> {
    await this.reading;
    await this.read();
  }

  private read(): Promise<void> {
    this.reading ??= this.readOnce().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async readOnce(): Promise<void> {
    const mark = this.frontier.mark();
    try {
      this.take(withoutScratch(await this.source.readCatalog()), mark);
      this.noteFailure(undefined);
    } catch (error) {
      // A defect stops the catalog alone: tables that are captured go on.
      this.noteFailure(messageOf(error), isTransient(error) ? undefined : error);
    }
  }

  private take(reading: CatalogReading, mark: Mark | undefined): void {
    const updated = this.tracker.update(reading);
    const missing = updated.missing.map(({ name }) => name);
    const isWhole = missing.length === 0;
    this.noteChanges(updated);
    this.noteUntold(reading, mark);
    this.onRead(reading, isWhole);
    this.noteMissing(missing);
    // Each server alone acknowledges databases, users and grants, however few it is connected to. So all must be heard.
    if (mark && isWhole) {
      this.prove(catalogStream, mark);
      if (reading.access) this.prove(accessStream, mark);
      this.told.set(catalogStream, mark);
      if (reading.access) this.told.set(accessStream, mark);
    }
    if (this.isRefused !== (reading.access === undefined)) {
      this.isRefused = reading.access === undefined;
      this.observer.accessRefused(this.isRefused);
    }
  }

  /**
   * What an epoch's first reading finds is labelled with the time after it. If nothing was known before, its proof
   * counts from there.
   */
  private prove(stream: string, mark: Mark): void {
    const { frontier, log } = this;
    if (this.live.has(stream)) {
      frontier.prove(stream, mark);
      return;
    }
    this.live.add(stream);
    const to = log.mark();
    const from = this.continued.get(stream);
    if (from) {
      frontier.record(stream, { state: "continued", since: from.to, at: to });
      frontier.resume(stream, from);
      frontier.prove(stream, mark);
      return;
    }
    frontier.record(stream, { state: "live", since: to });
    frontier.begin(stream, { to, atMs: mark.atMs });
  }

  /** The begin of the last reading that told all of a stream, also of one by the writer before. */
  private lastTold(stream: string): Mark | undefined {
    return this.told.get(stream) ?? this.continued.get(stream);
  }

  /** Writes down from when on what a reading has found changed may have been as it is. */
  private noteChanges({ changed, gone, isAccessChanged, at }: Updated): void {
    if (at === undefined) return;
    const last = this.lastTold(catalogStream);
    const bySince = new Map<Mark, { of: string[]; gone: string[] }>();
    for (const id of [...changed, ...gone]) {
      const since = this.untold.get(id) ?? last;
      if (!since) continue;
      const ids = bySince.get(since) ?? { of: [], gone: [] };
      bySince.set(since, ids);
      (gone.has(id) ? ids.gone : ids.of).push(id);
    }
    for (const [since, { of, gone: left }] of bySince) {
      const also = left.length > 0 ? { gone: left } : {};
      this.noteLate(catalogStream, since, at - 1, { of, ...also });
    }
    const ofAccess = this.lastTold(accessStream);
    const reason = "users or grants changed between two readings";
    if (isAccessChanged && ofAccess) this.noteLate(accessStream, ofAccess, at - 1, { reason });
  }

  /** What becomes of a table that a reading does not tell is not known from the reading before on. */
  private noteUntold(reading: CatalogReading, mark: Mark | undefined): void {
    const untold = untoldTables(reading);
    for (const id of this.untold.keys()) if (!untold.has(id)) this.untold.delete(id);
    const last = this.lastTold(catalogStream);
    for (const id of untold) {
      if (this.untold.has(id)) continue;
      if (last) this.noteLate(catalogStream, last, this.log.now, { of: [id] });
      const since = last ?? mark;
      if (since) this.untold.set(id, since);
    }
  }

  private noteLate(
    stream: string,
    after: Mark,
    to: Instant,
    more: { reason: string } | { of: string[]; gone?: string[] },
  ): void {
    const lateMs = this.frontier.latenessSince(after);
    if (to <= after.to) return;
    this.frontier.record(stream, { state: "late", since: after.to + 1, to, lateMs, ...more });
  }

  private noteMissing(names: string[]): void {
    if (names.join() !== this.missing.join()) this.observer.serversMissing(names);
    this.missing = names;
  }

  private noteFailure(failure: string | undefined, defect?: unknown): void {
    if (failure !== this.failure) this.observer.catalogUnreadable(failure, defect);
    this.failure = failure;
  }
}
