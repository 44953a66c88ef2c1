/**
 * The maintenance lease: only one process at a time folds and expires. It is a chain of numbered objects, of which the
 * greatest counts. To take, renew or release the lease, a process puts the next number, which only one process can.
 *
 * Invariant: the process that has put the greatest number, neither released nor lapsed, holds the lease. Old numbers
 * are deleted and thus free again, so a process MUST check after its put that no number is greater; only then it holds
 * the lease. Break it and two processes delete what the other one needs.
 */
import { type Clock, clockDifferenceMsMax, withTimeout } from "../../clock.js";
import { isDamage, isFenced, ThinkbackError } from "../../errors.js";
import { count, flag, instant, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { foldLeasePrefix, numberedName, parseNumberedName } from "../../format/names.js";
import { formatInstant, type Instant } from "../../instant.js";
import { isGone, type Owner, spaceOf } from "../../owner.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { newestNumbered, putNumbered, readNumbered } from "./numbered.js";

/** The content of leases/fold/<number>.json. */
export const leaseKind = jsonKind("lease", {
  number: ordinal,
  host: text,
  process: count,
  /** Within which that number tells processes apart. */
  space: text,
  /** Tells the lease apart from every other, also of the same process. */
  unique: text,
  /** When it was taken or renewed, and until when it is held; both by the holder's clock. */
  at: instant,
  until: instant,
  released: flag,
});
type LeaseRecord = Stored<typeof leaseKind>;

/** How long a lease lasts after it was taken or renewed. */
const leaseMs = 300_000;
/** How often a lease is renewed. */
const renewMs = 60_000;
/** How soon a renewal is tried again after the store failed. */
const retryMs = 5000;
/** How many old numbers are kept, because a store's listings may be minutes behind. */
const numbersKept = 10;
/** How often the next number may turn out to be taken before the process gives up. */
const triesMax = 10;

/**
 * The leases that this process holds. Any other lease with its process number is of an earlier process, or was never
 * fully taken.
 */
const heldHere = new Set<string>();

export class Lease {
  private number = 0;
  private until: Instant = 0;
  private untilMonotonicMs = 0;

  private constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    private readonly owner: Owner,
    private readonly unique: string,
  ) {}

  /**
   * Takes the lease. Throws, with code "fenced", if another process holds it.
   * @param unique letters and digits that no other lease has or had
   */
  static async acquire(
    store: ObjectStore,
    clock: Clock,
    owner: Owner,
    unique: string,
  ): Promise<Lease> {
    if (heldHere.has(unique)) throw new Error(`this process holds a lease ${unique} already`);
    const lease = new Lease(store, clock, owner, unique);
    heldHere.add(unique);
    try {
      for (let tries = 1; ; tries += 1) {
        const newest = await newestLease(store);
        // The newest is ours if a put of ours arrived but seemed to fail, and the store's client tried it again.
        const isOurs = newest?.unique === unique;
        const isFree = !newest || isOurs || isFreeFor(owner, newest, clock.now());
        if (newest && (!isFree || tries > triesMax)) throw held(newest);
        if (await lease.put((newest?.number ?? 0) + 1, false)) return lease;
      }
    } catch (error) {
      heldHere.delete(unique);
      throw error;
    }
  }

  /**
   * Renews the lease for its whole time. Throws, with code "fenced", if another process has taken it. If it resolves,
   * no process had, so a caller also uses it right before a step that cannot be undone.
   */
  async renew(): Promise<void> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      if (!heldHere.has(this.unique)) throw new Error("the lease was given back");
      if (await this.put(this.number + 1, false)) return;
      const newest = await newestLease(this.store);
      if (newest?.unique !== this.unique) throw lost(newest);
      // The number is taken by a put of our own that seemed to fail.
      this.number = Math.max(this.number, newest.number);
    }
    throw new Error("the lease could not be renewed: its numbers are taken as they come");
  }

  /** Releases the lease. */
  async release(): Promise<void> {
    heldHere.delete(this.unique);
    if (await this.put(this.number + 1, true)) return;
    const newest = await newestLease(this.store);
    if (newest?.unique === this.unique && !newest.released) await this.put(newest.number + 1, true);
  }

  /** Gives up the lease without telling the store; it lapses by itself. */
  abandon(): void {
    heldHere.delete(this.unique);
  }

  /**
   * Milliseconds until it lapses, by the clock that says less: one may be set, the other stops while the machine
   * sleeps.
   */
  leftMs(): number {
    const { clock } = this;
    return Math.min(this.until - clock.now(), this.untilMonotonicMs - clock.monotonicMs());
  }

  /**
   * Throws, with code "fenced", if `signal` has aborted or the lease may have lapsed. Callers use it right before a
   * step that other processes see: a process that was stopped for long may go on before any of its timers runs.
   */
  check(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.leftMs() <= 0) throw lapsed(undefined);
  }

  /** Puts `number`. Returns false if it is taken, or if another process has put a greater one. */
  private async put(number: number, released: boolean): Promise<boolean> {
    const { host, process } = this.owner;
    const { store, unique } = this;
    const at = this.clock.now();
    const until = at + leaseMs;
    const untilMonotonicMs = this.clock.monotonicMs() + leaseMs;
    const space = spaceOf(this.owner);
    const record: LeaseRecord = { number, host, process, space, unique, at, until, released };
    if (!(await putNumbered(store, foldLeasePrefix, leaseKind, record))) return false;
    // A released lease needs no further check.
    if (released) return true;
    const numbers = await numbersIn(store);
    const isLast = !(await isPassed(store, number, numbers));
    if (!isLast && (await newestLease(store))?.unique !== unique) return false;
    this.number = Math.max(this.number, number);
    this.until = until;
    this.untilMonotonicMs = untilMonotonicMs;
    // Where old numbers may not be deleted, they stay.
    const past = numbers.filter((one) => one < number - numbersKept);
    await deleteNumbers(store, past).catch(() => undefined);
    return true;
  }
}

