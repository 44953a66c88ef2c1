/** Goes on where a capture that runs ends, without a gap. See handovers.ts for the way and its invariant. */
import type { TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { clearAfter, ThinkbackError } from "../errors.js";
import { parseSegmentName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { isGone, type Owner } from "../owner.js";
import { claimedPaceMs } from "../repository/capture-state.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import type { OwnEpoch } from "../repository/log/claim-epoch.js";
import { type EpochClaim, listClaims } from "../repository/log/claims.js";
import { newestSegment, openSegment } from "../repository/log/log.js";
import { endOfLog, type LogEnd } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import {
  answerTo,
  isHandedOver,
  putWish,
  type Wish,
  withdrawWish,
} from "../repository/registers/handovers.js";
import type { CatalogReading } from "../rethinkdb/catalog-reader.js";
import { isRefusal } from "../rethinkdb/response.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";
import { accessStream, catalogStream, type Mark } from "./frontier.js";
import { wishesSeenMs } from "./hand-over.js";
import { HeldBytes, HeldFeed } from "./held-feed.js";
import { hasSuccessor } from "./stand-by.js";
import { Turns } from "./turns.js";
import { reference } from "./unreachable-tables.js";

export interface TakeOverObserver {
  /** The capture that runs is asked to end, and waited for up to so long. */
  asksForHandOver(writer: { host: string; process: number }, ms: number): void;
  /** It has not answered, or has not ended: it is shut out. */
  handOverFails(reason: string): void;
  /** So many tables go on without a gap; the others, by their names, have one. */
  handOverEnds(goOn: number, gaps: string[]): void;
}

/** How long the writer before is given to answer, after it has seen the wish, and then to end. */
const seenAnswerMsMax = 10_000;
const answerMsMaxOf = (before: EpochClaim) => wishesSeenMs(claimedPaceMs(before)) + seenAnswerMsMax;
const endMsMax = 45_000;
const answerPollMs = 200;
/** How often it is looked meanwhile whether the writer before still runs. */
const lookEveryMs = 2000;
const endPollMs = 250;
/** How much the feeds of all tables keep in memory until the log is ours. */
const heldBytesMax = 64 * 1024 * 1024;
const openingsAtOnce = 64;

/** A table that goes on where the writer before ended. */
export interface ContinuedTable {
  feed: HeldFeed;
  from: Mark;
}

interface Answer {
  wish: Wish;
  since: Instant;
  /** A moment of the monotonic clock at which the answer was not there. */
  notBeforeMs: number;
  /** A moment before the wish was put. */
  askedMs: number;
}

interface TakeOverContext {
  store: ObjectStore;
  source: Source;
  clock: Clock;
  owner: Owner;
  /** The tables to go on with. */
  tables: TableReference[];
  /** Throws if this process could not go on with the log. Called before anything is asked for. */
  check: (end: LogEnd | undefined) => void;
  /** Leave it to the capture that runs, if that does not answer: it is not shut out. */
  mustAnswer: boolean;
  /** Gives a word that no other wish has. */
  unique: () => string;
  observer: TakeOverObserver;
}

interface HeldTable {
  table: TableReference;
  feed: HeldFeed;
}

export class TakeOver {
  private readonly held: HeldTable[] = [];
  private answer: Answer | undefined;

  private constructor(private readonly context: TakeOverContext) {}

  /**
   * Opens the feeds of all tables, asks the capture that runs to end, and waits until it has.
   * @returns undefined if no capture runs that could be asked
   * @throws as `check` does, and if a feed is refused: then the capture that runs goes on
   */
  static async begin(context: TakeOverContext, signal: AbortSignal): Promise<TakeOver | undefined> {
    const takeOver = new TakeOver(context);
    try {
      let asked = await takeOver.running();
      if (!asked) return undefined;
      context.check(asked.end);
      await takeOver.openFeeds(signal);
      // Another one may have gone on meanwhile: then that one is asked.
      for (; asked && (await takeOver.ask(asked, signal)); asked = await takeOver.running());
      return takeOver;
    } catch (error) {
      await clearAfter(error, () => takeOver.close());
      throw error;
    }
  }

  /** True if the capture before has answered this process. */
  get isAnswered(): boolean {
    return this.answer !== undefined;
  }

  /** The tables and system streams that go on without a gap. */
  continued(own: OwnEpoch, coverage: Coverage): Continued {
    const { answer, held } = this;
    const tables = new Map<string, ContinuedTable>();
    const streams = new Map<string, Mark>();
    const end = own.last;
    // Another writer may have come between.
    if (answer && end?.epoch === answer.wish.epoch && own.epoch === end.epoch + 1) {
      const from = (id: string, of: TableCoverage | undefined): Mark | undefined => {
        const to = end.lagging[id] ?? end.frontier;
        // What is proven in that last segment was proven after the answer was put, not only after it was written.
        const isLast =
          end.handedTo === answer.wish.unique && to >= parseSegmentName(end.name)!.from;
        const atMs = isLast ? answer.notBeforeMs : answer.askedMs;
        return isProvenSince(of, answer.since, to) ? { to, atMs } : undefined;
      };
      for (const { table, feed } of held) {
        const mark = from(table.id, coverage.tables.get(table.id));
        if (mark && !feed.isLost) tables.set(table.id, { feed, from: mark });
      }
      const { catalog, access } = coverage;
      for (const [id, of] of Object.entries({ [catalogStream]: catalog, [accessStream]: access })) {
        const mark = from(id, of);
        if (mark) streams.set(id, mark);
      }
    }
    const isHere = (id: string) => coverage.tables.get(id)?.state !== "moved";
    const gaps = this.context.tables.filter(({ id }) => !tables.has(id) && isHere(id));
    this.context.observer.handOverEnds(
      tables.size,
      gaps.map(({ db, name }) => `${db}.${name}`),
    );
    return { tables, streams };
  }

  /** Closes the feeds of the tables that do not go on. */
  async close(continued?: Continued): Promise<void> {
    const useless = this.held.filter(({ table }) => !continued?.tables.has(table.id));
    await Promise.allSettled(useless.map(({ feed }) => feed.close()));
  }

  /** The claim of the capture that runs, and the end of its log; undefined if none does. */
  private async running(): Promise<{ before: EpochClaim; end: LogEnd | undefined } | undefined> {
    const { store, owner } = this.context;
    const before = (await listClaims(store)).at(-1);
    const end = before && (await endOfLog(await LogView.read(store)));
    const isClosed = end?.epoch === before?.epoch && end?.closed === true;
    return !before || isClosed || isGone(owner, before) ? undefined : { before, end };
  }

  private async openFeeds(signal: AbortSignal): Promise<void> {
    const { source, tables } = this.context;
    const turns = new Turns(openingsAtOnce);
    const room = new HeldBytes(heldBytesMax);
    const open = async (table: TableReference) => {
      let called = () => table;
      const feed = await turns.run(signal, () => source.openFeed(() => called()));
      const follow = (names: () => TableReference) => {
        called = names;
      };
      this.held.push({ table, feed: new HeldFeed(feed, room, follow) });
    };
    // A table whose feed cannot be opened now has a gap, as at any other start; but one that may not be read ends it
    // all.
    for (const opened of await Promise.allSettled(tables.map(open))) {
      if (opened.status === "rejected" && isRefusal(opened.reason)) throw opened.reason as Error;
    }
    signal.throwIfAborted();
  }

  /** True if another writer has gone on meanwhile. */
  private async ask(
    writer: { before: EpochClaim; end: LogEnd | undefined },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, clock, owner, observer, unique } = this.context;
    const { before } = writer;
    const { host, process } = owner;
    const { epoch } = before;
    const wish: Wish = { epoch, unique: unique(), asked: clock.now(), host, process };
    const answerMsMax = answerMsMaxOf(before);
    observer.asksForHandOver(before, answerMsMax);
    const askedMs = clock.monotonicMs();
    await putWish(store, wish);
    try {
      const answer = await this.untilAnswered(wish, { askedMs, answerMsMax }, signal);
      if (answer === "superseded") return true;
      if (answer === "ended") return false;
      this.answer = answer;
      if (!answer && this.context.mustAnswer) throw unanswered(before);
      if (!answer) observer.handOverFails("it does not answer");
      else if (!(await this.untilEnded(writer, signal))) {
        observer.handOverFails("it has not closed its log");
      }
      return false;
    } finally {
      // Nobody shall end for a process that does not wait any more.
      if (!this.answer) await withdrawWish(store, wish).catch(() => undefined);
    }
  }

  private async untilAnswered(
    wish: Wish,
    { askedMs, answerMsMax }: { askedMs: number; answerMsMax: number },
    signal: AbortSignal,
  ): Promise<Answer | "superseded" | "ended" | undefined> {
    const { store, clock } = this.context;
    let notBeforeMs = askedMs;
    let lookedMs = askedMs;
    for (let now = askedMs; now - askedMs <= answerMsMax; now = clock.monotonicMs()) {
      const since = await patient(answerTo(store, wish));
      if (typeof since === "number") return { wish, since, notBeforeMs, askedMs };
      if (since === undefined) notBeforeMs = now;
      if (now - lookedMs >= lookEveryMs) {
        lookedMs = now;
        // It may have ended by itself, or for another process.
        const running = await patient(this.running());
        if (running === undefined) {
          const isOurs = !(await isHandedOver(store, wish.epoch));
          const isFollowed = !isOurs && (await hasSuccessor(store, clock, wish.epoch, signal));
          return isFollowed ? "superseded" : "ended";
        }
        if (running !== away && running.before.epoch !== wish.epoch) return "superseded";
      }
      await clock.sleep(answerPollMs, signal);
    }
    return undefined;
  }

  /** True once the last segment of the writer is there; false if it has not come in time. */
  private async untilEnded(
    { before, end }: { before: EpochClaim; end: LogEnd | undefined },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { store, clock, owner } = this.context;
    const { epoch } = before;
    const endMs = clock.monotonicMs() + endMsMax;
    let known = end?.epoch === epoch ? end.name : undefined;
    while (clock.monotonicMs() < endMs) {
      const newest = await patient(newestSegment(store, epoch, known, signal));
      if (isGone(owner, before)) return false;
      if (typeof newest === "string" && newest !== known) {
        const segment = await patient(openSegment(store, newest));
        if (segment !== away) known = newest;
        if (segment !== away && segment.index.footer.closed) return true;
      }
      await clock.sleep(endPollMs, signal);
    }
    return false;
  }
}

function unanswered({ host, process }: EpochClaim): ThinkbackError {
  return new ThinkbackError(
    "fenced",
    `process ${process} on ${host}, which captures, was asked to hand over and does not answer`,
    { hint: "it is asked again in a moment; if it hangs, kill it: its lanes are taken over then" },
  );
}

/** What a store gives that is away for a moment. */
const away = Symbol("the store is away");

async function patient<T>(asked: Promise<T>): Promise<T | typeof away> {
  try {
    return await asked;
  } catch (error) {
    if (failureOf(error) !== "unavailable") throw error;
    return away;
  }
}

export interface Continued {
  tables: ReadonlyMap<string, ContinuedTable>;
  /** By system stream: the last proof of the writer before. */
  streams: ReadonlyMap<string, Mark>;
}

/** The tables of a reading that can be captured. */
export function captured(
  { structure }: CatalogReading,
  selects: (table: TableReference) => boolean,
): TableReference[] {
  return structure
    .filter(({ key }) => key[0] === "table")
    .map(({ value }) => value as TableConfig)
    .filter(({ error }) => error === undefined)
    .map(reference)
    .filter(selects);
}

/** True if the stream is known whole up to `to`, by a proof that began after `since`. */
function isProvenSince(of: TableCoverage | undefined, since: Instant, to: Instant): boolean {
  const last = of?.intervals.at(-1);
  if (!of || !last || of.state !== "live" || !isWhole(last)) return false;
  return of.frontier === to && last.to === to && to > since;
}
