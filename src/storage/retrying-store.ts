/**
 * A store that asks the store below again while that is unavailable, and that never waits for an answer without end.
 *
 * Invariant: a put rejects with ObjectExists only if another process put the object. The reply to a try may be lost
 * after the object was stored, and the next try then finds the name taken; so the object is read back and compared.
 * Break it and a process takes itself for another one, and gives up what it owns.
 */
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import {
  failureOf,
  getIfThere,
  type ListOptions,
  needsOperator,
  type ObjectStore,
  type Range,
  type Sealing,
  type StoredObject,
  StoreUnavailable,
  type Tail,
} from "./object-store.js";
import { heard, listenTo, queued } from "./progress.js";

export interface Patience {
  /** How long a store may be unavailable before that is an error. It is asked at least twice. */
  patienceMs: number;
  /** How long nothing may be heard of it, instead of a minute. Then it is not asked again: another place is. */
  answerMs?: number;
  /** Also wait while the store is full or forbidden. */
  waitsForOthers?: boolean;
}

/** For a command whose end somebody may be waiting for. */
export const patienceDefault: Patience = { patienceMs: 60_000 };

/** For callers that wait and retry by themselves: a lost reply is made up for by a second try, and nothing hangs. */
export const impatient: Patience = { patienceMs: 0 };

/** For work of hours, which must not be lost because a disk or a network is away. */
export const endless: Patience = { patienceMs: Number.POSITIVE_INFINITY };

const pauseFirstMs = 200;
const pauseLastMs = 15_000;
/**
 * How long nothing may be heard of a try at first. It is doubled after each try that took too long, because the line
 * may be slow.
 */
const answerMs = 60_000;
/** How long nothing may be heard at most. */
const answerMsMax = 600_000;
/**
 * Of what is sent nothing is heard until all of it has arrived. So a put is given the time that its bytes take at this
 * speed besides; the speed is halved for later puts when that was not enough, and learned from those that succeed.
 */
const bytesPerMsMax = 128;
const bytesPerMsMin = 4;
/** What is smaller tells nothing of the speed. */
const tellingBytes = 256 * 1024;
/** How long a try of `tidy` may take, because it goes through the whole store. */
const tidyMs = 1_800_000;
/** How many objects of a listing make a page, which is waited for as a whole. */
const pageObjects = 256;
/**
 * At most so many tries may be stuck: given up, but still under way. A system call on a hanging disk cannot be
 * cancelled, and occupies one of the few threads that other disks need as well.
 */
const stuckMax = 2;

export class RetryingStore implements ObjectStore {
  readonly location: string;
  readonly sealing: Sealing | undefined;
  readonly mayOverwrite: boolean;
  readonly lockMs: number | undefined;
  readonly extendLock?: NonNullable<ObjectStore["extendLock"]>;
  readonly chargesRequests?: true;
  readonly firstMissing?: NonNullable<ObjectStore["firstMissing"]>;
  readonly deleteMany?: NonNullable<ObjectStore["deleteMany"]>;
  readonly tidy?: NonNullable<ObjectStore["tidy"]>;
  readonly keepRoom?: NonNullable<ObjectStore["keepRoom"]>;
  readonly putUrgently?: NonNullable<ObjectStore["putUrgently"]>;
  readonly replace?: NonNullable<ObjectStore["replace"]>;
  readonly storedAt?: NonNullable<ObjectStore["storedAt"]>;
  private stuck = 0;
  /** How fast puts are taken to be sent at least. */
  private bytesPerMs = bytesPerMsMax;

