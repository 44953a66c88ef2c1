/**
 * Watches for alarms in the first process: looks for symptoms, writes the book, and has it delivered.
 *
 * Invariant: a notice is delivered only when it is stored, or while the store fails. So a process that is killed leaves
 * what it has told to the next one, which goes on from there.
 */
import { type Clock, withTimeout } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Instant } from "../instant.js";
import type { OpenAlarm } from "../repository/registers/alarms.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { CronTimes } from "../upkeep/schedule.js";
import { digested, observed } from "./book.js";
import type { Channel } from "./channel.js";
import { Courier, type CourierObserver } from "./courier.js";
import { KeptBook } from "./kept-book.js";
import { type AlarmKind, alarmKinds, isAlarmKind } from "./kinds.js";
import { beginSlack, type Slack, settle } from "./slack.js";
import { keyOf, type Symptom, type Symptoms } from "./symptom.js";

export interface WatchOptions {
  store: ObjectStore;
  /** Id of the repository. */
  repository: string;
  clock: Clock;
  /** Draws the jitter of pauses. */
  random: () => number;
  channels: readonly Channel[];
  /** False while another process raises alarms. */
  isFirst: () => boolean;
  /** What is wrong now. */
  look: (now: Instant, isOpen: (kind: AlarmKind) => boolean) => Symptoms;
  /** How long a symptom has to last; undefined for kinds that are never raised. */
  afterMs: (kind: AlarmKind) => number | undefined;
  /** When digests are sent; undefined if they are not. */
  digests: CronTimes | undefined;
  /** The text of a digest. */
  digestText: (open: readonly OpenAlarm[], kept: KeptBook) => string;
}

export interface WatchObserver extends CourierObserver {
  raised(alarm: OpenAlarm): void;
  ended(alarm: OpenAlarm): void;
  /** The book cannot be stored now. Told once until it can again. */
  cannotKeep(error: Error): void;
}

/** How long the store may take for the book, before what is in it is delivered all the same. */
const keepMsMax = 10_000;
/** After so long it is tried again. */
const keepAgainMs = 10_000;
/** How often it is looked whether somebody has silenced something: at a store that charges for requests, and others. */
const readEveryMs = 10_000;
const readEveryChargedMs = 120_000;

export class AlarmWatch {
  private kept: KeptBook;
  private couriers: Courier[] = [];
  private slack: Slack = beginSlack([]);
  private isWatching = false;
  private isFailing = false;
  private working: Promise<void> | undefined;
  private nextKeepMs = 0;
  private nextReadMs = 0;

  constructor(
    private readonly options: WatchOptions,
    private readonly observer: WatchObserver,
  ) {
    this.kept = new KeptBook(options.store, options.clock);
  }

  /** One look. Called every second or so; does not throw. */
  async step(): Promise<void> {
    const { channels, clock, isFirst } = this.options;
    if (!isFirst()) {
      this.isWatching = false;
      return;
    }
    if (!this.isWatching) await this.begin();
    const { kept } = this;
    const now = clock.now();
    const before = new Map(kept.book.open.map((alarm) => [keyOf(alarm), alarm]));
    const isOpen = (kind: AlarmKind) => kept.book.open.some((alarm) => alarm.kind === kind);
    const { afterMs, look } = this.options;
    this.slack = settle(this.slack, look(now, isOpen), clock.monotonicMs(), afterMs);
    const { standing } = this.slack;
    const names = channels.map(({ name }) => name);
    kept.apply((book) => observed(book, standing, now, names));
    this.digest(now, names);
    this.tell(before);
    await this.keep();
  }

  /** Delivers what a channel has not taken yet. Called every second or so, for each channel by itself. */
  deliver(channel: Channel): Promise<void> {
    const i = this.options.channels.indexOf(channel);
    const { kept } = this;
    const may = (id: string) =>
      this.isWatching && this.options.isFirst() && (kept.has(id) || this.isFailing);
    return this.couriers[i]?.step(may) ?? Promise.resolve();
  }

