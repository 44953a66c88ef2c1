/**
 * Holds. A restore, a drill, a verify or a repair puts an object in the repository, its hold, and while the hold lasts
 * nothing that it reads is deleted. It renews its hold every few minutes. If its process is killed, the hold lapses.
 */
import { type Clock, clockDifferenceMsMax, withTimeout } from "../../clock.js";
import { flag, instant, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { holdPrefix, numberedName, parseHoldName, parseNumberedName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import {
  deleteAll,
  failureOf,
  type ObjectStore,
  StoreUnavailable,
} from "../../storage/object-store.js";
import { newestNumbered, putNumbered } from "./numbered.js";

/** The content of holds/<unique>-<number>.json. The greatest number counts. */
export const holdKind = jsonKind("hold", {
  number: ordinal,
  unique: text,
  /** When the hold began. */
  begun: instant,
  /** The instant that is restored; of a verify or a repair, when it began. */
  at: instant,
  /** When it lapses unless it is renewed, by the clock of the process that placed it. */
  until: instant,
  ended: flag,
});
type HoldRecord = Stored<typeof holdKind>;
export type Hold = Omit<HoldRecord, "number" | "ended">;

/** How long a hold lasts after it was put or renewed. */
const holdMs = 900_000;
/** How often a hold is renewed. */
const renewMs = 300_000;
/** How soon the renewal is tried again after the store failed, and how long the store may take to answer. */
const retryMs = 60_000;
/** How long after it lapsed a hold is deleted. */
const forgottenMs = 86_400_000;

/** The holds that have neither ended nor lapsed, in any order. */
export async function liveHolds(store: ObjectStore, now: Instant): Promise<Hold[]> {
  const live: Hold[] = [];
  for (const unique of await listHolds(store)) {
    const record = await lastRecord(store, unique);
    if (!record || record.ended || record.until + clockDifferenceMsMax < now) continue;
    const { begun, at, until } = record;
    live.push({ unique, begun, at, until });
  }
  return live;
}

/**
 * Deletes the objects of holds that have ended, or that lapsed over a day ago because their process was killed.
 * @param listed the same store as it was listed before
 */
export async function forgetHolds(
  store: ObjectStore,
  listed: ObjectStore,
  now: Instant,
): Promise<void> {
  for (const unique of await listHolds(listed)) {
    const record = await lastRecord(listed, unique);
    if (!record || (!record.ended && record.until + forgottenMs >= now)) continue;
    const names: string[] = [];
    for await (const { name } of listed.list(holdPrefix(unique))) {
      const number = parseNumberedName(holdPrefix(unique), name);
      // If the process goes on at this moment after all, it puts a greater number, which stays.
      if (number !== undefined && number <= record.number) names.push(name);
    }
    // Delete the newest object last: if this is cut short, the rest still ends with it.
    await deleteAll(store, names.slice(0, -1));
    await deleteAll(store, names.slice(-1));
  }
}

async function listHolds(store: ObjectStore): Promise<Set<string>> {
  const uniques = new Set<string>();
  for await (const { name } of store.list("holds/")) {
    const unique = parseHoldName(name);
    if (unique !== undefined) uniques.add(unique);
  }
  return uniques;
}

function lastRecord(store: ObjectStore, unique: string): Promise<HoldRecord | undefined> {
  return newestNumbered(store, holdPrefix(unique), holdKind);
}

/**
 * Places a hold, from now until `end` is called. The caller must place it before it reads anything that must not be
 * deleted.
 * @param unique small letters and digits that no other hold has or had
 * @param at see holdKind
 * @param onRefused called at most once: if the store refuses the hold, as with credentials that may only read, or if
 * the hold has lapsed because the store failed. Then nothing keeps what the caller reads from being deleted
 */
export async function placeHold(
  store: ObjectStore,
  clock: Clock,
  unique: string,
  at: Instant,
  onRefused: (error: Error) => void,
): Promise<PlacedHold> {
  const hold = new PlacedHold(store, clock, { unique, at }, onRefused);
  await hold.begin();
  return hold;
}

export class PlacedHold {
  private readonly begun: Instant;
  private readonly ending = new AbortController();
  private renewing: Promise<void> = Promise.resolve();
  /** The last number that was put, or tried. */
  private number = 0;
  /** Objects up to this number are deleted. */
  private deleted = 0;
  private until: Instant = 0;
  private isReported = false;

  /** See placeHold. */
  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    private readonly of: Pick<Hold, "unique" | "at">,
    private readonly onRefused: (error: Error) => void,
  ) {
    this.begun = clock.now();
  }

  async begin(): Promise<void> {
    const pauseMs = await this.renew();
    this.renewing = this.keepRenewed(pauseMs);
  }

  /** Ends the hold: deletes its objects or, if that is not permitted, puts a last one that says so. Does not throw. */
  async end(): Promise<void> {
    this.ending.abort(new Error("the hold has ended"));
    await this.renewing;
    try {
      await this.deleteUpTo(this.number);
    } catch {
      // If this fails too, the hold lapses.
      await this.put(true).catch(() => undefined);
    }
  }

  private async keepRenewed(firstPauseMs: number): Promise<void> {
    let pauseMs = firstPauseMs;
    while (pauseMs < Number.POSITIVE_INFINITY) {
      await this.clock.sleep(pauseMs, this.ending.signal).catch(() => undefined);
      if (this.ending.signal.aborted) return;
      pauseMs = await this.renew();
    }
  }

  /** Renews the hold. Returns in how many milliseconds to do so again; Infinity if that is of no use. */
  private async renew(): Promise<number> {
    try {
      await this.put(false);
      return renewMs;
    } catch (error) {
      // A full or unavailable store may take it later; one that does not permit it now will not later either.
      const failure = failureOf(error);
      const isRefused = failure !== "full" && failure !== "unavailable";
      if (isRefused || this.clock.now() >= this.until) this.report(error as Error);
      return isRefused ? Number.POSITIVE_INFINITY : retryMs;
    }
  }

  private async put(ended: boolean): Promise<void> {
    const { unique, at } = this.of;
    const { begun, clock, store } = this;
    this.number += 1;
    const until = clock.now() + holdMs;
    const record: HoldRecord = { number: this.number, unique, begun, at, until, ended };
    const putting = putNumbered(store, holdPrefix(unique), holdKind, record);
    await withTimeout(
      clock,
      retryMs,
      putting,
      () => new StoreUnavailable("the store does not answer"),
    );
    this.until = until;
    // The one before stays, because a reader may have listed it and not read it yet. If deleting is forbidden, all
    // stay.
    await this.deleteUpTo(this.number - 2).catch(() => undefined);
  }

  private async deleteUpTo(last: number): Promise<void> {
    while (this.deleted < last) {
      await this.store.delete(numberedName(holdPrefix(this.of.unique), this.deleted + 1));
      this.deleted += 1;
    }
  }

  private report(error: Error): void {
    if (!this.isReported) this.onRefused(error);
    this.isReported = true;
  }
}
