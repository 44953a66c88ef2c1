/**
 * Takes closed segments to the repository, in order. While the store fails they wait: on a spool directory if there is
 * one, else in memory. Both are bounded.
 *
 * A store that is full, or may not be written, fails until somebody repairs it, which may take days. So segments wait
 * for that on a spool only. Without a spool the capture ends, and says why.
 *
 * Invariant: a segment is put only after the one before it, and only while the log may be written to (see OwnLog).
 * Break it and a writer that was shut out goes on, or the log has a hole that looks like damage.
 */
import type { Clock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { checkStoredForm } from "../format/whole-object.js";
import type { Shipper } from "../repository/log/log-writer.js";
import {
  failureOf,
  getIfThere,
  needsOperator,
  type ObjectStore,
  putOnce,
  StoreUnavailable,
  storedForm,
} from "../storage/object-store.js";
import { NotThere, type OwnLog } from "./own-log.js";

export interface ShipperObserver {
  /** The store has begun to fail. */
  storeFails(error: Error): void;
  storeIsBack(waitedMs: number): void;
  /** How much waits for the store now: in memory, and on the spool. Told each time that it changes. */
  waits(memoryBytes: number, spoolBytes: number): void;
}

export interface Spool {
  store: ObjectStore;
  bytesMax: number;
}

interface Waiting {
  name: string;
  /** Undefined while the bytes are on the spool. */
  bytes: Buffer | undefined;
  size: number;
  delivered: boolean;
  resolve: () => void;
  reject: (error: Error) => void;
}

const retryFirstMs = 200;
const retryLastMs = 15_000;
/** How long a store may take to answer before it is taken to fail: a network disk that is away hangs in silence. */
const silentMs = 10_000;

export class RetryingShipper implements Shipper {
  private readonly queue: Waiting[] = [];
  private working = false;
  private failing = false;
  private spooledBytes = 0;
  /** Bytes of segments that wait in memory. */
  waitingBytes = 0;
  private spooling: Promise<void> = Promise.resolve();
  private failure: Error | undefined;

  private readonly store: ObjectStore;

  constructor(
    private readonly repository: ObjectStore,
    private readonly log: Pick<OwnLog, "check" | "note">,
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly spool: Spool | undefined,
    private readonly observer: ShipperObserver,
    /** Is given each segment, as it is stored, before it is put. */
    private readonly alsoTo: (name: string, bytes: Buffer) => void = () => undefined,
  ) {
    this.store = repository.sealing?.below ?? repository;
  }

  get isShipping(): boolean {
    return this.queue.length > 0;
  }

  ship(name: string, given: Buffer): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      // Sealed before it waits: the spool holds nothing in the clear, and each try puts the same bytes.
      const { bytes } = storedForm(this.repository, name, given);
      this.queue.push({ name, bytes, size: bytes.length, delivered: false, resolve, reject });
      this.noteWaiting(bytes.length, 0);
      this.alsoTo(name, bytes);
      if (!this.working) void this.work();
      // While the store fails, a segment stays in memory only until it is on the spool.
      else if (this.failing) void this.spoolWaiting().catch((error: unknown) => this.end(error));
    });
  }

  private async work(): Promise<void> {
    this.working = true;
    try {
      for (let next = this.queue[0]; next; next = this.queue[0]) {
        await this.deliver(next);
        this.queue.shift();
        next.resolve();
      }
    } catch (error) {
      this.end(error);
    } finally {
      this.working = false;
    }
  }

  private end(error: unknown): void {
    this.failure ??= error as Error;
    for (const { reject } of this.queue) reject(this.failure);
  }

  /** Puts one segment, however long the store fails. Throws only errors that trying again cannot repair. */
  private async deliver(segment: Waiting): Promise<void> {
    let pauseMs = retryFirstMs;
    let failingSince: number | undefined;
    let elsewhere: string | undefined;
    const fails = (error: Error) => {
      const isNews = error instanceof NotThere && error.message !== elsewhere;
      if (failingSince === undefined || isNews) this.observer.storeFails(error);
      if (isNews) elsewhere = error.message;
      failingSince ??= this.clock.monotonicMs();
      this.failing = true;
    };
    for (;;) {
      const answered = new AbortController();
      const silence = this.clock.sleep(silentMs, answered.signal).then(() => {
        fails(new StoreUnavailable("the store does not answer"));
        return this.spoolWaiting();
      });
      // Once the store has answered, the next call of `spoolWaiting` throws what was wrong with the spool.
      silence.catch((error: unknown) => {
        if (!answered.signal.aborted) this.end(error);
      });
      try {
        await this.log.check(failingSince !== undefined);
        await this.put(segment);
        this.log.note(segment.name);
        await this.unspool(segment);
        if (failingSince !== undefined) {
          this.failing = false;
          this.observer.storeIsBack(this.clock.monotonicMs() - failingSince);
        }
        return;
      } catch (error) {
        const waits = this.spool !== undefined && needsOperator(error);
        if (failureOf(error) !== "unavailable" && !waits) throw explained(error as Error);
        fails(error as Error);
      } finally {
        answered.abort(new Error("it has answered"));
      }
      await this.spoolWaiting();
      await this.clock.sleep(pauseMs * (0.5 + this.random()));
      pauseMs = Math.min(2 * pauseMs, retryLastMs);
    }
  }

  private async put({ name, bytes }: Waiting): Promise<void> {
    const kept = bytes ?? (await getIfThere(this.spool!.store, name));
    if (kept) {
      if (!bytes) this.checkSpooled(name, kept);
      await putOnce(this.store, name, kept);
      return;
    }
    // Another process that is started with this spool delivers what it finds, before it sees that this one is alive.
    if ((await this.store.size(name)) !== undefined) return;
    throw new ThinkbackError(
      "repository",
      `${name} is gone from the spool, and was not delivered`,
      {
        hint: "start the capture again: what the segment held is a gap, which is then resynced",
      },
    );
  }

  /** Throws unless a segment is on the spool as it was written there. */
  private checkSpooled(name: string, bytes: Buffer): void {
    try {
      checkStoredForm(this.repository, name, bytes);
    } catch (error) {
      throw new ThinkbackError(
        "repository",
        `${name} was altered on the spool, and was not delivered: ${messageOf(error)}`,
        {
          hint: "look after the spool's disk, and who may write there; then start the capture again: what the segment held is a gap, which is then resynced",
          cause: error,
        },
      );
    }
  }

  /** Moves segments that wait in memory to the spool, as far as its bound allows; one at a time, in order. */
  private spoolWaiting(): Promise<void> {
    this.spooling = this.spooling.then(() => this.spoolNow());
    return this.spooling;
  }

  private async spoolNow(): Promise<void> {
    if (!this.spool) return;
    for (const segment of this.queue) {
      const { bytes } = segment;
      if (!bytes) continue;
      if (this.spooledBytes + bytes.length > this.spool.bytesMax) return;
      try {
        await putOnce(this.spool.store, segment.name, bytes);
        // The segment may have been delivered while it was written to the spool.
        if (segment.delivered) await this.spool.store.delete(segment.name);
      } catch (error) {
        const code = failureOf(error) === "full" ? "full" : "repository";
        throw new ThinkbackError(code, `cannot write to the spool: ${messageOf(error)}`, {
          hint: `${code === "full" ? "make room in the spool directory" : "look after the spool directory"}, or after the repository's store, and start again`,
          cause: error,
        });
      }
      if (segment.delivered) continue;
      segment.bytes = undefined;
      this.noteWaiting(-bytes.length, bytes.length);
    }
  }

  private async unspool(segment: Waiting): Promise<void> {
    segment.delivered = true;
    if (segment.bytes) {
      this.noteWaiting(-segment.size, 0);
      return;
    }
    await this.spool!.store.delete(segment.name);
    this.noteWaiting(0, -segment.size);
  }

  private noteWaiting(memoryBytes: number, spoolBytes: number): void {
    this.waitingBytes += memoryBytes;
    this.spooledBytes += spoolBytes;
    this.observer.waits(this.waitingBytes, this.spooledBytes);
  }
}

