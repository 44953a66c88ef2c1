/**
 * Several copies of one repository, read as one: each object from the first copy that has it whole.
 *
 * A listing is the union of those of all copies. A copy that lags has less, and one that was not maintained has more
 * than another. Why more is harmless: objects never change, so all copies of one are the same. What maintenance deletes
 * is named by a later object, which the union shows too: a folded segment stands for segments, an expiry cuts the log
 * and names bases, a claim shuts segments out; readers go by these, whether the objects are there or not. Only the
 * names in an expiry are left out of the next one once the object is gone; then a base or a folded segment may count
 * again that a copy still has. What it holds was true and is, and the cut, which every expiry repeats, still holds. So
 * more may be restorable than the tiers keep, and nothing is restored wrongly.
 *
 * Invariant: all copies are of one history (the caller has compared their claims). Break it and the union is a log that
 * nobody has written.
 */
import { isDamage, messageOf } from "../errors.js";
import {
  failureOf,
  type ListOptions,
  ObjectMissing,
  type ObjectStore,
  type Range,
  type StoredObject,
  StoreUnavailable,
  type Tail,
} from "./object-store.js";

/** Throws, naming it, unless the stored bytes are those of the object with this name, and are believed. */
type Check = (name: string, bytes: Buffer) => void;

/** A copy that has failed is asked last for so long, and twice as long each time that it fails again. */
const shunnedMs = 30_000;
const shunnedMsMax = 600_000;

/** What was found wrong with a copy. */
export interface CopyTrouble {
  /** Where the copy is. */
  location: string;
  /** The object that it does not give, and another copy does; undefined if the copy as a whole fails. */
  object: string | undefined;
  what: string;
}

export class FallbackStore implements ObjectStore {
  readonly location: string;
  private readonly told = new Set<string>();
  /** Until when a copy is asked last, by the monotonic clock, and for how long in all. */
  private readonly shunned = new Map<ObjectStore, { until: number; ms: number }>();
  /** Copies that have an object damaged, by its name. */
  private readonly unsound = new Map<string, Set<ObjectStore>>();

  /**
   * @param copies the first one is asked first, and takes what is put
   * @param clock see Clock
   * @param onTrouble called once for each copy that fails, and for each object that is missing or damaged in one
   */
  constructor(
    private readonly copies: readonly ObjectStore[],
    private readonly check: Check,
    private readonly clock: { monotonicMs(): number },
    private readonly onTrouble: (trouble: CopyTrouble) => void,
  ) {
    this.location = copies.map((copy) => copy.location).join(", ");
  }