  /**
   * Stores what is not stored yet, for the end of the process.
   * @param failure what the capture has ended by, if it has not ended in order: an alarm, of which nobody else may tell
   */
  async end(failure?: string): Promise<void> {
    if (!this.isWatching) return;
    if (failure !== undefined) this.fall(failure);
    await this.keep();
    if (failure === undefined) return;
    // The store may be what it has ended by.
    await Promise.all(this.couriers.map((one) => one.step(() => true)));
    await this.keep();
  }

  private fall(text: string): void {
    const { afterMs, channels, clock } = this.options;
    if (afterMs("capture-down") === undefined) return;
    const now = clock.now();
    const symptom: Symptom = { kind: "capture-down", of: "", since: now, text };
    const standing = new Map([...this.slack.standing, [keyOf(symptom), symptom]]);
    const before = new Map(this.kept.book.open.map((alarm) => [keyOf(alarm), alarm]));
    const names = channels.map(({ name }) => name);
    this.kept.apply((book) => observed(book, standing, now, names));
    this.nextKeepMs = 0;
    this.tell(before);
  }

  /** This process raises alarms from now on, after another one or as the first. */
  private async begin(): Promise<void> {
    const { channels, clock, random, repository, store } = this.options;
    this.kept = new KeptBook(store, clock);
    this.working = undefined;
    this.nextKeepMs = 0;
    await this.during(this.kept.read());
    const { kept } = this;
    const open = kept.book.open.flatMap(({ kind, ...alarm }) =>
      isAlarmKind(kind) ? [{ ...alarm, kind }] : [],
    );
    this.slack = beginSlack(open);
    this.couriers = channels.map(
      (channel) => new Courier(channel, kept, repository, clock, random, this.observer),
    );
    this.isWatching = true;
  }

  private digest(now: Instant, names: readonly string[]): void {
    const { digests, digestText } = this.options;
    if (!digests) return;
    const { kept } = this;
    const { digested: last, open } = kept.book;
    // Of several that were missed, one is sent.
    const due = last !== undefined && digests.next(last) <= now ? now : undefined;
    if (last !== undefined && due === undefined) return;
    const text = digestText(open, kept);
    kept.apply((book) => digested(book, due, text, now, names));
  }

  private tell(before: ReadonlyMap<string, OpenAlarm>): void {
    const after = new Map(this.kept.book.open.map((alarm) => [keyOf(alarm), alarm]));
    for (const [key, alarm] of after) if (!before.has(key)) this.observer.raised(alarm);
    for (const [key, alarm] of before) if (!after.has(key)) this.observer.ended(alarm);
  }

  /** Stores what was changed, and reads what others have. */
  private async keep(): Promise<void> {
    const { channels, clock, store } = this.options;
    const { kept } = this;
    const nowMs = clock.monotonicMs();
    if (this.working || nowMs < this.nextKeepMs) return;
    if (!kept.isStored) await this.during(kept.keep());
    else if (channels.length > 0 && nowMs >= this.nextReadMs) {
      this.nextReadMs = nowMs + (store.chargesRequests ? readEveryChargedMs : readEveryMs);
      await this.during(kept.readIfNew());
    }
  }

  /** Waits for the store, but not for long: what hangs goes on by itself. */
  private async during(given: Promise<void>): Promise<void> {
    const { clock } = this.options;
    const work = given.finally(() => {
      if (this.working === work) this.working = undefined;
    });
    this.working = work;
    const late = () => new Error(`the store does not answer within ${keepMsMax / 1000} s`);
    try {
      await withTimeout(clock, keepMsMax, work, late);
      this.isFailing = false;
    } catch (error) {
      this.nextKeepMs = clock.monotonicMs() + keepAgainMs;
      if (!this.isFailing) {
        this.observer.cannotKeep(error instanceof Error ? error : new Error(messageOf(error)));
      }
      this.isFailing = true;
      work.catch(() => undefined);
    }
  }
}

/** How long symptoms have to last, with what the operator has said of some kinds. */
export function slackOf(
  given: ReadonlyMap<AlarmKind, number | undefined>,
): (kind: AlarmKind) => number | undefined {
  return (kind) => (given.has(kind) ? given.get(kind) : alarmKinds[kind].afterMs);
}
