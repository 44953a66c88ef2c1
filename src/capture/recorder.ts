/**
 * The tick: at its end, what was captured becomes a segment. About every second, whatever the length of ticks,
 * everything that is watched is proven anew.
 *
 * Invariant: a proof counts for an instant only if all of it began after that instant. Break it and a dead connection,
 * or a feed that is behind, looks like a quiet table.
 */
import { type Clock, withTimeout } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { SentRequests } from "../format/segment.js";
import type { Instant } from "../instant.js";
import type { ClosedTick, LogWriter } from "../repository/log/log-writer.js";
import { idleSegmentMs } from "../repository/registers/idle-pace.js";
import type { Feed } from "../rethinkdb/feed.js";
import type { Source } from "../rethinkdb/source.js";
import { type TableReference, TableReplaced } from "../rethinkdb/table-reference.js";
import type { Surveyed } from "./delivery-proof.js";
import { Frontier, type Mark } from "./frontier.js";
import type { LogClock } from "./log-clock.js";
import { Surveys } from "./surveys.js";
import { type PaceChange, TickPace } from "./tick-pace.js";
import { isTransient } from "./transient.js";
import { troubleOf } from "./trouble.js";
import { type GoesOn, WatchedFeed } from "./watched-feed.js";

export interface RecorderOptions {
  /** The length of ticks. */
  tickMs: number;
  /** How long ticks may become while the store is slow. */
  tickMaxMs: number;
  /** A segment is written at least this often, so that "nothing happened" can be told from "nobody watched". */
  idleSegmentMs: number;
  /** Feeds and scans stop reading while the log holds more than this in memory. */
  pendingBytesMax: number;
  /** A feed is taken to be lost if for so long its connection does not answer, or it owes changes and stands still. */
  heartbeatMs: number;
  /** What this process has sent to the repository's store; absent if nobody counts. */
  requests?: (() => SentRequests) | undefined;
}

export interface RecorderObserver {
  /**
   * A tick is durable in the repository.
   * @param proofs up to where each stream is proven by it: by the ids of tables, and of the catalog and access
   */
  tickStored(tick: ClosedTick, proofs: ReadonlyMap<string, Instant>): void;
  /** True if reading stops, because memory and spool are full; false if there is room again, and it goes on. */
  readingStops(stops: boolean): void;
  /** Ticks are longer or shorter from now on. */
  tickAdapted(change: PaceChange): void;
  /**
   * The source does not say how much is written, so no table can be proven; undefined when it does again.
   * @param defect the error, if it is no trouble of the source
   */
  surveyFails(reason: string | undefined, defect?: unknown): void;
}

export const recorderDefaults: RecorderOptions = {
  tickMs: 1000,
  tickMaxMs: 1000,
  idleSegmentMs,
  pendingBytesMax: 64 * 1024 * 1024,
  heartbeatMs: 15_000,
};

type Surveying = ReturnType<Surveys["ask"]>;

/** The length of a tick while a caller waits for a frontier. */
const hurriedTickMs = 20;
/** How far apart proofs begin: half of what may lie between two of them. */
const proofEveryMs = 1000;
/** A survey that takes longer than this is not repeated for the sake of one table. */
const recountMsMax = 50;
/** How long the last proofs are waited for at the end of a capture. */
const lastProofMs = 2000;
/** The same if another process waits for these proofs, to go on without a gap. */
const lastProofForNextMs = 15_000;
const lastProofPauseMs = 100;
/** How long the store is waited for at the end of a capture. */
const lastShipMs = 15_000;
/** The shortest pause. Without a pause nothing else would get its turn. */
const pauseMsMin = 1;
/** How often a feed or scan that has stopped reading looks whether there is room again. */
const fullPollMs = 100;

export class Recorder {
  readonly frontier: Frontier;
  /** Called with each stream whose proof a caller waits for. */
  onAwaited: (stream: string) => void = () => undefined;
  /** Tables whose indexes may change without our knowledge (see untoldTables). Nothing of them is proven. */
  untold: ReadonlySet<string> = new Set();
  /** The wish that has been answered. What is proven after `since` is proven for the next writer too. */
  handedTo: { unique: string; since: Instant } | undefined;
  private readonly watched = new Map<string, WatchedFeed>();
  private readonly pace: TickPace;
  /** Ends the pause before the next tick. */
  private hurry = new AbortController();
  /** End of the last segment that held changes, until a later segment carries their proof. */
  private changesTo: Instant | undefined;
  private lastSegmentAt = Number.NEGATIVE_INFINITY;
  /** When proofs were last begun, and when the time before. */
  private askedMs = Number.NEGATIVE_INFINITY;
  private askedBeforeMs = Number.NEGATIVE_INFINITY;
  private readonly surveys: Surveys;
  private shipped: Promise<void> = Promise.resolve();
  private fail: (error: Error) => void = () => undefined;
  /** Rejects when a segment could not be stored; never resolves. */
  private readonly failure = new Promise<never>((_, reject) => {
    this.fail = reject;
  });

