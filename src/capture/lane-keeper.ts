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
import { isDamage } from "../errors.js";
import { hasLeft } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import { knownLane, type Lane, lanesMade, nameInWhole } from "../repository/lanes.js";
import { WriterMayRun } from "../repository/log/claim-epoch.js";
import { listClaims } from "../repository/log/claims.js";
import { endOfLog } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import type { Wish } from "../repository/registers/handovers.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { type Coordinator, type Member, memberRenewMs } from "../repository/registers/members.js";
import { lanesMadeOf, lanesOf, readSettings } from "../repository/registers/settings.js";
import { lookAt } from "../repository/repository-view.js";
import type { Source } from "../rethinkdb/source.js";
import { failureOf } from "../storage/object-store.js";
import { Backoff } from "./backoff.js";
import type { CaptureObserver, CaptureOptions } from "./capture-options.js";
import { nextTurn } from "./lane-shares.js";
import { LaneTables } from "./lane-tables.js";
import { mayPass, runCapture } from "./run-capture.js";
import { clockOfSource } from "./shifted-clock.js";

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
/** How often it is looked for lanes that are not used any more, but have tables that nobody captures. */
const retiredEveryMs = 60_000;
/** After a lane's capture has failed, it is not tried again for a while; each time in a row for twice as long. */
const pauseFirstMs = 5000;
const pauseLastMs = 120_000;
/** A lane that nobody has for so long is taken by whoever can, beyond its share: another process may not be able to. */
const freeMsMax = 20_000;
/** How long a process that is told to end waits for others to go on in its lanes. */
const leavingMsMax = 20_000;
const leavingLookMs = 500;

interface RunningLane {
  stop: AbortController;
  done: Promise<void>;
}

