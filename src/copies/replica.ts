/**
 * Keeps a copy up to date while this process captures. What the capture puts is put to the copy in the same order: its
 * segments from memory, as soon as they are closed, and everything else once the primary has it. What other processes
 * put is found by looking through the primary every few minutes.
 *
 * Invariant: an object is put only after everything that this process has put before it, and after what it goes by:
 * key sets, settings and descriptions of lanes, which other processes put. It reads these before it puts what relies
 * on them, and they wait for their turn from then on. Break it and a segment may stand in the copy without the base
 * that it tells of, or the key set that opens it. What waits for a copy that was away is put in its order when the
 * copy is back, for which the primary need not be there. Where the order is lost, because the copy was away for too
 * long or is not as it was left, it is brought up to date by a RepositoryCopy, and what is put meanwhile follows it.
 *
 * A segment may be in the copy before it is in the primary, or without ever coming there. Such a segment is true: its
 * writer had the epoch, and has captured what it says. The next writer brings it to the primary before it claims, see
 * left-in-copies.ts. If the copy is away by then, the claim does not continue the segment and so shuts it out, in the
 * copy as soon as the claim is copied. So nothing is lost if the primary is away, and nothing has to be undone if it
 * comes back.
 */
import type { Clock } from "../clock.js";
import { failureOf, getIfThere, type ObjectStore, putOnce } from "../storage/object-store.js";
import { type Amount, RepositoryCopy } from "./copy.js";
import { isSignal, namesBefore, saysHowToRead } from "./copy-order.js";
import { refuseOther } from "./same-repository.js";

export interface ReplicaObserver {
  /** The copy is not brought up to date now. Called once until it is level again. */
  fails(error: unknown): void;
  /** The copy has everything. @param copied what it lacked @param ms how long that took */
  isLevel(copied: Amount, ms: number): void;
  /** The copy has everything that was put. Called after each time that something was. */
  keepsUp(): void;
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
  /** Somebody has put it, who may have put it at the copy too. */
  isHeeded: boolean;
}

/** What waits cannot be put in order any more. */
class OrderLost extends Error {}

