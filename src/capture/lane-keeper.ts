/**
 * The life of a process that captures: which lanes it captures, as the number of lanes and the other processes change.
 *
 * With one lane it captures that one, and no other process does. With several it joins the members: each takes its
 * share of the lanes, and lanes change hands without a gap when a process joins. When one is gone, the others take its
 * lanes.
 *
 * Invariant: a process passes over the writer before it in a lane only if that writer is a member that has fallen
 * silent, or answers. Nothing else here decides who writes; see members.ts.
 */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { hasLeft } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import { type Lane, laneIn } from "../repository/lanes.js";
import { WriterMayRun } from "../repository/log/claim-epoch.js";
import { listClaims } from "../repository/log/claims.js";
import { endOfLog } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import type { Wish } from "../repository/registers/handovers.js";
import { type Coordinator, memberRenewMs } from "../repository/registers/members.js";
import { lanesMadeOf, lanesOf, readSettings } from "../repository/registers/settings.js";
import { RepositoryView } from "../repository/repository-view.js";
import type { Source } from "../rethinkdb/source.js";
import { failureOf } from "../storage/object-store.js";
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
  capture: (lane: Lane) => Omit<CaptureOptions, "lane" | "gone" | "mustAnswer">;
  /** Opens the repository anew. Rejects while there is none, or another one. */
  reopen: () => Promise<Repository>;
}

/** How often a process that captures the only lane looks whether there are more by now. */
const settingsEveryMs = 15_000;
/** How often it is looked for lanes that are not used any more, but have tables that nobody captures. */
const retiredEveryMs = 60_000;
/** After a lane's capture has failed, it is not tried again for so long. */
const pauseMs = 5000;

interface RunningLane {
  stop: AbortController;
  done: Promise<void>;
}

