/**
 * The life of a process that captures: which lanes it captures, as the number of lanes and the other processes change.
 *
 * While there is one lane it captures that one, as it was told to. When there are several it joins the members: each
 * takes its share of the lanes, and lanes change hands without a gap when a process joins. When one is gone, the others
 * take its lanes.
 *
 * Invariant: a process passes over the writer before it in a lane only if that writer is a member that has fallen
 * silent, or has answered, or if this process was told to take over. Nothing else here decides who writes; see
 * members.ts.
 */
import { aborted } from "../abort.js";
import type { Clock } from "../clock.js";
import { isDamage, isFenced } from "../errors.js";
import type { Repository } from "../format/description.js";
import { knownLane, type Lane, nameInWhole } from "../repository/lanes.js";
import { listClaims } from "../repository/log/claims.js";
import type { Wish } from "../repository/registers/handovers.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { type Coordinator, type Member, memberRenewMs } from "../repository/registers/members.js";
import type { Source } from "../rethinkdb/source.js";
import { failureOf } from "../storage/object-store.js";
import type { CaptureObserver, CaptureOptions } from "./capture-options.js";
import { goneWriter, shutOut } from "./gone-members.js";
import { nextTurn } from "./lane-shares.js";
import { LaneTables } from "./lane-tables.js";
import { LanesInTrouble } from "./lanes-in-trouble.js";
import { ifDamaged, LanesToCapture } from "./lanes-to-capture.js";
import { mayPass, runCapture } from "./run-capture.js";

export interface LaneKeeperOptions {
  /** A source for one lane; it is closed when the lane is no longer captured. */
  openSource: (lane: number) => Source;
  observer: (lane: number) => CaptureObserver;
  /** Of the capture of a lane. */
  capture: (lane: Lane) => Omit<CaptureOptions, "lane" | "gone" | "mustAnswer" | "isShared">;
  /** Opens the repository anew. Rejects while there is none, or another one. */
  reopen: () => Promise<Repository>;
}

/** How often a process that captures the only lane looks whether there are more by now. */
const settingsEveryMs = 15_000;
/** A lane that nobody has for so long is taken by whoever can, beyond its share: another process may not be able to. */
const freeMsMax = 20_000;
/** How long a process that is told to end waits for others to go on in its lanes. */
const leavingMsMax = 20_000;
const leavingLookMs = 500;

type Told = Pick<CaptureOptions, "takeOver" | "standby">;

interface RunningLane {
  stop: AbortController;
  done: Promise<void>;
}

export class LaneKeeper {
  private readonly lanes: LanesToCapture;
  private readonly running = new Map<number, RunningLane>();
  private isSharing = false;
  /** Told to wait for its turn, however often others capture. */
  private standsBy = false;
  private readonly trouble = new LanesInTrouble();
  /** Since when nobody has a lane, by the monotonic clock. */
  private readonly freeSince = new Map<number, number>();
  private readonly failed = new AbortController();
  /** The members in whose place this process goes on. */
  private replaces: string[] = [];
  private others: Member[] = [];
  /** The process that went on in this one's place: in its only lane, or in the last of its lanes. */
  private next: Wish | undefined;

  constructor(
    private readonly repository: Repository,
    private readonly clock: Clock,
    private readonly coordinator: Coordinator,
    private readonly options: LaneKeeperOptions,
  ) {
    // Turns that come more often than the members of a repository renew cost it no more requests.
    const everyMs = coordinator.renewMs < memberRenewMs ? memberRenewMs : 0;
    this.lanes = new LanesToCapture(repository, clock, everyMs);
  }

  /** True in one of the processes that share the lanes: it speaks for all while nobody can capture lane 0. */
  get leads(): boolean {
    return this.others.every(({ unique }) => this.coordinator.unique < unique);
  }