export class Replica {
  private queue: Waiting[] = [];
  /** Names of what waits, and of what was put last. */
  private readonly known = new Set<string>();
  private heldBytes = 0;
  private hasOverflowed = false;
  /** Set once the copy was there: from then on nothing new is made in its place. */
  private copy: RepositoryCopy | undefined;
  /** The copy has all that was put before what waits, as far as this process can know. */
  private isInOrder = false;
  /** What was put last to the copy. */
  private lastPut: string | undefined;
  /** It is not known that the copy has everything. */
  private isBehind = true;
  private isFailing = false;
  private isClosing = false;
  /** The primary is being looked through. */
  private isLooking = false;
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
    if (!isSignal(name)) this.wait(name, bytes, false);
  }

  /** This process has read an object at the primary: what it puts from here on may rely on it. Takes no time. */
  heed(name: string, bytes: Buffer): void {
    if (saysHowToRead(name)) this.wait(name, bytes, true);
  }

  private wait(name: string, bytes: Buffer | undefined, isHeeded: boolean): void {
    if (this.known.has(name)) return;
    if (this.queue.length >= waitingMax) {
      this.forgetQueue();
      this.hasOverflowed = true;
    }
    const isHeld = bytes !== undefined && this.heldBytes + bytes.length <= heldBytesMax;
    if (isHeld) this.heldBytes += bytes.length;
    this.queue.push({ name, bytes: isHeld ? bytes : undefined, isHeeded });
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
        this.isBehind = true;
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
  private async follow(signal: AbortSignal, onShipped: () => void): Promise<void> {
    if (this.copy) await this.refuseGone(this.copy);
    const copy = this.copy && this.isInOrder ? this.copy : await this.compared(signal);
    await this.shipAll(signal);
    onShipped();
    const ended = new AbortController();
    const over = AbortSignal.any([signal, ended.signal]);
    const looking = this.lookThrough(copy, over);
    looking.catch((error: unknown) => ended.abort(error));
    try {
      while (!over.aborted) {
        await this.shipAll(over);
        if (!this.isBehind && this.queue.length === 0) this.observer.keepsUp();
        if (this.isOver) return;
        await this.offered(over);
      }
      if (ended.signal.aborted) throw ended.signal.reason;
    } finally {
      ended.abort(new Error("the copy is followed no more"));
      await looking.catch(() => undefined);
    }
  }

  /** Throws if the disk of the copy is away, where nothing is made in its place, or has another repository. */
  private async refuseGone({ description }: RepositoryCopy): Promise<void> {
    await refuseOther(this.target, description);
    if (this.lastPut === undefined || (await this.target.size(this.lastPut)) !== undefined) return;
    // An older state of the copy, or one that somebody has mirrored: what waits may follow a hole.
    this.isInOrder = false;
  }

  /** Copies what the copy lacks. What is put from here on waits, and follows what is copied. */
  private async compared(signal: AbortSignal): Promise<RepositoryCopy> {
    const { clock, primary, target } = this;
    const beganMs = clock.monotonicMs();
    if (this.hasOverflowed) this.forgetQueue();
    this.hasOverflowed = false;
    const copy = await RepositoryCopy.begin(primary, target, { signal });
    const copied = await copy.run();
    this.copy = copy;
    this.isInOrder = true;
    await this.shipAll(signal);
    this.noteLevel(copied, clock.monotonicMs() - beganMs);
    return copy;
  }

  private noteLevel(copied: Amount, ms: number): void {
    if (this.isBehind) this.observer.isLevel(copied, ms);
    this.isBehind = false;
    this.isFailing = false;
  }

  /**
   * Copies now and then what other processes have put; at once if the copy has failed meanwhile. While the primary is
   * away, ticks go on to the copy. If it is the copy that fails, the next tick shows it.
   */
  private async lookThrough(copy: RepositoryCopy, over: AbortSignal): Promise<void> {
    const isCharged = this.primary.chargesRequests || this.target.chargesRequests;
    for (let isDue = this.isBehind; ; isDue = true) {
      if (isDue) await this.look(copy, over);
      for (const { object, what } of copy.findings.values()) {
        if (this.told.has(object)) continue;
        this.told.add(object);
        this.observer.finds(object, what);
      }
      const lookMs = isCharged ? lookEveryChargedMs : lookEveryMs;
      await this.clock.sleep(this.isBehind ? pauseLastMs : lookMs, over);
    }
  }

  private async look(copy: RepositoryCopy, over: AbortSignal): Promise<void> {
    const beganMs = this.clock.monotonicMs();
    this.isLooking = true;
    try {
      const copied = await copy.run();
      this.noteLevel(copied, this.clock.monotonicMs() - beganMs);
    } catch (error) {
      // Otherwise it is not known any more that the two belong together.
      if (failureOf(error) === undefined) this.isInOrder = false;
      if (over.aborted || !this.isInOrder) throw error;
    } finally {
      this.isLooking = false;
      this.wake();
    }
  }

  /** Closing, and nothing is left to be done: a copy that is behind is looked through once more. */
  private get isOver(): boolean {
    return this.isClosing && this.queue.length === 0 && !(this.isBehind && this.isLooking);
  }

  private async shipAll(signal: AbortSignal): Promise<void> {
    if (this.hasOverflowed) throw this.orderLost();
    for (let next = this.queue[0]; next; next = this.queue[0]) {
      signal.throwIfAborted();
      const { name, bytes, isHeeded } = next;
      const given = bytes ?? (await getIfThere(this.primary, name, signal));
      // What stands for it is found by looking through the primary.
      if (!given) throw this.orderLost();
      if (isHeeded) await this.shipHeeded(name, given, signal);
      else {
        await putOnce(this.target, name, given);
        this.lastPut = name;
      }
      if (this.hasOverflowed) throw this.orderLost();
      this.queue.shift();
      if (bytes) this.heldBytes -= bytes.length;
    }
    if (this.known.size > knownMax) this.known.clear();
  }

  /** Puts what the copy lacks and what is whole: it may be there from a look, and may be damaged at the primary. */
  private async shipHeeded(name: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    if ((await this.target.size(name)) !== undefined) return;
    if (this.copy?.wrongIn(name, bytes) !== undefined) {
      // Nobody goes by it. When it is read again it may be whole.
      this.known.delete(name);
      return;
    }
    for (const before of namesBefore(name)) {
      if ((await this.target.size(before)) !== undefined) continue;
      const found = await getIfThere(this.primary, before, signal);
      if (!found) break;
      await this.shipHeeded(before, found, signal);
    }
    await putOnce(this.target, name, bytes);
  }

  private orderLost(): OrderLost {
    this.hasOverflowed = true;
    this.isInOrder = false;
    return new OrderLost("what waits cannot be put in order");
  }

  private forgetQueue(): void {
    this.queue = [];
    this.known.clear();
    this.heldBytes = 0;
  }

  /** Resolves when there is something to do. */
  private offered(signal: AbortSignal): Promise<void> {
    if (this.queue.length > 0 || this.isOver || signal.aborted) return Promise.resolve();
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
