/**
 * Members that tell each other by Redis, and in the repository too. By Redis one that is gone is known after one short
 * lifetime. While Redis does not answer, has forgotten or goes back, what the repository says counts.
 *
 * A member is taken for gone only if
 * - Redis has answered for a whole lifetime, and
 * - has shown no new beat of the member in that time, by this process's monotonic clock, and
 * - the repository, read after that, has no object of the member that Redis has not been told of.
 * A member that has lost Redis goes on putting objects, so the last rule keeps it.
 *
 * Like all members it decides nothing: see registers/members.ts.
 */
import type { Clock } from "../clock.js";
import { isGone, type Owner, spaceOf } from "../owner.js";
import { HeldLease } from "../repository/registers/held-lease.js";
import {
  type Coordinator,
  type Member,
  type MemberRecord,
  memberRenewMs,
  type StoredMembers,
} from "../repository/registers/members.js";
import type { MemberChannel, ToldMember } from "./redis-members.js";

/** How often a member tells the others that it is there. */
export const beatMs = 2000;
/** After so long without a new beat a member is taken for gone. */
export const lifetimeMs = 3 * beatMs;

export interface RedisObserver {
  /** Redis has taken what this process tells, and has told of the others. */
  redisAnswers(): void;
  /** Redis does not answer: what the repository says of the members counts. */
  redisFails(error: Error): void;
  redisIsBack(): void;
}

interface Heard {
  told: ToldMember;
  /** When its newest beat was first seen here, by the monotonic clock. */
  seenMs: number;
}

interface Said {
  lanes: readonly number[];
  replaces: readonly string[];
}

export class RedisCoordinator implements Coordinator {
  readonly renewMs = beatMs;
  readonly sharesOneLane = true;
  readonly unique: string;
  private readonly lease: HeldLease;
  private said: Said = { lanes: [], replaces: [] };
  private beat = 0;
  private hasLeft = false;
  /** One for each process that this one has heard of: an old state of Redis must not bring back one that is gone. */
  private readonly heard = new Map<string, Heard>();
  /** By name: the newest objects of those that are there by what the repository says. */
  private stored = new Map<string, MemberRecord>();
  private readonly gone = new Set<string>();
  /** Those that are there, as it was judged last. */
  private there = new Set<string>();
  /** Since when Redis has answered each time; undefined while it does not. */
  private answersSinceMs: number | undefined;
  private isFailing = false;
  /** Redis has stopped to answer, and the repository has not been told since. */
  private hasLostRedis = false;
  /** When the repository was last read, and told, by the monotonic clock. */
  private storedMs = Number.NEGATIVE_INFINITY;
  private storing: Promise<void> | undefined;
  private beating: Promise<void> | undefined;
  private readonly ended = new AbortController();

  constructor(
    private readonly members: StoredMembers,
    private readonly channel: MemberChannel,
    private readonly clock: Clock,
    private readonly owner: Owner,
    private readonly observer: RedisObserver,
  ) {
    this.unique = members.unique;
    this.lease = new HeldLease(clock);
  }

  async renew(lanes: readonly number[], replaces: readonly string[]): Promise<Member[]> {
    const isNews = !isEqual(this.said, { lanes, replaces });
    this.said = { lanes: [...lanes], replaces: [...replaces] };
    this.beating ??= this.keepBeating();
    const sentMs = await this.tell();
    const wants = this.wantsSure(sentMs);
    if (isNews || wants || this.isStoreDue) {
      // While Redis tells of all, the repository may be away.
      await this.tellRepository().catch((error: unknown) => {
        if (sentMs === undefined || wants) throw error;
      });
    }
    return this.judged(sentMs);
  }

  hasGone(unique: string): boolean {
    if (this.there.has(unique)) return false;
    return this.gone.has(unique) || this.members.hasGone(unique);
  }

  heldSinceMs(): number | undefined {
    return this.lease.sinceMs();
  }

  async leave(): Promise<void> {
    if (!this.beating) return;
    this.ended.abort(new Error("the process leaves"));
    await this.beating;
    await this.storing?.catch(() => undefined);
    this.said = { lanes: [], replaces: [] };
    this.hasLeft = true;
    await this.tell();
    await this.members.leave();
  }