export class LaneKeeper {
  private lanes = 1;
  private made = 1;
  private readonly running = new Map<number, RunningLane>();
  /** Lanes that are no longer used, and have tables that are not in their new lanes yet. */
  private retired: number[] = [];
  private retiredLookMs = Number.NEGATIVE_INFINITY;
  /** Lanes that are no longer used and have no table; so it stays until the number of lanes changes. */
  private readonly empty = new Set<number>();
  /** Until when a lane is left alone, by the monotonic clock. */
  private readonly pausing = new Map<number, number>();
  /** The process that goes on in the place of this one. */
  private next: Wish | undefined;
  private readonly failed = new AbortController();
  private replaces: string[] = [];
  private isSharing = false;

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
    await this.readSettings();
    const over = AbortSignal.any([signal, this.failed.signal]);
    try {
      if (this.options.capture(await this.lane(0)).once) await this.captureOnce(signal);
      else if (this.made > 1) await this.share(over, true);
      else await this.captureOnly(signal, over);
    } finally {
      const reason = new Error("the process ends");
      for (const { stop } of this.running.values())
        stop.abort(signal.aborted ? signal.reason : reason);
      await Promise.all([...this.running.values()].map(({ done }) => done));
      await this.coordinator.leave();
    }
    if (this.failed.signal.aborted) throw this.failed.signal.reason;
    return this.next;
  }

  /** A one-shot backup: of all lanes at once. */
  private async captureOnce(signal: AbortSignal): Promise<void> {
    const lanes = this.lanesToCapture().map(async (number) => {
      const lane = await this.lane(number);
      const ending = AbortSignal.any([signal, this.failed.signal]);
      await this.capture(lane, this.options.capture(lane), ending);
    });
    const ended = lanes.map((one) => one.catch((error: unknown) => this.failed.abort(error)));
    await Promise.all(ended);
  }

  /** Captures the only lane as this process was told to; joins the members when there are more. */
  private async captureOnly(signal: AbortSignal, over: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const lane = await this.lane(0);
    const options = this.options.capture(lane);
    const capturing = this.capture(lane, options, signal).then(
      (next) => {
        this.next = next;
        ended.abort();
      },
      (error: unknown) => this.failed.abort(error),
    );
    this.running.set(0, { stop: new AbortController(), done: capturing });
    const until = AbortSignal.any([over, ended.signal]);
    while (!until.aborted) {
      await this.clock.sleep(settingsEveryMs, until).catch(() => undefined);
      if (!until.aborted) await this.readSettings().catch(() => undefined);
      if (this.made > 1) {
        void capturing.then(() => this.running.delete(0));
        await this.share(over, false);
        return;
      }
    }
    this.running.delete(0);
    await capturing;
  }

  /** Captures this process's share of the lanes until the signal aborts, or it is replaced. */
  private async share(signal: AbortSignal, isFirst: boolean): Promise<void> {
    this.isSharing = true;
    const own = { unique: this.coordinator.unique };
    const wasReplaced = new Set<string>();
    for (let looks = 0; !signal.aborted; looks += 1) {
      // A store that fails now is asked again: what is captured goes on.
      try {
        await this.readSettings().catch(() => undefined);
        await this.lookForRetired();
        const lanes = [...this.running.keys()];
        const others = await this.coordinator.renew(lanes, this.replaces);
        if (isFirst && looks === 0 && this.options.capture(await this.lane(0)).takeOver) {
          this.replaces = others.map(({ unique }) => unique);
          continue;
        }
        for (const other of others.filter(({ replaces }) => replaces.includes(own.unique))) {
          wasReplaced.add(other.unique);
        }
        if (wasReplaced.size > 0 && lanes.length === 0) return;
        const turn = nextTurn(
          { ...own, lanes, replaces: this.replaces },
          others,
          this.lanesToCapture(),
        );
        const now = this.clock.monotonicMs();
        const isDue = (lane: number) => (this.pausing.get(lane) ?? 0) <= now;
        for (const lane of turn.free.filter(isDue)) await this.take(lane, false, signal);
        for (const lane of turn.asked.filter(isDue)) await this.take(lane, true, signal);
        // Others see at once what is taken.
        if (turn.free.length + turn.asked.length > 0) {
          await this.coordinator.renew([...this.running.keys()], this.replaces);
        }
      } catch (error) {
        if (failureOf(error) !== "unavailable") throw error;
      }
      await this.clock.sleep(memberRenewMs, signal).catch(() => undefined);
    }
  }

  private lanesToCapture(): number[] {
    const used = Array.from({ length: this.lanes }, (_, lane) => lane);
    return [...used, ...this.retired];
  }

  private async readSettings(): Promise<void> {
    const settings = await readSettings(this.repository.store);
    if (lanesOf(settings) !== this.lanes) this.empty.clear();
    this.lanes = lanesOf(settings);
    this.made = lanesMadeOf(settings);
  }

  /** Finds the lanes that are not used any more, whose tables would have a gap if nobody captured them. */
  private async lookForRetired(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (now - this.retiredLookMs < retiredEveryMs) return;
    this.retiredLookMs = now;
    const retired: number[] = [];
    for (let lane = this.lanes; lane < this.made; lane += 1) {
      if (this.empty.has(lane)) continue;
      const { tables } = await (await RepositoryView.read(await this.lane(lane))).coverage();
      if ([...tables.values()].some(({ state }) => !hasLeft(state))) retired.push(lane);
      else this.empty.add(lane);
    }
    this.retired = retired;
  }

  private async lane(number: number): Promise<Lane> {
    const lane = await laneIn(this.repository, number);
    if (lane) return lane;
    throw new ThinkbackError(
      "damaged",
      `lane ${number} of ${this.repository.store.location} is gone`,
      {
        hint: "put its repository.json back from a copy of the repository",
      },
    );
  }

  /**
   * Begins to capture a lane that nobody has, or that is asked for; leaves it if somebody else has it after all.
   * @param asks ask the process that captures it to hand over
   */
  private async take(number: number, asks: boolean, signal: AbortSignal): Promise<void> {
    const lane = await this.lane(number);
    const gone = asks ? undefined : await this.goneWriter(lane);
    const options = {
      ...this.options.capture(lane),
      takeOver: asks,
      standby: false,
      mustAnswer: this.replaces.length === 0,
      gone,
    };
    const stop = new AbortController();
    const ending = AbortSignal.any([signal, stop.signal]);
    const done = this.capture(lane, options, ending)
      .then((next) => {
        this.next = next ?? this.next;
      })
      .catch((error: unknown) => {
        this.pausing.set(number, this.clock.monotonicMs() + pauseMs);
        if (!mayPass(error)) this.failed.abort(error);
        else this.options.observer(number).beginsLater(error as Error);
      })
      .finally(() => {
        this.running.delete(number);
        if (!this.lanesToCapture().includes(number)) this.retiredLookMs = Number.NEGATIVE_INFINITY;
      });
    this.running.set(number, { stop, done });
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
    const tables = new LaneTables(this.repository, number, () => this.lanes);
    const of = {
      ...options,
      lane: tables,
      owner: { ...options.owner, member },
      reopen: async () => this.reopened(number),
    };
    try {
      const clock = this.isSharing ? await clockOfSource(source, this.clock) : this.clock;
      return await runCapture(source, lane, clock, of, this.options.observer(number), signal);
    } finally {
      source.close();
    }
  }

  private async reopened(number: number): Promise<Lane> {
    const lane = await laneIn(await this.options.reopen(), number);
    if (lane) return lane;
    throw new ThinkbackError("repository", `lane ${number} is not there any more`);
  }
}