  constructor(
    readonly log: LogWriter,
    private readonly source: Pick<Source, "survey" | "servedElsewhere">,
    private readonly clock: Clock,
    private readonly logClock: LogClock,
    private readonly options: RecorderOptions,
    private readonly observer: RecorderObserver,
  ) {
    this.failure.catch(() => undefined);
    this.pace = new TickPace({ minMs: options.tickMs, maxMs: options.tickMaxMs });
    this.surveys = new Surveys(source, clock, (...why) => observer.surveyFails(...why));
    this.frontier = new Frontier(log, clock, logClock, (stream) => {
      this.hurry.abort(new Error("somebody waits for a tick"));
      this.onAwaited(stream);
    });
  }

  /**
   * Closes ticks until the signal aborts, then the last one. Rejects if a segment cannot be stored.
   * @param proveRest proves what has no feed, for an instant that has passed
   */
  async run(
    signal: AbortSignal,
    proveRest: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    signal.addEventListener("abort", () => this.hurry.abort(signal.reason), { once: true });
    const ticks = async () => {
      let lastTickMs = this.clock.monotonicMs();
      while (!signal.aborted) {
        this.hurry = new AbortController();
        const pauseMs = this.pauseMs(lastTickMs);
        await this.clock.sleep(pauseMs, this.hurry.signal).catch(() => undefined);
        if (signal.aborted) break;
        const now = this.clock.monotonicMs();
        const isDue = now - lastTickMs >= this.pace.tickMs;
        // While earlier segments wait for the store, more segments would serve no caller sooner.
        if (isDue || (this.frontier.isAwaited && !this.log.isShipping)) {
          lastTickMs = now;
          this.tick();
        } else if (now - this.askedMs >= this.proofGapMs) this.proveAll();
      }
      await this.closeLast(proveRest);
    };
    await Promise.race([ticks(), this.failure]);
  }

  private pauseMs(lastTickMs: number): number {
    const now = this.clock.monotonicMs();
    const toTick = lastTickMs + this.pace.tickMs - now;
    const toProof = this.askedMs + this.proofGapMs - now;
    const hurried = this.frontier.isAwaited ? hurriedTickMs : Number.POSITIVE_INFINITY;
    // Sums that differ in their last bit may disagree whether a tick is due. Then the pause would be 0 again and again.
    return Math.max(pauseMsMin, Math.min(hurried, toTick, toProof));
  }

  /** How far apart proofs begin, as long as nobody waits for one. */
  private get proofGapMs(): number {
    return Math.max(proofEveryMs, this.surveys.gapMs);
  }

  /** Closes two segments: one with what is left and, once that is proven, one that says so. */
  private async closeLast(proveRest: () => Promise<void>): Promise<void> {
    this.closeSegment(false);
    const { handedTo } = this;
    const prove = async () => {
      const untilMs = this.clock.monotonicMs() + lastProofForNextMs;
      do {
        await Promise.all([this.proveLast(), proveRest()]);
        if (!handedTo || this.frontier.hasPassed(handedTo.since)) return;
        await this.clock.sleep(lastProofPauseMs);
      } while (this.clock.monotonicMs() < untilMs);
    };
    const patienceMs = handedTo ? lastProofForNextMs : lastProofMs;
    await withTimeout(this.clock, patienceMs, prove(), () => new Error("no proof")).catch(
      () => undefined,
    );
    this.closeSegment(true);
    await withTimeout(this.clock, lastShipMs, this.shipped, () => notShipped());
  }

  /** Proves the last instant. Proofs that are under way prove only an earlier one, so it is proven after them. */
  private async proveLast(): Promise<void> {
    await this.proofs();
    // However soon after the ones before: without this proof the next writer cannot go on without a gap.
    this.askedMs = Number.NEGATIVE_INFINITY;
    this.proveAll();
    await this.proofs();
  }

  /** Resolves when the proofs that are under way have ended. */
  private async proofs(): Promise<void> {
    await Promise.all([...this.watched.values()].flatMap(({ proving }) => proving ?? []));
  }

  /** See TableLog. */
  watch(
    table: () => TableReference,
    feed: Feed,
    onLost: (reason: Error) => void,
    goesOn?: GoesOn,
  ): void {
    const { id } = table();
    if (goesOn) this.frontier.resume(id, goesOn.from);
    else this.frontier.begin(id, { to: this.log.mark(), atMs: this.clock.monotonicMs() });
    const { source, clock, options } = this;
    const context = { source, clock, heartbeatMs: options.heartbeatMs, isFull: () => this.isFull };
    this.watched.set(id, new WatchedFeed(context, table, feed, onLost, goesOn));
  }

  /** How long the last round trip on the table's feed took. It shows how busy the server is. */
  latencyMs(table: string): number {
    return this.watched.get(table)?.latencyMs ?? 0;
  }

  unwatch(table: string): void {
    const watched = this.watched.get(table);
    if (!watched) return;
    watched.end();
  }

  /** Ends the table's frontier. Why the table is not watched any more has been recorded, if it was covered at all. */
  forget(table: string): void {
    this.watched.delete(table);
    this.frontier.end(table);
  }