  /**
   * Captures until the signal aborts, or another process goes on in its place.
   * @returns that process
   */
  async run(signal: AbortSignal): Promise<Wish | undefined> {
    await this.lanes.readFirst();
    const over = AbortSignal.any([signal, this.failed.signal]);
    const told = this.options.capture(await this.lanes.lane(0));
    try {
      if (told.once) await this.captureOnce(over);
      else {
        const isAlone = this.lanes.made === 1 && !this.coordinator.sharesOneLane;
        if (isAlone) await this.captureOnly(over);
        const isShared = this.lanes.made > 1 || this.coordinator.sharesOneLane;
        if (!over.aborted && isShared) await this.share(told, over);
        if (this.isSharing && !this.failed.signal.aborted) await this.handAway();
      }
    } finally {
      const reason: unknown = signal.aborted ? signal.reason : new Error("the process ends");
      await this.stopAll(reason);
      await this.coordinator.leave();
    }
    if (this.failed.signal.aborted) throw this.failed.signal.reason;
    return this.next;
  }

  private async stopAll(reason: unknown): Promise<void> {
    const running = [...this.running.values()];
    for (const { stop } of running) stop.abort(reason);
    await Promise.all(running.map(({ done }) => done));
  }

  /** A one-shot backup: of all lanes at once. */
  private async captureOnce(over: AbortSignal): Promise<void> {
    await this.lanes.lookForRetired();
    for (const number of this.lanes.numbers) {
      const lane = await this.lanes.lane(number);
      this.begin(lane, this.options.capture(lane));
    }
    const ended = Promise.all([...this.running.values()].map(({ done }) => done));
    await Promise.race([ended, aborted(over)]);
  }

  /** Captures the only lane as this process was told to, until it ends, or there are more lanes. */
  private async captureOnly(over: AbortSignal): Promise<void> {
    const lane = await this.lanes.lane(0);
    this.begin(lane, this.options.capture(lane));
    const ended = new AbortController();
    void this.running.get(0)!.done.then(() => ended.abort());
    const until = AbortSignal.any([over, ended.signal]);
    const everyMs = Math.max(settingsEveryMs, idlePaceMs(this.repository.store));
    while (!until.aborted && this.lanes.made === 1) {
      await this.clock.sleep(everyMs, until).catch(() => undefined);
      if (!until.aborted) await this.lanes.readSettings().catch(() => undefined);
    }
  }

  /** Captures this process's share of the lanes until the signal aborts, or it is replaced. */
  private async share(told: Told, over: AbortSignal): Promise<void> {
    this.isSharing = true;
    this.standsBy = told.standby;
    await this.endStandby();
    const { unique } = this.coordinator;
    let isToReplace = told.takeOver && this.running.size === 0;
    // Whoever replaces others is not replaced by them, though they have not heard of it yet.
    if (isToReplace) this.replaces = [unique];
    let isReplaced = false;
    while (!over.aborted) {
      // A store that fails now is asked again: what is captured goes on.
      try {
        await this.lanes.look();
        await this.renew();
        if (isToReplace) {
          const old = this.others.filter(({ replaces }) => replaces.length === 0);
          this.replaces = old.map((other) => other.unique);
          isToReplace = false;
          continue;
        }
        isReplaced ||= this.others.some(({ replaces }) => replaces.includes(unique));
        if (isReplaced && this.running.size === 0) return;
        await this.takeTurn();
      } catch (error) {
        if (failureOf(error) !== "unavailable") throw error;
        this.tellUncaptured(error as Error);
      }
      const dueMs = this.clock.monotonicMs() + idlePaceMs(this.repository.store);
      do await this.clock.sleep(this.coordinator.renewMs, over).catch(() => undefined);
      while (!over.aborted && this.mayRest && this.clock.monotonicMs() < dueMs);
    }
  }

  /** True if nobody waits for this process and it has nothing to do, in a store that charges for looking. */
  private get mayRest(): boolean {
    const isAlone = this.others.length === 0 && !this.isReplacing;
    const isRunning = this.lanes.numbers.every((lane) => this.running.has(lane));
    return this.repository.store.chargesRequests === true && isAlone && isRunning;
  }

