/**
 * A worker's claim on a recovery: renewed by an event every few seconds, lost when somebody else has put an event.
 *
 * Invariant: a worker that cannot prove that its claim lasts stops its command before another worker may begin. So the
 * command is stopped when the last renewal was begun a while ago by either clock, because a machine that slept may
 * not count the time of its sleep. What a command still does after that, its own guards hold; see decision 54.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock.js";
import type { CommandProgress } from "../commands.js";
import type { Waker } from "../coordination/wake.js";
import { ThinkbackError } from "../errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Change, nextEvent } from "./changes.js";
import {
  type Actor,
  putEvent,
  type RecoveryEvent,
  readEvent,
  readEventIfThere,
  type WorkerClaim,
} from "./events.js";
import { WakeUps } from "./wake-ups.js";

/**
 * How long a command may go on after its worker could last have said that it is there: it notices within 15 s, and ends
 * within 10 s and what is under way; see tell-progress.ts.
 */
const endMsMax = 26_000;
/**
 * So long beyond two events that are due a worker takes its claim to last. It stops then; and it may stand still just
 * before that, and come back for moments only. So others wait for as long as its command may go on besides.
 */
const lastingMsMore = 10_000;
/** The more time a recovery has taken, the more rarely it is told how far it is: each time after 1/30 more. */
const tellShare = 1 / 30;
const tellMsMax = 30_000;
const watchMs = 1000;

export type Who = Omit<WorkerClaim, "silentMs">;

export class Claim {
  /** Aborts when the claim is lost: the command has to be stopped at once. */
  readonly lost = new AbortController();
  /** Aborts when somebody has cancelled the recovery. */
  readonly cancelled = new AbortController();
  progress: CommandProgress | undefined;
  /** The event by which it was claimed. */
  readonly begun: RecoveryEvent;
  private readonly ended = new AbortController();
  private readonly beganMs: number;
  private renewedMs: number;
  private renewedAt: number;
  private putting: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    private readonly who: Who,
    private readonly tellMs: number,
    public last: RecoveryEvent,
    at: { monotonicMs: number; wallMs: number },
  ) {
    this.begun = last;
    this.beganMs = at.monotonicMs;
    this.renewedMs = at.monotonicMs;
    this.renewedAt = at.wallMs;
  }

  /**
   * Claims a recovery.
   * @param tellMs how often the store should get an event at most
   * @returns undefined if another process was faster; if the recovery was begun too often, the event that has parked it
   */
  static async of(
    store: ObjectStore,
    clock: Clock,
    who: Who,
    tellMs: number,
    last: RecoveryEvent,
  ): Promise<Claim | RecoveryEvent | undefined> {
    const at = { monotonicMs: clock.monotonicMs(), wallMs: clock.now() };
    const worker = { ...who, silentMs: silentMsOf(tellMs) };
    const event = nextEvent(last, { kind: "claim", worker }, actorOf(who), at.wallMs);
    if (!(await putEvent(store, event))) return undefined;
    if (event.state === "parked") return event;
    const claim = new Claim(store, clock, who, tellMs, event, at);
    void claim.watch();
    return claim;
  }

  /**
   * Puts the event that makes a change, after those that are under way.
   * @throws if the claim is lost, or the recovery was cancelled and the change is not possible any more
   */
  put(change: Change): Promise<void> {
    const putting = this.putting.then(() => this.putNow(change));
    this.putting = putting.catch(() => undefined);
    return putting;
  }

  private async putNow(change: Change): Promise<void> {
    for (;;) {
      this.lost.signal.throwIfAborted();
      const [monotonicMs, at] = [this.clock.monotonicMs(), this.clock.now()];
      const event = nextEvent(this.last, change, actorOf(this.who), at);
      const isPut = await putEvent(this.store, event);
      const there = isPut ? event : await readEvent(this.store, event.id, event.number);
      // If the store's answer was lost, the event that is in the way is the very one.
      if (isDeepStrictEqual(there, event)) {
        this.last = event;
        this.renewedMs = monotonicMs;
        this.renewedAt = at;
        return;
      }
      this.take(there);
    }
  }

  /** Takes an event that stands where the next of this claim would. */
  private take(event: RecoveryEvent): void {
    const isOwn = event.by.via === "worker" && event.by.name === this.who.unique;
    const isCancelled = event.state === "cancelled" && event.worker?.unique === this.who.unique;
    if (!isOwn && !isCancelled) {
      this.lost.abort(new ClaimLost(event));
      this.lost.signal.throwIfAborted();
    }
    this.last = event;
    if (isCancelled) this.cancelled.abort(new Error(`recovery ${event.id} was cancelled`));
  }

  /** Renews the claim until it is lost or ended. Never rejects. */
  async keep(waker: Waker): Promise<void> {
    const over = AbortSignal.any([this.lost.signal, this.cancelled.signal, this.ended.signal]);
    const wakeUps = new WakeUps(this.clock, waker);
    while (!over.aborted) {
      await wakeUps.wait(this.tellMs, over);
      // A store that fails is asked again; if it fails for too long, the watch ends it.
      if (!over.aborted) await this.renew().catch(() => undefined);
    }
    wakeUps.end();
  }

  private async renew(): Promise<void> {
    const pace = this.pace();
    if (this.clock.monotonicMs() - this.renewedMs >= pace) {
      const worker = { ...this.who, silentMs: silentMsOf(pace) };
      const { progress } = this;
      await this.put({ kind: "tell", worker, ...(progress ? { progress } : {}) });
      return;
    }
    const next = await readEventIfThere(this.store, this.last.id, this.last.number + 1);
    // Of this worker's own, the put that is under way says so.
    if (next && next.by.name !== this.who.unique) this.take(next);
  }

  /** How long after the last event the next one is due, in ms. */
  private pace(): number {
    const took = this.clock.monotonicMs() - this.beganMs;
    return Math.max(this.tellMs, Math.min(tellMsMax, took * tellShare));
  }

  private async watch(): Promise<void> {
    const over = AbortSignal.any([this.lost.signal, this.ended.signal]);
    while (!over.aborted) {
      await this.clock.sleep(watchMs, over).catch(() => undefined);
      const { silentMs = 0 } = this.last.worker ?? {};
      const passed = Math.max(
        this.clock.monotonicMs() - this.renewedMs,
        this.clock.now() - this.renewedAt,
      );
      if (over.aborted || this.cancelled.signal.aborted) return;
      if (passed > silentMs - endMsMax) this.lost.abort(new ClaimLost(this.last));
    }
  }

  /** Renews no more. */
  end(): void {
    this.ended.abort(new Error("the work has ended"));
  }
}

class ClaimLost extends ThinkbackError {
  constructor({ id, number }: RecoveryEvent) {
    super(
      "fenced",
      `the claim on recovery ${id} is lost: event ${number} is the last that is known`,
      {
        hint: "another process goes on with it, or the store does not answer",
      },
    );
  }
}

const actorOf = ({ unique }: Who): Actor => ({ name: unique, via: "worker" });

/** A worker that tells rarely may be silent for longer; and one event may be late. */
const silentMsOf = (paceMs: number) => Math.ceil(2 * paceMs) + lastingMsMore + endMsMax;
