/**
 * The tick: every so often what was captured becomes a segment, and what is proven becomes the frontier.
 *
 * Invariant: a frontier is stored only after a round trip, on the connection of the table's own feed, that began at or
 * after it. Break it and a dead connection looks like a quiet table.
 */
import { type Clock, withTimeout } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import type { CoverageRecord } from "../repository/coverage.js";
import type { LogWriter, TickFacts } from "../repository/log-writer.js";
import type { Feed } from "../rethinkdb/feed.js";
import { StoreFull } from "../storage/object-store.js";
import type { LogClock } from "./log-clock.js";
import { type PaceChange, TickPace } from "./tick-pace.js";

export interface RecorderOptions {
  /** The length of ticks; and how long they may become while the store is slow. */
  tickMs: number;
  tickMaxMs: number;
  /** A segment is written at least this often, so that "nothing happened" can be told from "nobody watched". */
  idleSegmentMs: number;
  /** Feeds and walks stop reading while the log holds more than this in memory. */
  pendingBytesMax: number;
  /** A feed that could not be proven for so long is taken to be lost. */
  heartbeatMs: number;
}

export interface RecorderObserver {
  /** Memory and spool are full, so reading stops; or there is room again, and it goes on. */
  readingStops(stops: boolean): void;
  /** Ticks are longer or shorter from now on. */
  tickAdapted(change: PaceChange): void;
}

export const recorderDefaults: RecorderOptions = {
  tickMs: 1000,
  tickMaxMs: 1000,
  idleSegmentMs: 10_000,
  pendingBytesMax: 64 * 1024 * 1024,
  heartbeatMs: 15_000,
};

/** A tick while somebody waits for a frontier. */
const hurriedTickMs = 20;
/** At the end of a capture, how long the last round trips are waited for. */
const lastProofMs = 2000;

/** And how long the store is waited for. */
const lastShipMs = 15_000;

/** Labels that are late by less are not worth a word. */
const lateMsMin = 1000;

/** How often a reader that has stopped looks whether there is room again. */
const fullPollMs = 100;

interface WatchedFeed {
  /** Undefined once the feed is gone; the frontier then stays, until a coverage record says why. */
  feed: Feed | undefined;
  stop: AbortController;
  /** The greatest tick end that is proven. */
  proven: Instant;
  /** The round trip under way, and the tick end that the last one proves. */
  answering: Promise<void> | undefined;
  answeredTo: Instant;
  /** The wait for an empty queue, and the tick end that the last one proves. */
  draining: Promise<void> | undefined;
  drainedTo: Instant;
  /** When a round trip last came back, and how long it took; by the monotonic clock. */
  lastAnswerMs: number;
  latencyMs: number;
  /** Called once when the heartbeat is missed. */
  onSilent: () => void;
}

interface FrontierWaiter {
  table: string;
  after: Instant;
  resolve: (frontier: Instant) => void;
}

export class Recorder {
  private readonly watched = new Map<string, WatchedFeed>();
  private readonly pace: TickPace;
  private waiters: FrontierWaiter[] = [];
  /** Ends the pause before the next tick. */
  private hurry = new AbortController();
  /** The greatest proof of any feed so far. */
  private frontier: Instant;
  /** End of the last segment that held changes, until a later segment carries their proof. */
  private changesTo: Instant | undefined;
  private lastSegmentAt = Number.NEGATIVE_INFINITY;
  /** When the tick before was closed, and with it the feeds were asked for a round trip. */
  private askedMs = Number.NEGATIVE_INFINITY;
  /** Proofs that stand in durable segments, by table. */
  private readonly durable = new Map<string, Instant>();
  private shipped: Promise<void> = Promise.resolve();
  private fail: (error: Error) => void = () => undefined;
  /** Rejects when a segment could not be stored; never resolves. */
  private readonly failure = new Promise<never>((_, reject) => {
    this.fail = reject;
  });

  constructor(
    readonly log: LogWriter,
    private readonly clock: Clock,
    private readonly logClock: LogClock,
    private readonly options: RecorderOptions,
    private readonly observer: RecorderObserver,
  ) {
    this.failure.catch(() => undefined);
    this.pace = new TickPace({ minMs: options.tickMs, maxMs: options.tickMaxMs });
    this.frontier = log.closedTo;
  }