  /**
   * Resolves when there is room in memory for more of the log; rejects if the signal aborts first. Until then the
   * caller does not read, and its feed is not proven.
   */
  async room(signal: AbortSignal): Promise<void> {
    if (!this.isFull) return;
    this.closeSegment(false);
    this.observer.readingStops(true);
    while (this.isFull) {
      await this.clock.sleep(fullPollMs, signal);
    }
    this.observer.readingStops(false);
  }

  private get isFull(): boolean {
    return this.log.pendingBytes > this.options.pendingBytesMax;
  }

  private tick(): void {
    const now = this.clock.monotonicMs();
    const idle = now - this.lastSegmentAt >= this.options.idleSegmentMs;
    const { hasChanges, isShipping } = this.log;
    const owed = idle || this.frontier.owesSegment || this.owesProof;
    if (hasChanges || (owed && !isShipping)) {
      this.lastSegmentAt = now;
      this.closeSegment(false);
      this.changesTo = hasChanges ? this.log.closedTo : undefined;
    }
    this.proveAll();
  }

  private closeSegment(closed: boolean): void {
    const proofs = this.frontier.snapshot();
    const closedMs = this.clock.monotonicMs();
    const { handedTo } = this;
    const handed = closed && handedTo ? { handedTo: handedTo.unique } : {};
    const sent = this.options.requests?.();
    const requests = sent ? { requests: sent } : {};
    const told = { closed, ...handed, ...requests };
    const facts = { ...this.frontier.facts(), ...this.logClock.takeFacts(), ...told };
    const tick = this.log.closeTick(facts);
    this.shipped = tick.durable.then(
      () => {
        this.observer.tickStored(tick, proofs);
        this.frontier.noteDurable(proofs);
        const change = this.pace.note(this.clock.monotonicMs() - closedMs);
        if (change) this.observer.tickAdapted(change);
      },
      (error: Error) => this.fail(error),
    );
  }

  /** True if the last changes are stored and proven, but no segment says yet that they are proven. */
  private get owesProof(): boolean {
    return this.changesTo !== undefined && this.frontier.hasPassed(this.changesTo);
  }

  /** Begins a proof, for the present instant, of every feed that has no proof under way. */
  private proveAll(): void {
    const markedMs = this.clock.monotonicMs();
    if (markedMs - this.askedMs < this.surveys.gapMs) return;
    this.askedBeforeMs = this.askedMs;
    this.askedMs = markedMs;
    const mark = this.frontier.mark();
    const free = [...this.watched.values()].filter(({ feed, proving }) => feed && !proving);
    if (mark && free.length > 0) this.begin(mark, free);
    // Silence counts only up to when an answer was last asked for: this process may have stood still since.
    for (const watched of this.watched.values()) watched.check(this.askedBeforeMs);
  }

  private begin(mark: Mark, free: WatchedFeed[]): void {
    const survey = this.survey(free);
    for (const watched of free) {
      watched.proving = this.prove(watched, mark, survey).finally(() => {
        watched.proving = undefined;
        watched.isOwing = false;
      });
    }
  }

  private survey(watched: WatchedFeed[]): Surveying {
    return this.surveys.ask(
      watched.map(({ table, feed }) => ({ table: table(), delivered: feed!.delivered })),
    );
  }

  /** What the source says of the table, however long that takes. Until then the feed owes nothing. */
  private async surveyed(watched: WatchedFeed, survey: Surveying): Promise<Surveyed | undefined> {
    watched.isOwing = false;
    const surveyed = await (await survey).get(watched.table().id);
    watched.isOwing = true;
    return surveyed;
  }

  /**
   * Proves that everything acknowledged before `mark` has been delivered, as DeliveryProof finds out, and that the
   * feed's connection lives. A slow proof proves only the instant that it began after. Without a proof the frontier
   * stays.
   */
  private async prove(watched: WatchedFeed, mark: Mark, survey: Surveying): Promise<void> {
    const { table, delivery, stop } = watched;
    const { id } = table();
    const isTold = !this.untold.has(id);
    const recount = async () =>
      this.surveys.lastMs > recountMsMax
        ? undefined
        : this.surveyed(watched, this.survey([watched]));
    try {
      const answering = watched.answer();
      answering.catch(() => undefined);
      const surveyed = await this.surveyed(watched, survey);
      watched.noteConfirmed(surveyed !== undefined, mark.atMs);
      await answering;
      if (!surveyed || stop.signal.aborted) return;
      const isProven = await delivery.prove(surveyed, recount, stop.signal);
      if (isProven && isTold && watched.catchUp()) this.frontier.prove(id, mark);
    } catch (error) {
      // The feed lives on under the table's new name, which the next reading of the catalog tells.
      if (error instanceof TableReplaced) return;
      // A feed that is lost is reported by its own reader, or by the heartbeat.
      const isOurs = !isTransient(error) || troubleOf(error) === "defect";
      if (!stop.signal.aborted && isOurs) watched.giveUp(error as Error);
    }
  }
}

function notShipped(): Error {
  return new ThinkbackError("repository", "the repository's store did not take the last segments", {
    hint: "with --spool they are kept, and delivered at the next start; without it, what they held is a gap, unless a copy has it: a start with the same copies looks there first",
  });
}