export class LaneKeeper {
  private lanes = 1;
  private made = 1;
  private readonly running = new Map<number, RunningLane>();
  private isSharing = false;
  /** Lanes that are no longer used, and have tables that are not in their new lanes yet. */
  private retired: number[] = [];
  private retiredLookMs = Number.NEGATIVE_INFINITY;
  /** Lanes that are no longer used, and in which there is nothing to do until the number of lanes changes. */
  private readonly emptied = new Set<number>();
  /** Until when a lane is left alone, by the monotonic clock. */
  private readonly pausing = new Map<number, { untilMs: number; backoff: Backoff }>();
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
  ) {}

  /** True while this process captures the lane. */
  has(lane: number): boolean {
    return this.running.has(lane);
  }

  /**
   * Captures until the signal aborts, or another process goes on in its place.
   * @returns that process
   */
  async run(signal: AbortSignal): Promise<Wish | undefined> {
    await this.readSettings().catch(async (error: unknown) => {
      ifDamaged(error);
      // Tables are captured all the same, in all lanes that there are.
      this.made = await lanesMade(this.repository.store);
      this.lanes = this.made;
    });
    const over = AbortSignal.any([signal, this.failed.signal]);
    const told = this.options.capture(await this.lane(0));
    try {
      if (told.once) await this.captureOnce(over);
      else {
        if (this.made === 1) await this.captureOnly(over);
        if (!over.aborted && this.made > 1) await this.share(told.takeOver, over);
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
    await this.lookForRetired();
    for (const number of this.lanesToCapture()) {
      const lane = await this.lane(number);
      this.begin(lane, this.options.capture(lane));
    }
    const ended = Promise.all([...this.running.values()].map(({ done }) => done));
    await Promise.race([ended, aborted(over)]);
  }

  /** Captures the only lane as this process was told to, until it ends, or there are more lanes. */
  private async captureOnly(over: AbortSignal): Promise<void> {
    const lane = await this.lane(0);
    this.begin(lane, this.options.capture(lane));
    const ended = new AbortController();
    void this.running.get(0)!.done.then(() => ended.abort());
    const until = AbortSignal.any([over, ended.signal]);
    const everyMs = Math.max(settingsEveryMs, idlePaceMs(this.repository.store));
    while (!until.aborted && this.made === 1) {
      await this.clock.sleep(everyMs, until).catch(() => undefined);
      if (!until.aborted) await this.readSettings().catch(() => undefined);
    }
  }

  /** Captures this process's share of the lanes until the signal aborts, or it is replaced. */
  private async share(takesOver: boolean, over: AbortSignal): Promise<void> {
    this.isSharing = true;
    await this.endStandby();
    const { unique } = this.coordinator;
    let isToReplace = takesOver && this.running.size === 0;
    // Whoever replaces others is not replaced by them, though they have not heard of it yet.
    if (isToReplace) this.replaces = [unique];
    let isReplaced = false;
    while (!over.aborted) {
      // A store that fails now is asked again: what is captured goes on.
      try {
        await this.readSettings().catch(ifDamaged);
        await this.lookForRetired().catch(ifDamaged);
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
      }
      const dueMs = this.clock.monotonicMs() + idlePaceMs(this.repository.store);
      do await this.clock.sleep(memberRenewMs, over).catch(() => undefined);
      while (!over.aborted && this.mayRest && this.clock.monotonicMs() < dueMs);
    }
  }

  /** True if nobody waits for this process and it has nothing to do, in a store that charges for looking. */
  private get mayRest(): boolean {
    const isAlone = this.others.length === 0 && !this.isReplacing;
    const isRunning = this.lanesToCapture().every((lane) => this.running.has(lane));
    return this.repository.store.chargesRequests === true && isAlone && isRunning;
  }

  /** A process that stands by for lane 0 takes its share instead. */
  private async endStandby(): Promise<void> {
    const running = this.running.get(0);
    if (!running) return;
    const claim = (await listClaims((await this.lane(0)).store)).at(-1);
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
    const { clock, freeSince, others, pausing, replaces } = this;
    const lanes = this.lanesToCapture();
    const now = clock.monotonicMs();
    const held = new Set([...this.running.keys(), ...others.flatMap((other) => other.lanes)]);
    for (const lane of lanes) {
      if (held.has(lane)) freeSince.delete(lane);
      else if (!freeSince.has(lane)) freeSince.set(lane, now);
    }
    const isLong = (lane: number) => now - (freeSince.get(lane) ?? now) > freeMsMax;
    const own = { unique: this.coordinator.unique, lanes: [...this.running.keys()], replaces };
    const { free, asked } = nextTurn(own, others, lanes);
    const isDue = (lane: number) => (pausing.get(lane)?.untilMs ?? 0) <= now;
    const left = lanes.filter((lane) => !held.has(lane) && isLong(lane));
    const taken = [...new Set([...free, ...left])].filter(isDue);
    for (const lane of taken) await this.take(lane, false);
    for (const lane of asked.filter(isDue)) await this.take(lane, true);
    // Others see at once what is taken.
    if (taken.length + asked.length > 0) await this.renew();
  }

  /** Lets the other members go on in this process's lanes, before it ends: then there is no gap. */
  private async handAway(): Promise<void> {
    const endMs = this.clock.monotonicMs() + leavingMsMax;
    // As one that is replaced it gives all away.
    this.replaces = [this.coordinator.unique];
    let renewMs = Number.NEGATIVE_INFINITY;
    while (this.running.size > 0 && this.clock.monotonicMs() < endMs) {
      const now = this.clock.monotonicMs();
      if (now - renewMs >= memberRenewMs) {
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

  private lanesToCapture(): number[] {
    const used = Array.from({ length: this.lanes }, (_, lane) => lane);
    return [
      ...used,
      ...this.retired.filter((lane) => lane >= this.lanes && !this.emptied.has(lane)),
    ];
  }

  private async readSettings(): Promise<void> {
    const settings = await readSettings(this.repository.store);
    if (lanesOf(settings) !== this.lanes) {
      this.emptied.clear();
      this.retiredLookMs = Number.NEGATIVE_INFINITY;
    }
    this.lanes = lanesOf(settings);
    this.made = lanesMadeOf(settings);
  }

  /** Finds the lanes that are not used any more, whose tables would have a gap if nobody captured them. */
  private async lookForRetired(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (now - this.retiredLookMs < retiredEveryMs) return;
    this.retiredLookMs = now;
    const retired: number[] = [];
    for (let number = this.lanes; number < this.made; number += 1) {
      if (this.emptied.has(number)) continue;
      const { tables } = await lookAt(await this.lane(number), (view) => view.coverage());
      if ([...tables.values()].some(({ state }) => !hasLeft(state))) retired.push(number);
      else this.emptied.add(number);
    }
    this.retired = retired;
  }

  private lane(number: number): Promise<Lane> {
    return knownLane(this.repository, number);
  }

  /**
   * Begins to capture a lane that nobody has, or that is asked for; leaves it if somebody else has it after all.
   * @param asks ask the process that captures it to hand over
   */
  private async take(number: number, asks: boolean): Promise<void> {
    let lane: Lane;
    try {
      lane = await this.lane(number);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.noteFailure(number, error);
      return;
    }
    const gone = asks ? undefined : await this.goneWriter(lane).catch(ifDamaged);
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
    const done = this.capture(lane, options, stop.signal).then(
      (successor) => {
        this.running.delete(number);
        this.pausing.delete(number);
        this.next = this.running.size === 0 ? successor : undefined;
        if (successor && this.isSharing) this.options.observer(number).hasHandedOver(successor);
        const isRetired = number >= this.lanes;
        if (isRetired && !successor && !stop.signal.aborted) this.emptied.add(number);
      },
      (error: unknown) => {
        this.running.delete(number);
        // It was of use: what failed now is something else.
        if (this.clock.monotonicMs() - beganMs > pauseLastMs) this.pausing.delete(number);
        this.noteFailure(number, error);
      },
    );
    this.running.set(number, { stop, done });
  }

  /** Where lanes are shared, trouble that may pass, or concerns one lane, ends the capture of that lane for a while. */
  private noteFailure(number: number, thrown: unknown): void {
    const error = nameInWhole(thrown, number);
    const ofLane = this.isSharing && (mayPass(error) || isDamage(error));
    if (!ofLane) {
      this.failed.abort(error);
      return;
    }
    const backoff = this.pausing.get(number)?.backoff ?? new Backoff(pauseFirstMs, pauseLastMs);
    this.pausing.set(number, { untilMs: this.clock.monotonicMs() + backoff.next(), backoff });
    this.options.observer(number).beginsLater(error as Error);
  }

  /** The last writer of a lane, if it is a member that is there no more and has not closed its log. */
  private async goneWriter({ store }: Lane): Promise<WriterMayRun | undefined> {
    const claim = (await listClaims(store)).at(-1);
    if (claim?.member === undefined || !this.coordinator.hasGone(claim.member)) return undefined;
    const end = await endOfLog(await LogView.read(store));
    const last = end?.epoch === claim.epoch ? end : undefined;
    return last?.closed
      ? undefined
      : new WriterMayRun(claim, last, last?.to ?? claim.started, false);
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
      lane: new LaneTables(this.repository, number, () => this.lanes),
      isShared: () => this.isSharing,
      isExpected: () => this.others.length > 0,
      owner: { ...options.owner, member },
      reopen: async () => knownLane(await this.options.reopen(), number),
    };
    try {
      const clock = this.isSharing ? await clockOfSource(source, this.clock) : this.clock;
      return await runCapture(source, lane, clock, of, this.options.observer(number), signal);
    } finally {
      source.close();
    }
  }
}

/** What is damaged is for others to tell: the capture goes on by what it knew before. */
function ifDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error;
}