  get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    return this.first(name, async (copy) => {
      const bytes = await copy.get(name, range, signal);
      if (!range) this.check(name, bytes);
      return bytes;
    });
  }

  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    return this.first(name, async (copy) => {
      const tail = await copy.tail(name, bytes, signal);
      if (tail.bytes.length === tail.size) this.check(name, tail.bytes);
      return tail;
    });
  }

  /** Where copies differ, the size of the one that is whole. If none is, the greatest: what was cut off is shorter. */
  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    const sizes = await this.ofMost((copy) => copy.size(name, signal));
    const known = sizes.flatMap((size) => (size === undefined ? [] : [size]));
    const greatest = known.length > 0 ? Math.max(...known) : undefined;
    if (known.every((size) => size === greatest)) return greatest;
    return (await this.wholeSize(name, signal)) ?? greatest;
  }

  private async wholeSize(name: string, signal?: AbortSignal): Promise<number | undefined> {
    const whole = await this.get(name, undefined, signal).catch(ignoreUnreadable);
    return whole?.length;
  }

  async *list(prefix: string, options?: ListOptions): AsyncGenerator<StoredObject> {
    const listings = await this.ofMost(async (copy) => {
      const objects: StoredObject[] = [];
      for await (const object of copy.list(prefix, options)) objects.push(object);
      return objects;
    });
    const sizes = new Map<string, number>();
    const unlike = new Set<string>();
    for (const { name, size } of listings.flat()) {
      const other = sizes.get(name);
      if (other !== undefined && other !== size) unlike.add(name);
      sizes.set(name, Math.max(size, other ?? 0));
    }
    for (const name of [...sizes.keys()].sort()) {
      const whole = unlike.has(name) ? await this.wholeSize(name, options?.signal) : undefined;
      yield { name, size: whole ?? sizes.get(name)! };
    }
  }

  async readElsewhere(name: string, signal?: AbortSignal): Promise<boolean> {
    // Reading all of an object checks it, and goes on to the next copy where it is not sound.
    await this.get(name, undefined, signal).catch(ignoreUnreadable);
    return (this.unsound.get(name)?.size ?? 0) > 0;
  }

  /**
   * Puts to the first copy; holds, and outcomes of drills and verifications, whose names no other process uses, to all
   * that take them.
   */
  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (!/^(?:holds|drills|verifications)\//.test(name)) {
      await this.copies[0]!.put(name, bytes, signal);
      return;
    }
    await this.each((copy) => copy.put(name, bytes, signal));
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    if (name.startsWith("holds/")) await this.each((copy) => copy.delete(name, signal));
    else await this.copies[0]!.delete(name, signal);
  }

  /** The answer of the first copy that gives one. */
  private async first<T>(name: string, ask: (copy: ObjectStore) => Promise<T>): Promise<T> {
    const failures: { copy: ObjectStore; error: unknown }[] = [];
    for (const copy of this.inTurn(name)) {
      try {
        const answer = await ask(copy);
        this.shunned.delete(copy);
        for (const { copy: other, error } of failures) this.note(other, name, error);
        return answer;
      } catch (error) {
        if (!isDamage(error) && failureOf(error) === undefined) throw error;
        if (isOfCopy(error)) this.note(copy, undefined, error);
        else if (failureOf(error) !== "missing") this.noteUnsound(name, copy);
        failures.push({ copy, error });
      }
    }
    // While a copy is away, nobody can tell that an object is nowhere; and damage says more than absence.
    const worst =
      failures.find(({ error }) => isOfCopy(error)) ??
      failures.find(({ error }) => failureOf(error) !== "missing");
    throw worst?.error ?? new ObjectMissing(name);
  }

  /** The answers of the copies, without those that have failed of late, unless no other answers. */
  private async ofMost<T>(ask: (copy: ObjectStore) => Promise<T>): Promise<T[]> {
    const sound = this.copies.filter((copy) => !this.isShunned(copy));
    if (sound.length === 0 || sound.length === this.copies.length) return this.each(ask);
    try {
      return await this.each(ask, sound);
    } catch (error) {
      if (failureOf(error) === undefined) throw error;
      return this.each(
        ask,
        this.copies.filter((copy) => !sound.includes(copy)),
      );
    }
  }

  /** The answers of all copies that give one; throws if none does. */
  private async each<T>(
    ask: (copy: ObjectStore) => Promise<T>,
    copies = this.copies,
  ): Promise<T[]> {
    const outcomes = await Promise.allSettled(copies.map(ask));
    const answers: T[] = [];
    let failure: unknown;
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") {
        answers.push(outcome.value);
        this.shunned.delete(copies[i]!);
        continue;
      }
      const error: unknown = outcome.reason;
      if (failureOf(error) === undefined || failureOf(error) === "exists") throw error;
      this.note(copies[i]!, undefined, error);
      failure ??= error;
    }
    if (answers.length === 0) throw failure ?? new StoreUnavailable(`${this.location} fails`);
    return answers;
  }

  /** The copies in the order in which they are asked for an object: last those that had it damaged, or have failed. */
  private inTurn(name: string): ObjectStore[] {
    const unsound = this.unsound.get(name);
    const rank = (copy: ObjectStore) =>
      (unsound?.has(copy) ? 2 : 0) + (this.isShunned(copy) ? 1 : 0);
    return [...this.copies].sort((a, b) => rank(a) - rank(b));
  }

  private isShunned(copy: ObjectStore): boolean {
    return (this.shunned.get(copy)?.until ?? 0) > this.clock.monotonicMs();
  }

  private shun(copy: ObjectStore): void {
    // Calls that were under way when it failed fail for the same reason.
    if (this.isShunned(copy)) return;
    const ms = Math.min(shunnedMsMax, 2 * (this.shunned.get(copy)?.ms ?? shunnedMs / 2));
    this.shunned.set(copy, { until: this.clock.monotonicMs() + ms, ms });
  }

  private noteUnsound(name: string, copy: ObjectStore): void {
    this.unsound.set(name, (this.unsound.get(name) ?? new Set()).add(copy));
  }

  private note(copy: ObjectStore, name: string | undefined, error: unknown): void {
    const object = isOfCopy(error) ? undefined : name;
    if (object === undefined) this.shun(copy);
    const key = `${this.copies.indexOf(copy)} ${object ?? ""}`;
    if (this.told.has(key) || this.told.size >= toldMax) return;
    this.told.add(key);
    const what = failureOf(error) === "missing" ? "it is missing" : messageOf(error);
    this.onTrouble({ location: copy.location, object, what });
  }
}

const toldMax = 10_000;

/** True for a failure of the copy as a whole, and not of one object. */
function isOfCopy(error: unknown): boolean {
  const failure = failureOf(error);
  return failure !== undefined && failure !== "missing" && failure !== "exists";
}

function ignoreUnreadable(error: unknown): undefined {
  if (!isDamage(error) && failureOf(error) === undefined) throw error;
}