  /** A process that stands by for lane 0 takes its share instead. */
  private async endStandby(): Promise<void> {
    const running = this.running.get(0);
    if (!running) return;
    const claim = (await listClaims((await this.lanes.lane(0)).store)).at(-1);
    if (claim?.member === this.coordinator.unique) return;
    running.stop.abort(new Error("the lanes are shared from now on"));
    await running.done;
  }

  /** Tells the others what this process has, and hears what they have. */
  private async renew(): Promise<void> {
    this.others = await this.coordinator.renew([...this.running.keys()], this.replaces);
    const there = new Set([this.coordinator.unique, ...this.others.map(({ unique }) => unique)]);
    this.replaces = this.replaces.filter((unique) => there.has(unique));
  }

  private async takeTurn(): Promise<void> {
    const { clock, freeSince, others, replaces, trouble } = this;
    const lanes = this.lanes.numbers;
    await this.endTroubles(lanes);
    const now = clock.monotonicMs();
    const held = new Set([...this.running.keys(), ...others.flatMap((other) => other.lanes)]);
    for (const lane of lanes) {
      if (held.has(lane)) freeSince.delete(lane);
      else if (!freeSince.has(lane)) freeSince.set(lane, now);
    }
    const isLong = (lane: number) => now - (freeSince.get(lane) ?? now) > freeMsMax;
    const own = { unique: this.coordinator.unique, lanes: [...this.running.keys()], replaces };
    const { free, asked } = nextTurn(own, others, lanes);
    const isDue = (lane: number) => trouble.isDue(lane, now);
    const left = lanes.filter((lane) => !held.has(lane) && isLong(lane));
    const taken = [...new Set([...free, ...left])].filter(isDue);
    for (const lane of taken) await this.take(lane, false);
    for (const lane of asked.filter(isDue)) await this.take(lane, true);
    // Others see at once what is taken.
    if (taken.length + asked.length > 0) await this.renew();
  }

  /** Of a lane that another process captures by now, or that is not to be captured any more, nothing is wrong here. */
  private async endTroubles(lanes: readonly number[]): Promise<void> {
    for (const lane of this.trouble.lanes) {
      const isHere = this.running.has(lane) || lanes.includes(lane);
      if (isHere && !(await this.isElsewhere(lane).catch(ifDamaged))) continue;
      this.trouble.forget(lane);
      this.options.observer(lane).ends();
    }
  }

  /** True if another member says that it has the lane, and has claimed it: until then it may fail as this one did. */
  private async isElsewhere(number: number): Promise<boolean> {
    const holder = this.others.find(({ lanes }) => lanes.includes(number));
    if (!holder || this.running.has(number)) return false;
    const claim = (await listClaims((await this.lanes.lane(number)).store)).at(-1);
    return claim?.member === holder.unique;
  }

  /** While the store is away no lane can be taken: tells it once of each that nobody has. */
  private tellUncaptured(error: Error): void {
    const held = new Set([...this.running.keys(), ...this.others.flatMap(({ lanes }) => lanes)]);
    for (const lane of this.lanes.numbers) {
      if (!held.has(lane) && this.trouble.tell(lane))
        this.options.observer(lane).beginsLater(error);
    }
  }

  /** Lets the other members go on in this process's lanes, before it ends: then there is no gap. */
  private async handAway(): Promise<void> {
    const endMs = this.clock.monotonicMs() + leavingMsMax;
    // As one that is replaced it gives all away.
    this.replaces = [this.coordinator.unique];
    let renewMs = Number.NEGATIVE_INFINITY;
    while (this.running.size > 0 && this.clock.monotonicMs() < endMs) {
      const now = this.clock.monotonicMs();
      if (now - renewMs >= this.coordinator.renewMs) {
        renewMs = now;
        const isHeard = await this.renew().then(
          () => true,
          () => false,
        );
        const isAlone = this.others.every(({ replaces }) => replaces.length > 0);
        if (!isHeard || isAlone) return;
      }
      await this.clock.sleep(leavingLookMs);
    }
  }