/** The error for a segment that cannot be stored, and has no spool to wait on. */
function explained(error: Error): Error {
  if (!needsOperator(error)) return error;
  const { code } = error as ThinkbackError;
  return new ThinkbackError(code, `capture stopped: ${error.message}`, {
    hint: "make room, or make the repository writable, and start again: what was captured since the last stored tick is a gap until then. With --spool on another disk, ticks wait there",
    cause: error,
  });
}

/**
 * What becomes of a segment on the spool: it is put into the repository; deleted, because it is there already or of no
 * use; or left where it is.
 */
export type Fate = "delivered" | "there" | "dropped" | "kept";

/**
 * Takes segments that an earlier process left on the spool to the repository. Runs before an epoch is claimed, so that
 * the new epoch continues them.
 * @param fateOf is asked for each segment, in their order
 * @returns how many had each fate
 */
export async function shipSpool(
  store: ObjectStore,
  spool: ObjectStore,
  fateOf: (name: string, bytes: Buffer) => Promise<Fate>,
): Promise<Record<Fate, number>> {
  const fates = { delivered: 0, there: 0, dropped: 0, kept: 0 };
  const names: string[] = [];
  for await (const { name } of spool.list("log/")) names.push(name);
  for (const name of names) {
    // A segment that is gone by now has been delivered by its own writer, which still runs.
    const bytes = await getIfThere(spool, name);
    if (!bytes) continue;
    const fate = await fateOf(name, bytes);
    fates[fate] += 1;
    if (fate === "kept") continue;
    if (fate === "delivered") await putOnce(store, name, bytes);
    await spool.delete(name);
  }
  return fates;
}
