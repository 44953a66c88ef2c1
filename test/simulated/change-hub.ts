/**
 * The way of a table's changes to its feeds. Each change travels through the pipe of its key's hash shard, with a small
 * random delay: in order within a shard, and so for each document, in no order between shards.
 */
import type { Datum, DatumObject } from "./datum.js";
import { hashShards } from "./key-code.js";
import type { Random } from "./random.js";
import type { ReqlError } from "./reql-error.js";
import type { ChangeStream, Subscriber } from "./selection-table.js";
import type { TimerHandle, Timers } from "./timers.js";

export interface Change {
  /** Counts the table's changes, from 1. */
  readonly number: number;
  readonly code: string;
  readonly shard: number;
  readonly key: Datum;
  readonly before: DatumObject | null;
  readonly after: DatumObject | null;
}

interface Travelling {
  readonly change: Change;
  readonly dueMs: number;
}

export interface HubOptions {
  readonly timers: Timers;
  readonly random: Random;
  /** The most that a change takes to arrive. */
  readonly delayMsMax: number;
}

export class ChangeHub implements ChangeStream {
  /** While true, changes do not reach the feeds and never will: those of an isolated primary. */
  isolated = false;
  #newest = 0;
  readonly #options: HubOptions;
  readonly #pipes: Travelling[][] = Array.from({ length: hashShards }, () => []);
  /** Each subscriber and the newest change before it came. */
  readonly #subscribers = new Map<Subscriber, number>();
  #timer: TimerHandle;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  get newest(): number {
    return this.#newest;
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscribers.set(subscriber, this.#newest);
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  deliveredThrough(change: number): boolean {
    return this.#pipes.every(([first]) => !first || first.change.number > change);
  }

  /** Numbers a change and sends it on its way. */
  emit(change: Omit<Change, "number">): void {
    this.#newest += 1;
    if (this.#subscribers.size === 0 || this.isolated) return;
    const { timers, random, delayMsMax } = this.#options;
    const pipe = this.#pipes[change.shard]!;
    const dueMs = Math.max(timers.now() + random.next() * delayMsMax, pipe.at(-1)?.dueMs ?? 0);
    pipe.push({ change: { ...change, number: this.#newest }, dueMs });
    this.#arm();
  }

  /** Ends every feed with an error; what was on its way is lost. */
  abort(error: () => ReqlError): void {
    for (const pipe of this.#pipes) pipe.length = 0;
    const subscribers = [...this.#subscribers.keys()];
    this.#subscribers.clear();
    for (const subscriber of subscribers) subscriber.fail(error());
  }

  /** Forgets every feed without a word: their connections are gone. */
  clear(): void {
    for (const pipe of this.#pipes) pipe.length = 0;
    this.#subscribers.clear();
  }

  /** Drops what is on its way; gives each subscriber with how many changes it would have been given. */
  loseTravelling(): [Subscriber, number][] {
    const changes = this.#pipes.flatMap((pipe) => pipe.splice(0));
    return [...this.#subscribers].map(([subscriber, since]) => [
      subscriber,
      changes.filter(({ change }) => change.number > since).length,
    ]);
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    const { timers } = this.#options;
    const dueMs = Math.min(...this.#pipes.map(([first]) => first?.dueMs ?? Infinity));
    if (dueMs === Infinity) return;
    this.#timer = timers.setTimeout(
      () => {
        this.#timer = undefined;
        this.#deliver();
        this.#arm();
      },
      Math.max(0, dueMs - timers.now()),
    );
  }

  #deliver(): void {
    const now = this.#options.timers.now() + 1;
    for (const pipe of this.#pipes) {
      let due = 0;
      while (due < pipe.length && pipe[due]!.dueMs <= now) due += 1;
      for (const { change } of pipe.splice(0, due)) this.#give(change);
    }
  }

  #give(change: Change): void {
    for (const [subscriber, since] of this.#subscribers) {
      if (change.number > since) subscriber.accept(change);
    }
  }
}