  /**
   * Begins to capture a lane that nobody has, or that is asked for; leaves it if somebody else has it after all.
   * @param asks ask the process that captures it to hand over
   */
  private async take(number: number, asks: boolean): Promise<void> {
    let lane: Lane;
    try {
      lane = await this.lanes.lane(number);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.noteFailure(number, error);
      return;
    }
    const gone = asks ? undefined : await goneWriter(lane.store, this.coordinator).catch(ifDamaged);
    if (gone) this.options.observer(number).goesOnAfter(gone.claim);
    this.begin(lane, {
      ...this.options.capture(lane),
      takeOver: asks,
      standby: false,
      mustAnswer: !this.isReplacing,
      gone,
    });
  }

  private get isReplacing(): boolean {
    return this.replaces.length > 0;
  }

  /** Captures a lane, until it ends by itself or its `stop` aborts. */
  private begin(lane: Lane, options: CaptureOptions): void {
    const { number } = lane.lane;
    const stop = new AbortController();
    const beganMs = this.clock.monotonicMs();
    this.options.observer(number).begins();
    const done = this.capture(lane, options, stop.signal).then(
      (successor) => {
        this.running.delete(number);
        this.trouble.end(number);
        this.options.observer(number).ends();
        this.next = this.running.size === 0 ? successor : undefined;
        if (successor && this.isSharing) this.options.observer(number).hasHandedOver(successor);
        if (!successor && !stop.signal.aborted) this.lanes.noteEmptied(number);
      },
      (error: unknown) => {
        this.running.delete(number);
        this.trouble.noteCaptured(number, this.clock.monotonicMs() - beganMs);
        // A lane that has failed has not ended: it stays this process's until another one has it.
        if (!this.isShutOut(error, beganMs)) this.noteFailure(number, error);
        else {
          this.options.observer(number).ends();
          this.failed.abort(shutOut(error));
        }
      },
    );
    this.running.set(number, { stop, done });
  }

  /**
   * True if others have taken the last lane of this process for gone, and it cannot know why. It ends, and whoever
   * watches over it starts it anew; one that stands by waits for its turn instead.
   */
  private isShutOut(error: unknown, beganMs: number): boolean {
    const { heldSinceMs } = this;
    const hasLapsed = heldSinceMs === undefined || heldSinceMs > beganMs;
    return (
      this.isSharing && isFenced(error) && hasLapsed && this.running.size === 0 && !this.standsBy
    );
  }

  /** See CaptureOptions. A process that shares nothing is not among the members. */
  private get heldSinceMs(): number | undefined {
    return this.isSharing ? this.coordinator.heldSinceMs() : Number.NEGATIVE_INFINITY;
  }

  /** Where lanes are shared, trouble that may pass, or concerns one lane, ends the capture of that lane for a while. */
  private noteFailure(number: number, thrown: unknown): void {
    const error = nameInWhole(thrown, number);
    const ofLane = this.isSharing && (mayPass(error) || isDamage(error));
    if (!ofLane) {
      this.failed.abort(error);
      return;
    }
    this.trouble.pause(number, this.clock.monotonicMs());
    this.trouble.tell(number);
    this.options.observer(number).beginsLater(error as Error);
  }

  private async capture(
    lane: Lane,
    options: CaptureOptions,
    signal: AbortSignal,
  ): Promise<Wish | undefined> {
    const { number } = lane.lane;
    const source = this.options.openSource(number);
    const { unique: member } = this.coordinator;
    const of = {
      ...options,
      lane: new LaneTables(this.repository, number, () => this.lanes.count),
      isShared: () => this.isSharing,
      heldSinceMs: () => this.heldSinceMs,
      isExpected: () => this.others.length > 0,
      owner: { ...options.owner, member },
      reopen: async () => knownLane(await this.options.reopen(), number),
    };
    try {
      return await runCapture(source, lane, this.clock, of, this.options.observer(number), signal);
    } finally {
      source.close();
    }
  }
}
