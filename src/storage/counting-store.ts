import type { Clock } from "../clock.js";
import {
  failureOf,
  type ListOptions,
  type ObjectStore,
  type Range,
  type StoredObject,
  type StoreFailure,
  type Tail,
} from "./object-store.js";
import { StoreLayer } from "./store-layer.js";
import { addInto, noUse, type RequestListener, type Requests, type StoreUse } from "./store-use.js";

/** A bucket lists so many objects with one request. */
const listedAtOnce = 1000;

/**
 * Counts the requests to the store below. It lies right above that store, below every layer that asks again, so that it
 * counts what is really sent.
 */
export class CountingStore extends StoreLayer {
  private readonly tellsPages: boolean;

  /**
   * @param use where it counts; several stores may count in one place
   * @param told is told how long the answers took
   */
  constructor(
    below: ObjectStore,
    readonly use: StoreUse,
    private readonly told?: { clock: Clock; onRequest: RequestListener } | undefined,
  ) {
    super(below);
    this.tellsPages = "onMoreRequests" in below;
    if (this.tellsPages) below.onMoreRequests = (more) => addInto(use, { ...noUse, ...more });
    if (below.extendLock) {
      this.extendLock = (name, until, signal) => {
        use.heads += 1;
        return this.timed("heads", () => below.extendLock!(name, until, signal), signal);
      };
    }
    this.passOn(["tidy", "keepRoom"], {
      firstMissing: (names, signal) => {
        use.heads += names.length;
        return this.timed("heads", () => below.firstMissing!(names, signal), signal);
      },
      deleteMany: (names, signal) => {
        use.deletes += 1;
        return this.timed("deletes", () => below.deleteMany!(names, signal), signal);
      },
      putUrgently: (name, bytes, signal) => {
        this.notePut(bytes);
        return this.timed("puts", () => below.putUrgently!(name, bytes, signal), signal);
      },
      replace: (name, bytes, signal) => {
        this.notePut(bytes);
        return this.timed("puts", () => below.replace!(name, bytes, signal), signal);
      },
      storedAt: (name, signal) => {
        use.heads += 1;
        return this.timed("heads", () => below.storedAt!(name, signal), signal);
      },
    });
  }

  override put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.notePut(bytes);
    return this.timed("puts", () => super.put(name, bytes, signal), signal);
  }

  override async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    this.use.gets += 1;
    const bytes = await this.timed("gets", () => super.get(name, range, signal), signal);
    this.use.bytesDown += bytes.length;
    return bytes;
  }

  override async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    this.use.gets += 1;
    const tail = await this.timed("gets", () => super.tail(name, bytes, signal), signal);
    this.use.bytesDown += tail.bytes.length;
    return tail;
  }

  override size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    this.use.heads += 1;
    return this.timed("heads", () => super.size(name, signal), signal);
  }

  override async *list(prefix: string, options?: ListOptions): AsyncGenerator<StoredObject> {
    let listed = 0;
    this.use.lists += 1;
    const ended = this.timer("lists", options?.signal);
    try {
      for await (const object of super.list(prefix, options)) {
        // How long later pages take is up to the reader too.
        if (listed === 0) ended();
        if (!this.tellsPages && listed > 0 && listed % listedAtOnce === 0) this.use.lists += 1;
        listed += 1;
        yield object;
      }
      if (listed === 0) ended();
    } catch (error) {
      ended(error);
      throw error;
    }
  }

  override delete(name: string, signal?: AbortSignal): Promise<void> {
    this.use.deletes += 1;
    return this.timed("deletes", () => super.delete(name, signal), signal);
  }

  private notePut(bytes: Uint8Array): void {
    this.use.puts += 1;
    this.use.bytesUp += bytes.length;
  }

  private timed<T>(kind: keyof Requests, send: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const ended = this.timer(kind, signal);
    const answer = send();
    answer.then(() => ended(), ended);
    return answer;
  }

  /** Returns what is to be called when the request is answered, with its error if it has failed. */
  private timer(kind: keyof Requests, signal?: AbortSignal): (error?: unknown) => void {
    if (!this.told) return () => undefined;
    const { clock, onRequest } = this.told;
    const beganMs = clock.monotonicMs();
    return (error) => {
      if (signal?.aborted) return;
      const isAnswer = error === undefined || answers.includes(failureOf(error));
      onRequest(kind, clock.monotonicMs() - beganMs, !isAnswer);
    };
  }
}

/** How a store answers that does not fail. */
const answers: readonly (StoreFailure | undefined)[] = ["missing", "exists"];
