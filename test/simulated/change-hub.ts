/**
 * The way of a table's changes to its feeds. Each change travels through the pipe of its key's shard, with a small
 * random delay: in order within a shard, and so for each document, in no order between shards.
 */
import type { Datum, DatumObject } from "./datum.js";
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

/** How many responses a second a feed that is behind is delivered in, and how many rows each has at most: as seen. */
const LAGGING_RESPONSES_PER_SECOND = 50;
const LAGGING_ROWS_MAX = 200;

/** What a stream that lags delivers at a time, and how long after the last time. */
interface Pace {
  readonly rows: number;
  readonly intervalMs: number;
}

export class ChangeHub implements ChangeStream {
  /** While true, changes do not reach the feeds and never will: those of an isolated primary. */
  isolated = false;
  #newest = 0;
  readonly #options: HubOptions;
  /** By shard. */
  readonly #pipes: Travelling[][] = [];
  /** Each subscriber and the newest change before it came. */
  readonly #subscribers = new Map<Subscriber, number>();
  #timer: TimerHandle;
  #pace: Pace | undefined;
  #notBeforeMs = 0;
  /** The pipe whose turn it is to be the first. */
  #turn = 0;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  get newest(): number {
    return this.#newest;
  }

  get subscribers(): readonly Subscriber[] {
    return [...this.#subscribers.keys()];
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscribers.set(subscriber, this.#newest);
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  passed(shard?: number): number {
    const pipes = shard === undefined ? this.#pipes : [this.#pipes[shard]];
    const oldest = pipes.map((pipe) => pipe?.[0]?.change.number ?? Infinity);
    return Math.min(this.#newest, ...oldest.map((number) => number - 1));
  }

  /** Numbers a change and sends it on its way. */
  emit(change: Omit<Change, "number">): void {
    this.#newest += 1;
    if (this.#subscribers.size === 0 || this.isolated) return;
    const { timers, random, delayMsMax } = this.#options;
    const pipe = this.#pipe(change.shard);
    const dueMs = Math.max(timers.now() + random.next() * delayMsMax, pipe.at(-1)?.dueMs ?? 0);
    pipe.push({ change: { ...change, number: this.#newest }, dueMs });
    this.#arm();
  }

  #pipe(shard: number): Travelling[] {
    while (this.#pipes.length <= shard) this.#pipes.push([]);
    return this.#pipes[shard]!;
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

  /** Delivers no more than this many changes a second from now on; undefined: as they come. */
  lag(changesPerSecond: number | undefined): void {
    this.#pace = changesPerSecond === undefined ? undefined : paceOf(changesPerSecond);
    this.#notBeforeMs = 0;
    this.#options.timers.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#arm();
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
      Math.max(0, dueMs - timers.now(), this.#notBeforeMs - timers.now()),
    );
  }

  #deliver(): void {
    const { timers } = this.#options;
    const due = this.#takeDue(timers.now() + 1, this.#pace?.rows ?? Infinity);
    if (this.#pace) this.#notBeforeMs = timers.now() + this.#pace.intervalMs;
    for (const change of due) this.#give(change);
    for (const subscriber of this.#subscribers.keys()) subscriber.wake();
  }

  /** Takes what is due off the pipes; where not all may go, of each the same number, beginning with another each time. */
  #takeDue(nowMs: number, most: number): Change[] {
    const pipes = [...this.#pipes.slice(this.#turn), ...this.#pipes.slice(0, this.#turn)];
    const share = Math.ceil(most / Math.max(1, pipes.filter(({ length }) => length > 0).length));
    const taken: Change[] = [];
    for (const pipe of pipes) {
      const room = Math.min(share, most - taken.length, pipe.length);
      let due = 0;
      while (due < room && pipe[due]!.dueMs <= nowMs) due += 1;
      for (const { change } of pipe.splice(0, due)) taken.push(change);
    }
    this.#turn = most === Infinity ? 0 : (this.#turn + 1) % this.#pipes.length;
    return taken;
  }

  #give(change: Change): void {
    for (const [subscriber, since] of this.#subscribers) {
      if (change.number > since) subscriber.accept(change);
    }
  }
}

function paceOf(changesPerSecond: number): Pace {
  const even = Math.round(changesPerSecond / LAGGING_RESPONSES_PER_SECOND);
  const rows = Math.min(LAGGING_ROWS_MAX, Math.max(1, even));
  return { rows, intervalMs: (1000 * rows) / changesPerSecond };
}