  /** Tells, whatever else this process waits for, that it is there. */
  private async keepBeating(): Promise<void> {
    const { signal } = this.ended;
    for (;;) {
      await this.clock.sleep(beatMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.tell();
      // A store that hangs must not keep the beats.
      if (this.isStoreDue && !this.storing) void this.tellRepository().catch(() => undefined);
    }
  }

  /** Tells the others by Redis, and hears them. Gives the moment before; undefined if Redis does not answer. */
  private async tell(): Promise<number | undefined> {
    const { clock, lease, members, owner, said, unique } = this;
    const sentMs = clock.monotonicMs();
    const { host, process } = owner;
    const space = spaceOf(owner);
    this.beat += 1;
    const own = { unique, host, process, space, beat: this.beat, number: members.newest };
    const told = { ...own, lanes: [...said.lanes], replaces: [...said.replaces] };
    let all: ToldMember[];
    try {
      all = await this.channel.tell({ ...told, left: this.hasLeft }, lifetimeMs);
    } catch (error) {
      this.fails(error as Error);
      return undefined;
    }
    lease.renewed(sentMs, lifetimeMs);
    this.observer.redisAnswers();
    this.answersSinceMs ??= clock.monotonicMs();
    if (this.isFailing) this.observer.redisIsBack();
    this.isFailing = false;
    for (const one of all) this.hear(one);
    return sentMs;
  }

  private fails(error: Error): void {
    this.answersSinceMs = undefined;
    if (this.isFailing) return;
    this.isFailing = true;
    this.hasLostRedis = true;
    this.observer.redisFails(error);
  }

  private hear(told: ToldMember): void {
    const known = this.heard.get(told.unique);
    if (told.unique === this.unique || (known && told.beat <= known.told.beat)) return;
    this.heard.set(told.unique, { told, seenMs: this.clock.monotonicMs() });
  }

  private get isStoreDue(): boolean {
    return this.hasLostRedis || this.clock.monotonicMs() - this.storedMs >= memberRenewMs;
  }

  /** True if a member has fallen silent in Redis, and the repository has not been read since. */
  private wantsSure(sentMs: number | undefined): boolean {
    if (sentMs === undefined) return false;
    const isUnsure = ({ told, seenMs }: Heard) =>
      sentMs - seenMs > lifetimeMs &&
      this.storedMs <= seenMs + lifetimeMs &&
      !this.gone.has(told.unique);
    return [...this.heard.values()].some(isUnsure);
  }

  /** Tells the others in the repository, and hears them; one call after the other. */
  private async tellRepository(): Promise<void> {
    while (this.storing) await this.storing.catch(() => undefined);
    this.storing = this.tellRepositoryNow().finally(() => {
      this.storing = undefined;
    });
    return this.storing;
  }

  private async tellRepositoryNow(): Promise<void> {
    const { clock, members, said } = this;
    const sentMs = clock.monotonicMs();
    const before = members.newest;
    // Those that Redis still answers to see from a new object that this process is not gone.
    if (this.hasLostRedis) members.sayAgain();
    const records = await members.renew(said.lanes, said.replaces);
    if (members.newest > before) this.hasLostRedis = false;
    this.stored = new Map(records.map((record) => [record.unique, record]));
    this.storedMs = sentMs;
    if (members.newest === before) return;
    this.lease.renewed(sentMs, members.silentMs);
    // From now on its beats count again.
    if (this.answersSinceMs !== undefined) await this.tell();
  }

  /**
   * The members that are there. Notes which are gone.
   * @param sentMs when Redis was asked last, and has answered; undefined if it has not
   */
  private judged(sentMs: number | undefined): Member[] {
    const there: Member[] = [];
    for (const unique of new Set([...this.heard.keys(), ...this.stored.keys()])) {
      const heard = this.heard.get(unique);
      const record = this.stored.get(unique);
      const isThere = this.isThere(heard, record, sentMs);
      if (isThere) this.gone.delete(unique);
      else this.gone.add(unique);
      if (!isThere) continue;
      const isNewer = record !== undefined && record.number > (heard?.told.number ?? 0);
      there.push(isNewer ? record : (heard?.told ?? record!));
    }
    this.there = new Set(there.map((one) => one.unique));
    return there;
  }

  private isThere(
    heard: Heard | undefined,
    record: MemberRecord | undefined,
    sentMs: number | undefined,
  ): boolean {
    if (!heard) return record !== undefined;
    if (heard.told.left || isGone(this.owner, heard.told)) return false;
    if (sentMs !== undefined && sentMs - heard.seenMs <= lifetimeMs) return true;
    const mayJudge =
      sentMs !== undefined &&
      this.answersSinceMs !== undefined &&
      sentMs - this.answersSinceMs >= lifetimeMs;
    return record !== undefined && (!mayJudge || record.number > heard.told.number);
  }
}

function isEqual(a: Said, b: Said): boolean {
  return a.lanes.join() === b.lanes.join() && a.replaces.join() === b.replaces.join();
}
