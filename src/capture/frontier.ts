/**
 * How far the capture of each table, of the catalog and of access is proven.
 *
 * Invariant: if two proofs of a stream lie further apart than the bound, the instants between them are written down as
 * late, in the same segment as the frontier that passes them or in an earlier one. Break it and an instant is called
 * exact although changes that had been acknowledged by then came much later.
 */
import type { Clock } from "../clock.js";
import type { CoverageRecord } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import type { LogWriter, TickFacts } from "../repository/log/log-writer.js";
import type { LogClock } from "./log-clock.js";

/** An instant is exact only if a proof that began after it ended at most so long after the previous proof. */
export const proofBoundMs = 2000;

/** The streams that are proven besides the tables. */
export const catalogStream = "catalog";
export const accessStream = "access";

/** An instant to be proven, or proven. */
export interface Mark {
  to: Instant;
  /** A moment of the monotonic clock that is not after it. */
  atMs: number;
}

/** How long ticks and proofs hurry for a waiting caller. After that they would only hold up what takes longer. */
const hurryMs = 2000;

interface Waiter {
  stream: string;
  after: Instant;
  sinceMs: number;
  resolve: (frontier: Instant) => void;
}

export class Frontier {
  /** The instant up to which each stream is proven: everything acknowledged by then has been delivered. */
  private readonly streams = new Map<string, Mark>();
  /** The proofs in durable segments. */
  private readonly durable = new Map<string, Instant>();
  private waiters: Waiter[] = [];
  /** The greatest proof of any table so far. */
  private greatest: Instant;

  /** @param onAwaited called with each stream whose proof a caller waits for */
  constructor(
    private readonly log: LogWriter,
    private readonly clock: Clock,
    private readonly logClock: LogClock,
    private readonly onAwaited: (stream: string) => void,
  ) {
    this.greatest = log.closedTo;
  }

  /** The present instant, for a proof that begins after it; undefined while the log's time is not settled. */
  mark(): Mark | undefined {
    const atMs = this.clock.monotonicMs();
    return this.logClock.isSettled ? { to: this.log.mark(), atMs } : undefined;
  }

  /** Watches a stream from `from.to` on. What is known of it was seen at `from.atMs`, which may be long before. */
  begin(stream: string, from: Mark): void {
    const { to, atMs } = from;
    const lateMs = Math.ceil(this.clock.monotonicMs() - atMs + this.log.aheadMs);
    if (lateMs > proofBoundMs) this.record(stream, { state: "late", since: to, to, lateMs });
    this.streams.set(stream, from);
  }

  /** Goes on from the last proof that another writer gave of a stream. */
  resume(stream: string, from: Mark): void {
    this.streams.set(stream, from);
  }

  end(stream: string): void {
    this.streams.delete(stream);
  }

  /** Takes a proof that began after `mark` and has ended now. */
  prove(stream: string, mark: Mark): void {
    const before = this.streams.get(stream);
    if (!before || mark.to <= before.to || !this.logClock.isSettled) return;
    const lateMs = this.latenessSince(before);
    if (lateMs > proofBoundMs) {
      this.record(stream, { state: "late", since: before.to + 1, to: this.log.now, lateMs });
    }
    this.streams.set(stream, mark);
  }

  /** By how many ms at most what happened after `mark` is labelled too late, if it is labelled now. */
  latenessSince({ to, atMs }: Mark): number {
    const { now, aheadMs } = this.log;
    return Math.ceil(Math.max(this.clock.monotonicMs() - atMs, now - to) + aheadMs);
  }

  record(stream: string, record: CoverageRecord): void {
    this.log.appendRecord("coverage", stream, record);
  }

  /** How far the stream is proven; the end of the last tick if it is not watched. */
  provenTo(stream: string): Instant {
    return this.streams.get(stream)?.to ?? this.log.closedTo;
  }

  /**
   * Facts for the footer of the segment that is closed next. The frontier is the tables' greatest proof, because tables
   * are many and are proven together. `lagging` names every stream whose proof is another, also the catalog and access.
   */
  facts(): Pick<TickFacts, "frontier" | "lagging" | "proofBoundMs"> {
    const proofs = [...this.streams];
    const tables = proofs.filter(([id]) => id !== catalogStream && id !== accessStream);
    const frontier = tables.reduce((most, [, { to }]) => Math.max(most, to), this.greatest);
    this.greatest = frontier;
    const others = proofs.filter(([, { to }]) => to !== frontier);
    const lagging = Object.fromEntries(others.map(([id, { to }]) => [id, to]));
    return { frontier, lagging, proofBoundMs };
  }

  /** Every stream that is watched. */
  get watched(): string[] {
    return [...this.streams.keys()];
  }

  /** The proofs that a segment closed now will hold. */
  snapshot(): Map<string, Instant> {
    return new Map([...this.streams].map(([id, { to }]) => [id, to]));
  }

  /** Takes the proofs of a segment that has become durable. */
  noteDurable(proofs: Map<string, Instant>): void {
    for (const [stream, provenTo] of proofs) this.durable.set(stream, provenTo);
    this.waiters = this.waiters.filter(({ stream, after, resolve }) => {
      const frontier = this.durable.get(stream) ?? Number.NEGATIVE_INFINITY;
      if (frontier < after) return true;
      resolve(frontier);
      return false;
    });
  }

  /** True if a caller waits that began to wait not long ago. */
  get isAwaited(): boolean {
    const now = this.clock.monotonicMs();
    return this.waiters.some(({ sinceMs }) => now - sinceMs < hurryMs);
  }

  /** True if a segment would give a waiting caller its proof. */
  get owesSegment(): boolean {
    return this.waiters.some(({ stream, after }) => this.provenTo(stream) >= after);
  }

  /** True if every stream is proven up to `instant`. */
  hasPassed(instant: Instant): boolean {
    return [...this.streams.values()].every(({ to }) => to >= instant);
  }

  /** Like `reaches`, but resolves after `ms` in any case. */
  async reachesWithin(
    ms: number,
    stream: string,
    after: Instant,
    signal: AbortSignal,
  ): Promise<void> {
    const patience = new AbortController();
    const ended = AbortSignal.any([signal, patience.signal]);
    const reached = this.reaches(stream, after, ended);
    try {
      await Promise.race([reached, this.clock.sleep(ms, signal)]);
    } finally {
      reached.catch(() => undefined);
      patience.abort(new Error("no longer waited for"));
    }
  }

  /** Resolves when the proof of `stream` is at or after `after`, and durable; rejects if the signal aborts first. */
  reaches(stream: string, after: Instant, signal: AbortSignal): Promise<Instant> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { stream, after, sinceMs: this.clock.monotonicMs(), resolve };
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
      this.onAwaited(stream);
    });
  }
}