/**
 * Runs `work` while this process holds the lease. Throws, with code "fenced", if another process holds it. If the lease
 * is lost, the signal aborts, at the latest when the lease lapses. Then `work` has to end, and its result does not
 * count.
 * @param unique letters and digits that no other lease has or had
 */
export async function withLease<T>(
  store: ObjectStore,
  clock: Clock,
  owner: Owner,
  unique: string,
  work: (signal: AbortSignal, lease: Lease) => Promise<T>,
): Promise<T> {
  const lease = await Lease.acquire(store, clock, owner, unique);
  const gone = new AbortController();
  const done = new AbortController();
  const renewing = keepRenewed(lease, clock, done.signal, gone);
  try {
    const result = await work(gone.signal, lease);
    gone.signal.throwIfAborted();
    return result;
  } catch (error) {
    // After the lease has lapsed, others may delete what the work still reads. That is no damage.
    if (!isFenced(error) && lease.leftMs() <= 0) throw lapsed(error);
    throw error;
  } finally {
    done.abort(new Error("the work is done"));
    await renewing;
    // If the store fails now, the lease lapses.
    if (gone.signal.aborted) lease.abandon();
    else await lease.release().catch(() => undefined);
  }
}

/**
 * Renews the lease in time until `done` aborts. Aborts `gone` if another process took it, or it could not be renewed.
 */
async function keepRenewed(
  lease: Lease,
  clock: Clock,
  done: AbortSignal,
  gone: AbortController,
): Promise<void> {
  let pauseMs = renewMs;
  let failure: unknown;
  for (;;) {
    await clock.sleep(Math.max(0, Math.min(pauseMs, lease.leftMs())), done).catch(() => undefined);
    if (done.aborted) return;
    const leftMs = lease.leftMs();
    if (leftMs <= 0) {
      gone.abort(lapsed(failure));
      return;
    }
    try {
      const late = () => new Error("the store does not answer");
      await withTimeout(clock, Math.min(renewMs, leftMs), lease.renew(), late);
      pauseMs = renewMs;
    } catch (error) {
      if (isFenced(error)) {
        gone.abort(error);
        return;
      }
      failure = error;
      pauseMs = retryMs;
    }
  }
}

/** The `unique` of each lease that was not released and may not have lapsed: its process may still write. */
export async function unendedLeases(store: ObjectStore, now: Instant): Promise<Set<string>> {
  const uniques = new Set<string>();
  for (const number of await numbersIn(store)) {
    let record: LeaseRecord;
    try {
      record = await readNumbered(store, foldLeasePrefix, number, leaseKind);
    } catch (error) {
      // It was deleted since it was listed, because later numbers are there.
      if (isDamage(error)) continue;
      throw error;
    }
    if (record.released || record.until + clockDifferenceMsMax < now) uniques.delete(record.unique);
    else uniques.add(record.unique);
  }
  return uniques;
}

function newestLease(store: ObjectStore): Promise<LeaseRecord | undefined> {
  return newestNumbered(store, foldLeasePrefix, leaseKind);
}

function isFreeFor(owner: Owner, newest: LeaseRecord, now: Instant): boolean {
  if (newest.released || newest.until + clockDifferenceMsMax < now) return true;
  const isOwn = newest.space === spaceOf(owner) && newest.process === owner.process;
  return isGone(owner, newest) && !(isOwn && heldHere.has(newest.unique));
}

/** True if there is a greater number in the listing, or the next one by its name, because the listing may be behind. */
async function isPassed(store: ObjectStore, number: number, listed: number[]): Promise<boolean> {
  if (listed.some((one) => one > number)) return true;
  return (await store.size(numberedName(foldLeasePrefix, number + 1))) !== undefined;
}

async function deleteNumbers(store: ObjectStore, numbers: number[]): Promise<void> {
  for (const number of numbers) await store.delete(numberedName(foldLeasePrefix, number));
}

async function numbersIn(store: ObjectStore): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { name } of store.list(foldLeasePrefix)) {
    const number = parseNumberedName(foldLeasePrefix, name);
    if (number !== undefined) numbers.push(number);
  }
  return numbers;
}

function held({ host, process, until }: LeaseRecord): ThinkbackError {
  return new ThinkbackError(
    "fenced",
    `process ${process} on ${host} folds or expires in this repository; its lease is held until ${formatInstant(until)}`,
    {
      hint: "let it end, or stop it; if it is gone, the lease is free a minute after that time",
    },
  );
}

function lost(newest: LeaseRecord | undefined): ThinkbackError {
  const by = newest ? ` by process ${newest.process} on ${newest.host}` : "";
  return new ThinkbackError("fenced", `the lease to fold and expire was taken over${by}`, {
    hint: "this process did not renew it in time; start it again when the other one has ended",
  });
}

function lapsed(cause: unknown): ThinkbackError {
  return new ThinkbackError("fenced", "the lease to fold and expire lapsed before it was renewed", {
    hint: "the repository's store failed or this process was stopped for minutes; start it again",
    cause,
  });
}
