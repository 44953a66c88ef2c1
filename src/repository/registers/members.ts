/**
 * Members: the processes that share the lanes of a repository. Each puts an object every few seconds, which says in
 * which lanes it captures. One that puts nothing for a while is gone.
 *
 * What members say is a hint, and decides only who tries to capture a lane. Who may write there is decided by the epoch
 * claims of the lane: whatever a member believes wrongly, no two writers of a lane are believed.
 */
import * as v from "valibot";
import type { Clock } from "../../clock.js";
import { damaged, isDamage } from "../../errors.js";
import { count, flag, instant, list, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { memberPrefix, membersPrefix, numberedName, parseMemberName } from "../../format/names.js";
import { isGone, type Owner, spaceOf } from "../../owner.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { HeldLease } from "./held-lease.js";
import { idlePaceMs } from "./idle-pace.js";
import { putNumbered, readNumbered } from "./numbered.js";

/** The content of members/<unique>-<number>.json. The greatest number counts. */
export const memberKind = jsonKind("member", {
  number: ordinal,
  unique: text,
  host: text,
  process: count,
  /** Within which that number tells processes apart. */
  space: text,
  /** When it was put, by the process's own clock. */
  at: instant,
  /** In which lanes the process captures, or is about to. */
  lanes: list(count),
  /** Members in whose place it goes on: they give all their lanes away. */
  replaces: list(text),
  /** Set by the last one: the process has ended in order. */
  left: flag,
  /** How often the process puts such an object while its lanes stay the same, in ms; every five seconds if absent. */
  everyMs: v.exactOptional(count),
});
export type MemberRecord = Stored<typeof memberKind>;
export type Member = Pick<MemberRecord, "unique" | "host" | "process" | "lanes" | "replaces">;

/** Reads an object under members/. Throws, naming it, if it is missing or damaged. */
export async function readMember(store: ObjectStore, name: string): Promise<MemberRecord> {
  const named = parseMemberName(name)!;
  const record = await readNumbered(store, memberPrefix(named.unique), named.number, memberKind);
  if (record.unique === named.unique) return record;
  throw damaged(name, "its name and its content differ");
}

/** How often a member puts an object, unless the store charges for that, and how often it is told to. */
export const memberRenewMs = 5000;
/** How many objects of a member may be missed before it is gone. */
const missedMax = 3;
/** How long after it was due an object may come of a member that puts them more rarely. */
const overdueMsMax = 20_000;

/** After so long without a new object of it, a member is gone; so long in any case until that is known. */
function silentMsOf({ everyMs }: Pick<MemberRecord, "everyMs">): number {
  return everyMs === undefined ? missedMax * memberRenewMs : everyMs + overdueMsMax;
}

/**
 * Says which process captures in which lane. Another implementation may be faster, but no more is built on it.
 *
 * A lane that a member names is leased to it: naming it acquires the lease, each `renew` renews it, no longer naming it
 * or leaving releases it, and falling silent loses it. The token of the lease is the epoch that the process claims in
 * the lane; a process whose lease was lost finds out when a later epoch is claimed.
 */
export interface Coordinator {
  /** The name of this process among the members. */
  readonly unique: string;
  /** How often `renew` is to be called, in ms. */
  readonly renewMs: number;
  /** True if processes share by it the only lane too: one captures, and the others wait to. */
  readonly sharesOneLane: boolean;
  /**
   * Tells the others which lanes this process has, and gives the other members that are there. Called every `renewMs`,
   * and when its lanes change.
   */
  renew(lanes: readonly number[], replaces: readonly string[]): Promise<Member[]>;
  /** True if that process was a member and is none any more: it has left, or is gone. */
  hasGone(unique: string): boolean;
  /**
   * Since when the others could not take this process for gone, by its monotonic clock; undefined if they may have.
   * What it knew of the writers of its lanes before that moment may be untrue by now.
   */
  heldSinceMs(): number | undefined;
  /** This process captures nothing any more. Does not throw. */
  leave(): Promise<void>;
}

interface Heard {
  record: MemberRecord;
  /** When its newest object was first seen here, by this process's monotonic clock. */
  seenMs: number;
}

export class StoredMembers implements Coordinator {
  readonly renewMs = memberRenewMs;
  /** While there is one lane, `run` refuses a second process, or lets it stand by. */
  readonly sharesOneLane = false;
  private number = 0;
  private newestPut = 0;
  private readonly lease: HeldLease;
  /** What the newest object says, and when it was put, by the monotonic clock. */
  private said: { lanes: number[]; replaces: string[]; left: boolean } | undefined;
  private saidMs = Number.NEGATIVE_INFINITY;
  private readonly heard = new Map<string, Heard>();
  private readonly gone = new Set<string>();

  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    private readonly owner: Owner,
    readonly unique: string,
  ) {
    this.lease = new HeldLease(clock);
  }

  async renew(lanes: readonly number[], replaces: readonly string[]): Promise<MemberRecord[]> {
    if (this.isNews(lanes, replaces)) await this.put(lanes, replaces, false);
    await this.listen();
    return [...this.heard.values()].map(({ record }) => record);
  }

  /** The number of the newest object that this process has put; 0 before the first one. */
  get newest(): number {
    return this.newestPut;
  }

  /** After so long without a new object of it, others take this process for gone. */
  get silentMs(): number {
    const { everyMs } = this;
    return silentMsOf(everyMs === undefined ? {} : { everyMs });
  }

  /** The next call of `renew` puts an object, whether or not it says anything new. */
  sayAgain(): void {
    this.said = undefined;
  }

  heldSinceMs(): number | undefined {
    return this.lease.sinceMs();
  }

  /** The pace of objects that say nothing new, where it is not `memberRenewMs`. */
  private get everyMs(): number | undefined {
    return this.store.chargesRequests ? idlePaceMs(this.store) : undefined;
  }

  /** True unless the newest object says the same, and another one is not due before the next call. */
  private isNews(lanes: readonly number[], replaces: readonly string[]): boolean {
    const { everyMs, said } = this;
    if (everyMs === undefined || !said) return true;
    const isSame = isEqual(said.lanes, lanes) && isEqual(said.replaces, replaces);
    return !isSame || this.clock.monotonicMs() - this.saidMs >= everyMs - memberRenewMs;
  }

  hasGone(unique: string): boolean {
    return this.gone.has(unique);
  }

  async leave(): Promise<void> {
    if (this.number === 0) return;
    try {
      await this.put([], [], true);
      await this.store.delete(this.nameOf(this.number - 1));
    } catch {
      // The others find out when it has been silent for long enough.
    }
  }

  private async put(
    lanes: readonly number[],
    replaces: readonly string[],
    left: boolean,
  ): Promise<void> {
    const { clock, owner, store, unique } = this;
    const { host, process } = owner;
    this.number += 1;
    const { number } = this;
    const space = spaceOf(owner);
    const at = clock.now();
    const said = { lanes: [...lanes], replaces: [...replaces], left };
    const { everyMs } = this;
    const pace = everyMs === undefined ? {} : { everyMs };
    const record: MemberRecord = { number, unique, host, process, space, at, ...said, ...pace };
    this.said = undefined;
    const sentMs = clock.monotonicMs();
    await putNumbered(store, memberPrefix(unique), memberKind, record);
    this.said = said;
    this.newestPut = number;
    this.saidMs = clock.monotonicMs();
    this.lease.renewed(sentMs, silentMsOf(record));
    // The one before stays, because somebody may have listed it and not read it yet.
    if (number > 2) await store.delete(this.nameOf(number - 2)).catch(() => undefined);
  }

  private nameOf(number: number): string {
    return numberedName(memberPrefix(this.unique), number);
  }

  /** Lists the members, and reads what is new. Forgets, and deletes, what those have left behind that are gone. */
  private async listen(): Promise<void> {
    const { clock, heard, store } = this;
    const newest = new Map<string, number>();
    for await (const { name } of store.list(membersPrefix)) {
      const found = parseMemberName(name);
      if (!found || found.unique === this.unique) continue;
      newest.set(found.unique, Math.max(found.number, newest.get(found.unique) ?? 0));
    }
    const now = clock.monotonicMs();
    for (const [unique, number] of newest) {
      const known = heard.get(unique);
      if (known?.record.number === number) continue;
      const record = await this.read(unique, number);
      // It was deleted since it was listed, because a later one is there.
      if (!record && known) heard.set(unique, { record: known.record, seenMs: now });
      if (!record) continue;
      this.gone.delete(unique);
      heard.set(unique, { record, seenMs: now });
    }
    for (const [unique, { record, seenMs }] of heard) {
      const isSilent = now - seenMs > silentMsOf(record);
      if (!record.left && !isSilent && !isGone(this.owner, record)) continue;
      heard.delete(unique);
      this.gone.add(unique);
      await this.forget(unique, newest.get(unique)).catch(() => undefined);
    }
  }

  /** Undefined for an object that was deleted since it was listed, or cannot be read. */
  private async read(unique: string, number: number): Promise<MemberRecord | undefined> {
    try {
      return await readMember(this.store, numberedName(memberPrefix(unique), number));
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Deletes what a member that is gone has put. If it goes on after all, it puts greater numbers. */
  private async forget(unique: string, last: number | undefined): Promise<void> {
    if (last === undefined) return;
    for await (const { name } of this.store.list(memberPrefix(unique))) {
      const found = parseMemberName(name);
      if (found && found.number <= last) await this.store.delete(name);
    }
  }
}

function isEqual<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