  /** Closes ticks until the signal aborts; then one last. Rejects if a segment cannot be stored. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.hurry.abort(signal.reason), { once: true });
    const ticks = async () => {
      let lastTick = this.clock.monotonicMs();
      while (!signal.aborted) {
        this.hurry = new AbortController();
        const pauseMs = this.waiters.length > 0 ? hurriedTickMs : this.pace.tickMs;
        const sleepMs = Math.min(pauseMs, this.pace.tickMs);
        await this.clock.sleep(sleepMs, this.hurry.signal).catch(() => undefined);
        // Nobody is served sooner by more segments while those before wait for the store.
        const due = this.clock.monotonicMs() - lastTick >= this.pace.tickMs;
        if (signal.aborted || (this.log.isShipping && !due)) continue;
        lastTick = this.clock.monotonicMs();
        this.tick();
      }
      await this.closeLast();
    };
    await Promise.race([ticks(), this.failure]);
  }

  /** Two segments: one with what is left, and, once that is proven, one that says so. */
  private async closeLast(): Promise<void> {
    this.closeSegment(false);
    const to = this.log.closedTo;
    const proofs = Promise.all([...this.watched.values()].map((one) => this.proveLast(one, to)));
    await withTimeout(this.clock, lastProofMs, proofs, () => new Error("no proof")).catch(
      () => undefined,
    );
    this.closeSegment(true);
    await withTimeout(this.clock, lastShipMs, this.shipped, () => notShipped());
  }

  /** What is under way proves an earlier tick only, and is not waited for. */
  private async proveLast(watched: WatchedFeed, to: Instant): Promise<void> {
    watched.answering = undefined;
    watched.draining = undefined;
    await this.prove(watched, to);
  }

  /** From now on the table's frontier follows from round trips on `feed`; `onSilent` is told if they cease. */
  watch(table: string, feed: Feed, onSilent: () => void): void {
    const { closedTo } = this.log;
    this.watched.set(table, {
      feed,
      stop: new AbortController(),
      proven: closedTo,
      answering: undefined,
      answeredTo: closedTo,
      draining: undefined,
      drainedTo: closedTo,
      lastAnswerMs: this.clock.monotonicMs(),
      latencyMs: 0,
      onSilent,
    });
  }

  /** How long the last round trip on the table's feed took: how busy the server is. */
  latencyMs(table: string): number {
    return this.watched.get(table)?.latencyMs ?? 0;
  }

  unwatch(table: string): void {
    const watched = this.watched.get(table);
    if (!watched) return;
    watched.feed = undefined;
    watched.stop.abort(new Error("the feed is gone"));
  }

  /** How far the table's capture is proven now; before any proof, the end of the tick before its watch. */
  provenTo(table: string): Instant {
    return this.watched.get(table)?.proven ?? this.log.closedTo;
  }

  recordCoverage(table: string, record: CoverageRecord): void {
    this.log.appendRecord("coverage", table, record);
    if (record.state === "hole" || record.state === "dropped") this.watched.delete(table);
  }