  /** @param stopped when it aborts, calls reject and nothing is asked again */
  constructor(
    private readonly below: ObjectStore,
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly patience: Patience = patienceDefault,
    private readonly stopped?: AbortSignal,
  ) {
    this.location = below.location;
    this.mayOverwrite = below.mayOverwrite === true;
    this.lockMs = below.lockMs;
    if (below.extendLock) {
      this.extendLock = (name, until, signal) =>
        this.retried((ending) => below.extendLock!(name, until, ending), signal);
    }
    if (below.chargesRequests) this.chargesRequests = true;
    if (below.replace) {
      this.replace = (name, bytes, signal) =>
        this.retried((ending) => below.replace!(name, bytes, ending), signal);
    }
    if (below.storedAt) {
      this.storedAt = (name, signal) =>
        this.retried((ending) => below.storedAt!(name, ending), signal);
    }
    if (below.firstMissing) {
      this.firstMissing = (names, signal) =>
        this.retried((ending) => below.firstMissing!(names, ending), signal);
    }
    if (below.deleteMany) {
      this.deleteMany = (names, signal) =>
        this.retried((ending) => below.deleteMany!(names, ending), signal);
    }
    if (below.tidy) {
      this.tidy = (writtenBefore, signal) =>
        this.retried((ending) => below.tidy!(writtenBefore, ending), signal, tidyMs);
    }
    if (below.keepRoom) {
      this.keepRoom = (signal) => this.retried((ending) => below.keepRoom!(ending), signal);
    }
    const puts = this.stored;
    if (puts.putUrgently) {
      this.putUrgently = (name, bytes, signal) =>
        this.putBy(puts.putUrgently!.bind(puts), name, bytes, signal);
    }
    const { sealing } = below;
    this.sealing = sealing && {
      ...sealing,
      renewKeys: (doing) => this.retried(() => sealing.renewKeys(doing), undefined),
      below: new RetryingStore(sealing.below, clock, random, patience, stopped),
    };
  }

  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.putBy(this.stored.put.bind(this.stored), name, bytes, signal);
  }

  /** The store that takes bytes as they are stored: each try of a put MUST give it the same ones. */
  private get stored(): ObjectStore {
    return this.below.sealing?.below ?? this.below;
  }

  get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    return this.retried((ending) => this.below.get(name, range, ending), signal);
  }

  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    return this.retried((ending) => this.below.tail(name, bytes, ending), signal);
  }

  size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.retried((ending) => this.below.size(name, ending), signal);
  }

  /** Lists page by page. A page that fails is asked for again, from the last name that was yielded. */
  async *list(prefix: string, { after, signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    let last = after;
    let listing: Listing | undefined;
    try {
      for (;;) {
        const objects = await this.retried(async (ending) => {
          listing ??= new Listing(this.below, prefix, last);
          const reading = listing;
          // Kept only if the page succeeds: a listing that failed or was given up is not read any further.
          listing = undefined;
          const page = await reading.page(ending);
          if (!reading.isOver) listing = reading;
          return page;
        }, signal);
        yield* objects;
        if (!listing) return;
        last = objects.at(-1)?.name ?? last;
      }
    } finally {
      listing?.end();
    }
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.retried((ending) => this.below.delete(name, ending), signal);
  }

  private async putBy(
    put: ObjectStore["put"],
    name: string,
    given: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const bytes = this.below.sealing?.seal(name, Buffer.from(given)) ?? given;
    let isInDoubt = false;
    const waitMs = (this.patience.answerMs ?? answerMs) + bytes.length / this.bytesPerMs;
    return this.retried(
      async (ending) => {
        const wasInDoubt = isInDoubt;
        const begun = this.clock.monotonicMs();
        try {
          // Set before the put: a try that is given up may still store the object.
          isInDoubt = true;
          await put(name, bytes, ending);
          this.learnSpeed(bytes.length, this.clock.monotonicMs() - begun);
        } catch (error) {
          const failure = failureOf(error);
          if (ending.reason instanceof NoAnswer)
            this.learnSpeed(bytes.length, this.clock.monotonicMs() - begun);
          if (failure === "unavailable") throw error;
          // The failure of a try that was given up says nothing about a later try.
          if (!ending.aborted) isInDoubt = wasInDoubt;
          if (!wasInDoubt) throw error;
          const there = await getIfThere(this.stored, name, ending);
          if (there?.equals(bytes)) return;
          // The object that was in the way has been deleted meanwhile.
          if (!there && failure === "exists") throw new StoreUnavailable(messageOf(error), error);
          throw error;
        }
      },
      signal,
      waitMs,
    );
  }

  /** Takes half of the speed that a put had, or would at least have had. Small ones tell nothing. */
  private learnSpeed(bytes: number, ms: number): void {
    if (bytes < tellingBytes) return;
    this.bytesPerMs = Math.min(bytesPerMsMax, Math.max(bytesPerMsMin, bytes / ms / 2));
  }

  /** The result of `work`, which is tried again while the store is unavailable and patience lasts. */
  private async retried<T>(
    work: (ending: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
    firstAnswerMs = this.patience.answerMs ?? answerMs,
  ): Promise<T> {
    const { clock, patience, stopped } = this;
    const signals = [signal, stopped].filter((one) => one !== undefined);
    const given = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
    const begun = clock.monotonicMs();
    let waitMs = firstAnswerMs;
    for (let tries = 1, pauseMs = pauseFirstMs; ; tries += 1) {
      given?.throwIfAborted();
      try {
        return await this.try(work, given, waitMs);
      } catch (error) {
        given?.throwIfAborted();
        const waits = patience.waitsForOthers === true && needsOperator(error);
        if (failureOf(error) !== "unavailable" && !waits) throw error;
        if (error instanceof NoAnswer && patience.answerMs !== undefined) throw error;
        const isOver = clock.monotonicMs() - begun >= patience.patienceMs;
        if (isOver && tries > 1) throw error;
        if (error instanceof NoAnswer) waitMs = Math.min(2 * waitMs, Math.max(answerMsMax, waitMs));
      }
      await clock.sleep(pauseMs * (0.5 + this.random()), given);
      pauseMs = Math.min(2 * pauseMs, pauseLastMs);
    }
  }

  /** Makes one try. Rejects if the store fails, if nothing is heard of it for `waitMs`, or if `given` aborts. */
  private async try<T>(
    work: (ending: AbortSignal) => Promise<T>,
    given: AbortSignal | undefined,
    waitMs: number,
  ): Promise<T> {
    if (this.stuck >= stuckMax) throw new NoAnswer(this.location);
    const ending = new AbortController();
    const settled = new AbortController();
    const timeout = this.silence(ending.signal, waitMs, settled.signal);
    const begun = work(ending.signal);
    timeout.catch(() => undefined);
    let onAbort: (() => void) | undefined;
    const stopping = new Promise<never>((_, reject) => {
      onAbort = () => reject(given!.reason as Error);
      given?.addEventListener("abort", onAbort, { once: true });
    });
    let isSettled = false;
    const settling = begun.finally(() => {
      isSettled = true;
    });
    try {
      return await Promise.race([settling, timeout, stopping]);
    } catch (error) {
      ending.abort(error);
      throw error;
    } finally {
      given?.removeEventListener("abort", onAbort!);
      settled.abort(new Error("it has answered"));
      if (!isSettled) this.noteStuck(settling);
    }
  }

  /** Rejects when nothing was heard for `waitMs` of the call with the signal `of`. */
  private async silence(of: AbortSignal, waitMs: number, settled: AbortSignal): Promise<never> {
    const { clock } = this;
    let heardAt: number | undefined = clock.monotonicMs();
    listenTo(of, {
      queued: () => {
        heardAt = undefined;
      },
      heard: () => {
        heardAt = clock.monotonicMs();
      },
    });
    for (
      let leftMs = waitMs;
      leftMs > 0;
      leftMs = (heardAt ?? clock.monotonicMs()) + waitMs - clock.monotonicMs()
    ) {
      await clock.sleep(leftMs, settled);
    }
    throw new NoAnswer(this.location);
  }

  private noteStuck(work: Promise<unknown>): void {
    this.stuck += 1;
    const isOver = () => {
      this.stuck -= 1;
    };
    work.then(isOver, isOver);
  }
}

class NoAnswer extends StoreUnavailable {
  constructor(location: string) {
    super(`${location} does not answer`);
  }
}

/** A listing of the store below, read page by page until it ends or fails. */
class Listing {
  private readonly ending = new AbortController();
  private readonly objects: AsyncIterator<StoredObject>;
  isOver = false;

  constructor(below: ObjectStore, prefix: string, after: string | undefined) {
    const { signal } = this.ending;
    this.objects = below
      .list(prefix, { signal, ...(after === undefined ? {} : { after }) })
      [Symbol.asyncIterator]();
  }

  async page(ending: AbortSignal): Promise<StoredObject[]> {
    const end = () => this.end();
    ending.addEventListener("abort", end, { once: true });
    // The listing has a signal of its own, because it goes on after this page.
    listenTo(this.ending.signal, { queued: () => queued(ending), heard: () => heard(ending) });
    try {
      const page: StoredObject[] = [];
      while (page.length < pageObjects) {
        const { value, done } = await this.objects.next();
        if (done) {
          this.isOver = true;
          break;
        }
        page.push(value);
      }
      return page;
    } finally {
      ending.removeEventListener("abort", end);
    }
  }

  end(): void {
    this.isOver = true;
    this.ending.abort(new Error("the listing is not read any further"));
    void this.objects.return?.()?.catch(() => undefined);
  }
}
