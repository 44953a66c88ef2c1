/**
 * Holds: a restore under way holds what it reads, by an object in the repository, and nothing of that is deleted
 * meanwhile. It renews the hold every few minutes; the hold of one that was killed lapses.
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

/** What holds/<unique>-<number>.json says; the greatest number counts. */
export const holdKind = jsonKind("hold", {
  number: ordinal,
  unique: text,
  /** When it began. */
  begun: instant,
  /** The instant that it restores. */
  at: instant,
  /** When it lapses unless it is renewed, by the clock of the process that placed it. */
  until: instant,
  ended: flag,
});
type HoldRecord = Stored<typeof holdKind>;
export type Hold = Omit<HoldRecord, "number" | "ended">;

/** How long one word holds, and how often it is renewed; how soon again after the store failed, or did not answer. */
const holdMs = 900_000;
const renewMs = 300_000;
const retryMs = 60_000;
/** A hold that lapsed so long ago is deleted. */
const forgottenMs = 86_400_000;

/** The holds that have neither ended nor lapsed, in no order. */
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
 * Deletes the objects of holds that have ended, or that lapsed a day ago because their process was killed.
 * @param listed the same store, as it was listed
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
      // One that goes on after all, at this moment, has put a greater number.
      if (number !== undefined && number <= record.number) names.push(name);
    }
    // The last word last: what is left by a deletion cut short ends with it.
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
 * Says that a restore to `at` is under way, from now until `end` is called. To be called before anything is read that
 * must not go away.
 * @param unique small letters and digits that no other hold has or had
 * @param onRefused told once, if the repository does not take it, as with credentials that may only read, or if it has
 * lapsed because the store failed: then nothing keeps what is read from being deleted
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
  /** Up to here numbers are deleted. */
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

  /** Takes the word back: by deleting it, or, where that is not permitted, by a last one. Does not throw. */
  async end(): Promise<void> {
    this.ending.abort(new Error("nothing is read any more"));
    await this.renewing;
    try {
      await this.deleteUpTo(this.number);
    } catch {
      // If this fails too, it lapses.
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

  /** Says it again. Returns after how many milliseconds to do so next; Infinity if that is of no use. */
  private async renew(): Promise<number> {
    try {
      await this.put(false);
      return renewMs;
    } catch (error) {
      // What is not permitted now will not be later; there may be room.
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
    // The one before stays, for who has listed it and not read it yet. Where none may be deleted, all stay.
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