  /** Resolves when the frontier of `table` is at or after `after`, and durable; rejects if the signal aborts first. */
  frontierReaches(table: string, after: Instant, signal: AbortSignal): Promise<Instant> {
    return new Promise((resolve, reject) => {
      const waiter: FrontierWaiter = { table, after, resolve };
      this.waiters.push(waiter);
      const giveUp = () => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        reject(signal.reason as Error);
      };
      waiter.resolve = (frontier) => {
        signal.removeEventListener("abort", giveUp);
        resolve(frontier);
      };
      if (signal.aborted) giveUp();
      else signal.addEventListener("abort", giveUp, { once: true });
      this.hurry.abort(new Error("somebody waits for a tick"));
    });
  }

  /**
   * Resolves when there is room in memory for more of the log; rejects if the signal aborts first. Until then the
   * caller does not read, and its feed is not proven.
   */
  async room(signal: AbortSignal): Promise<void> {
    if (this.log.pendingBytes <= this.options.pendingBytesMax) return;
    this.closeSegment(false);
    this.observer.readingStops(true);
    while (this.log.pendingBytes > this.options.pendingBytesMax) {
      await this.clock.sleep(fullPollMs, signal);
    }
    this.observer.readingStops(false);
  }

  private tick(): void {
    const now = this.clock.monotonicMs();
    const idle = now - this.lastSegmentAt >= this.options.idleSegmentMs;
    const { hasChanges, isShipping } = this.log;
    const awaited = this.waiters.some(({ table, after }) => this.provenTo(table) >= after);
    const owed = idle || awaited || this.owesProof();
    const wanted = hasChanges || (owed && !isShipping);
    if (wanted) {
      this.lastSegmentAt = now;
      this.closeSegment(false);
      this.changesTo = hasChanges ? this.log.closedTo : undefined;
    } else {
      // Nothing to store, but the feeds are proven all the same: the next segment says so.
      this.proveAll(this.log.mark());
    }
    // A tick may be longer than the heartbeat: silence counts up to when an answer was last asked for.
    for (const watched of this.watched.values()) this.checkHeartbeat(watched, this.askedMs);
    this.askedMs = now;
  }

  private closeSegment(closed: boolean): void {
    this.noteLabelledLate();
    const facts = this.facts(closed);
    const tables = new Map([...this.watched].map(([id, { proven }]) => [id, proven]));
    const closedMs = this.clock.monotonicMs();
    const { to, durable } = this.log.closeTick(facts);
    this.shipped = durable.then(
      () => {
        this.noteDurable(tables);
        const change = this.pace.note(this.clock.monotonicMs() - closedMs);
        if (change) this.observer.tickAdapted(change);
      },
      (error: unknown) => this.fail(explainPut(error)),
    );
    this.proveAll(to);
  }

  /** While labels stand still, because a clock that was set back was followed, they are too late. */
  private noteLabelledLate(): void {
    const { aheadMs: lateMs, closedTo, time: to } = this.log;
    if (lateMs <= lateMsMin) return;
    for (const table of this.watched.keys()) {
      this.recordCoverage(table, { state: "late", since: closedTo + 1, to, lateMs });
    }
  }

  /** True if the last changes are stored and proven, but no segment says the latter yet. */
  private owesProof(): boolean {
    const { changesTo } = this;
    if (changesTo === undefined) return false;
    return [...this.watched.values()].every(({ feed, proven }) => !feed || proven >= changesTo);
  }

  private proveAll(to: Instant): void {
    for (const watched of this.watched.values()) void this.prove(watched, to);
  }

  private facts(closed: boolean): TickFacts {
    let { frontier } = this;
    for (const { proven } of this.watched.values()) frontier = Math.max(frontier, proven);
    this.frontier = frontier;
    const lagging: Record<string, Instant> = {};
    for (const [id, watched] of this.watched) {
      if (watched.proven < frontier) lagging[id] = watched.proven;
    }
    const { logClock } = this;
    return { frontier, lagging, proofBoundMs: 2000, ...logClock.takeFacts(), closed };
  }

  /**
   * Two things prove a feed up to `to`: a round trip on its connection, and that the server's queue for it was empty,
   * both begun after `to`. One of each at a time; a slow one proves the tick it began after, and no later one.
   * Resolves when those that are under way have ended.
   */
  private async prove(watched: WatchedFeed, to: Instant): Promise<void> {
    const { feed, stop } = watched;
    // Until it is known what the time is, nothing is proven.
    if (!feed || !this.logClock.isSettled) return;
    const began = this.clock.monotonicMs();
    watched.answering ??= feed.roundTrip().then(
      () => {
        watched.answering = undefined;
        watched.lastAnswerMs = this.clock.monotonicMs();
        watched.latencyMs = watched.lastAnswerMs - began;
        watched.answeredTo = Math.max(watched.answeredTo, to);
        this.settle(watched);
      },
      () => {
        // Without proof the frontier stays; a feed that is lost is reported by its own reader or by the heartbeat.
        watched.answering = undefined;
      },
    );
    watched.draining ??= feed.drained(this.clock, stop.signal).then(
      () => {
        watched.draining = undefined;
        watched.drainedTo = Math.max(watched.drainedTo, to);
        this.settle(watched);
      },
      () => {
        watched.draining = undefined;
      },
    );
    await Promise.all([watched.answering, watched.draining]);
  }

  private settle(watched: WatchedFeed): void {
    if (!watched.feed || !this.logClock.isSettled) return;
    watched.proven = Math.min(watched.answeredTo, watched.drainedTo);
  }

  private checkHeartbeat(watched: WatchedFeed, askedMs: number): void {
    if (!watched.feed || askedMs - watched.lastAnswerMs <= this.options.heartbeatMs) return;
    watched.feed = undefined;
    watched.onSilent();
  }

  private noteDurable(proofs: Map<string, Instant>): void {
    for (const [table, proven] of proofs) this.durable.set(table, proven);
    this.waiters = this.waiters.filter(({ table, after, resolve }) => {
      const frontier = this.durable.get(table) ?? Number.NEGATIVE_INFINITY;
      if (frontier < after) return true;
      resolve(frontier);
      return false;
    });
  }
}

function notShipped(): Error {
  return new ThinkbackError("repository", "the repository's store did not take the last segments", {
    hint: "with --spool they are kept and delivered at the next start; without, what they held is a hole",
  });
}

function explainPut(error: unknown): Error {
  if (error instanceof StoreFull) {
    return new ThinkbackError("full", `capture stopped: ${error.message}`, {
      hint: "make room in the repository's store and start again; every closed tick is safe",
      cause: error,
    });
  }
  if (error instanceof ThinkbackError) return error;
  return new ThinkbackError(
    "repository",
    `capture stopped: cannot write to the repository: ${messageOf(error)}`,
    {
      hint: "check the repository's store and start again; every closed tick is safe",
      cause: error,
    },
  );
}
