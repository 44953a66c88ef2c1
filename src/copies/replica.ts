/**
 * Keeps a copy up to date while this process captures. What the capture puts is put to the copy in the same order: its
 * segments from memory, as soon as they are closed, and everything else once the primary has it. What other processes
 * put is found by looking through the primary every few minutes.
 *
 * Invariant: an object is put only after everything that this process has put before it. Break it and a segment may
 * stand in the copy without the base that it tells of. Where the order is lost, because the copy was away for too long,
 * the copy is brought up to date by a RepositoryCopy, and what is put meanwhile follows it.
 *
 * A segment may be in the copy before it is in the primary, or without ever coming there. Such a segment is true: its
 * writer had the epoch, and has captured what it says. The next claim, which is put at the primary, does not continue
 * it and so shuts it out, in the copy as soon as the claim is copied. So nothing is lost if the primary is away, and
 * nothing has to be undone if it comes back.
 */
import type { Clock } from "../clock.js";
import { failureOf, getIfThere, type ObjectStore, putOnce } from "../storage/object-store.js";
import { type Amount, RepositoryCopy } from "./copy.js";
import { isSignal } from "./copy-order.js";
import { describedIn } from "./same-repository.js";

export interface ReplicaObserver {
  /** The copy is not brought up to date now. Called once until it is level again. */
  fails(error: unknown): void;
  /** The copy has everything. @param copied what it lacked @param ms how long that took */
  isLevel(copied: Amount, ms: number): void;
  /** What cannot be copied. */
  finds(object: string, what: string): void;
}

/** At most so many objects wait, and so many bytes of them in memory. */
const waitingMax = 20_000;
const heldBytesMax = 64 * 1024 * 1024;
/** How often the primary is looked through for what other processes have put. */
const lookEveryMs = 300_000;
/** The same where one of the two charges for requests: a look lists both, a page of a thousand names a request. */
const lookEveryChargedMs = 1_800_000;
/** Of so many objects at least it is remembered that they were put. */
const knownMax = 5000;
const pauseFirstMs = 1000;
const pauseLastMs = 30_000;

interface Waiting {
  name: string;
  /** Undefined if it is read from the primary when its turn comes. */
  bytes: Buffer | undefined;
}

/** What waits cannot be put in order any more. */
class OrderLost extends Error {}

export class Replica {
  private queue: Waiting[] = [];
  /** Names of what waits, and of what was put last. */
  private readonly known = new Set<string>();
  private heldBytes = 0;
  private hasOverflowed = false;
  /** The copy was there: from then on nothing new is made in its place. */
  private wasThere = false;
  private isFailing = false;
  private isClosing = false;
  private wake: () => void = () => undefined;
  private readonly told = new Set<string>();

  /**
   * @param primary where everything is, or will be
   * @param target the copy. Both take and give bytes as they are stored
   */
  constructor(
    private readonly primary: ObjectStore,
    private readonly target: ObjectStore,
    private readonly clock: Clock,
    private readonly observer: ReplicaObserver,
  ) {}

  /**
   * An object was put at the primary; or, with its bytes, it is about to be, and everything that it refers to was put.
   * Takes no time. May be called twice for the same object.
   */
  offer(name: string, bytes?: Buffer): void {
    if (isSignal(name) || this.known.has(name)) return;
    if (this.queue.length >= waitingMax) {
      this.forgetQueue();
      this.hasOverflowed = true;
    }
    const isHeld = bytes !== undefined && this.heldBytes + bytes.length <= heldBytesMax;
    if (isHeld) this.heldBytes += bytes.length;
    this.queue.push({ name, bytes: isHeld ? bytes : undefined });
    this.known.add(name);
    this.wake();
  }

  /** From now on `run` ends as soon as the copy has everything, or fails. */
  close(): void {
    this.isClosing = true;
    this.wake();
  }

  /** Keeps the copy up to date until the signal aborts, however often it fails. */
  async run(signal: AbortSignal): Promise<void> {
    let pauseMs = pauseFirstMs;
    while (!signal.aborted) {
      try {
        await this.follow(signal, () => {
          pauseMs = pauseFirstMs;
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof OrderLost) continue;
        if (!this.isFailing) this.observer.fails(error);
        this.isFailing = true;
        if (this.isClosing) return;
      }
      await this.clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, pauseLastMs);
    }
  }

  /** Brings the copy up to date, and keeps it so until it fails, or is closed. */
  private async follow(signal: AbortSignal, onLevel: () => void): Promise<void> {
    const { clock, primary, target } = this;
    const beganMs = clock.monotonicMs();
    // Thrown if a disk is away: nothing is made in its place.
    if (this.wasThere) await describedIn(target);
    // What is put from here on waits, and follows what is copied.
    if (this.hasOverflowed) this.forgetQueue();
    this.hasOverflowed = false;
    const copy = await RepositoryCopy.begin(primary, target, { signal });
    const copied = await copy.run();
    this.wasThere = true;
    await this.shipAll(signal);
    this.observer.isLevel(copied, clock.monotonicMs() - beganMs);
    this.isFailing = false;
    onLevel();
    const ended = new AbortController();
    const over = AbortSignal.any([signal, ended.signal]);
    const looking = this.lookThrough(copy, over);
    looking.catch((error: unknown) => ended.abort(error));
    try {
      while (!over.aborted) {
        await this.shipAll(over);
        if (this.isClosing && this.queue.length === 0) return;
        await this.offered(over);
      }
      if (ended.signal.aborted) throw ended.signal.reason;
    } finally {
      ended.abort(new Error("the copy is followed no more"));
      await looking.catch(() => undefined);
    }
  }

  /** Copies now and then what other processes have put. */
  private async lookThrough(copy: RepositoryCopy, over: AbortSignal): Promise<void> {
    const isCharged = this.primary.chargesRequests || this.target.chargesRequests;
    for (;;) {
      for (const { object, what } of copy.findings.values()) {
        if (this.told.has(object)) continue;
        this.told.add(object);
        this.observer.finds(object, what);
      }
      await this.clock.sleep(isCharged ? lookEveryChargedMs : lookEveryMs, over);
      try {
        await copy.run();
      } catch (error) {
        // While the primary is away, ticks go on to the copy. If it is the copy that fails, the next tick shows it.
        if (over.aborted || failureOf(error) === undefined) throw error;
      }
    }
  }

  private async shipAll(signal: AbortSignal): Promise<void> {
    if (this.hasOverflowed) throw this.orderLost();
    for (let next = this.queue[0]; next; next = this.queue[0]) {
      signal.throwIfAborted();
      const { name, bytes } = next;
      const given = bytes ?? (await getIfThere(this.primary, name, signal));
      // What stands for it is found by looking through the primary.
      if (!given) throw this.orderLost();
      await putOnce(this.target, name, given);
      if (this.hasOverflowed) throw this.orderLost();
      this.queue.shift();
      if (bytes) this.heldBytes -= bytes.length;
    }
    if (this.known.size > knownMax) this.known.clear();
  }

  private orderLost(): OrderLost {
    this.hasOverflowed = true;
    return new OrderLost("what waits cannot be put in order");
  }

  private forgetQueue(): void {
    this.queue = [];
    this.known.clear();
    this.heldBytes = 0;
  }

  /** Resolves when there is something to do. */
  private offered(signal: AbortSignal): Promise<void> {
    if (this.queue.length > 0 || this.isClosing || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        this.wake = () => undefined;
        resolve();
      };
      this.wake = done;
      signal.addEventListener("abort", done, { once: true });
    });
  }
}
