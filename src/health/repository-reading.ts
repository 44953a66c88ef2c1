/** Reads now and then what the repository says of itself, by `thinkback status` in a process of its own. */
import type { Clock } from "../clock.js";
import type { Commands } from "../commands.js";
import type { Facts } from "./facts.js";
import { instantOf, type StatusPrinted, stateOf } from "./repository-state.js";

/** How often the repository is read; in a store that charges for requests, and if reading takes long, less often. */
const everyMs = 300_000;
const everyChargedMs = 1_800_000;
/** Reading takes at most this part of the time. */
const partMax = 1 / 20;
/** How often it is looked whether it is this process's turn. */
const turnEveryMs = 1000;

export interface ReadingOptions {
  commands: Commands;
  clock: Clock;
  chargesRequests: boolean;
  /** True while this process is the one that reads. */
  isOurs: () => boolean;
  signal: AbortSignal;
}

export class RepositoryReading {
  private newest: StatusPrinted | undefined;
  /** When reading was begun last, and until when it is not begun again, by the monotonic clock. */
  private beganMs = Number.NEGATIVE_INFINITY;
  private restsUntilMs = Number.NEGATIVE_INFINITY;
  private underWay: Promise<void> | undefined;
  private keeping: Promise<void> | undefined;

  constructor(
    private readonly facts: Facts,
    private readonly options: ReadingOptions,
  ) {}

  /** What was read last, while this process is the one that reads; else undefined. */
  get last(): StatusPrinted | undefined {
    return this.options.isOurs() ? this.newest : undefined;
  }

  /**
   * Reads the repository until the signal aborts, beginning when the first tick is stored. It is read once, however
   * many ask for it.
   */
  keep(): Promise<void> {
    this.keeping ??= this.keepReading();
    return this.keeping;
  }

  /**
   * The newest that could be read, after it was read again if that was begun long ago; undefined before the first time.
   * For every process, whoever reads now and then. Does not throw.
   */
  async recent(): Promise<StatusPrinted | undefined> {
    await this.readIfOlder(everyMs);
    return this.newest;
  }

  private async keepReading(): Promise<void> {
    const { clock, signal, isOurs, chargesRequests } = this.options;
    const work = this.facts.work("status");
    work.everyMs = chargesRequests ? everyChargedMs : everyMs;
    let wasOurs = isOurs();
    while (!signal.aborted) {
      // Another process reads it from now on, or has until now: what this one has read gets old.
      if (isOurs() !== wasOurs) this.forget();
      wasOurs = isOurs();
      const isTurn = wasOurs && this.facts.lanes.get(0)?.lastTick !== undefined;
      if (isTurn) await this.readIfOlder(work.everyMs);
      await clock.sleep(turnEveryMs, signal).catch(() => undefined);
    }
  }

  private forget(): void {
    this.newest = undefined;
    this.facts.repository = undefined;
    this.beganMs = Number.NEGATIVE_INFINITY;
  }

  private async readIfOlder(ageMs: number): Promise<void> {
    const nowMs = this.options.clock.monotonicMs();
    const isDue = nowMs - this.beganMs >= ageMs && nowMs >= this.restsUntilMs;
    if (!this.underWay && !isDue) return;
    this.underWay ??= this.read().finally(() => void (this.underWay = undefined));
    await this.underWay;
  }

  private async read(): Promise<void> {
    const { facts, options } = this;
    const { clock, commands, isOurs, signal } = options;
    this.beganMs = clock.monotonicMs();
    try {
      const printed = (await commands.run(["status"], { signal })) as StatusPrinted;
      this.newest = printed;
      if (isOurs()) facts.repository = stateOf(printed, clock.now());
      for (const { id, lastRestorable } of printed.tables) {
        const table = facts.tables.get(id);
        if (table) table.restorableTo ??= instantOf(lastRestorable);
      }
      facts.succeeded("status");
    } catch (error) {
      if (!signal.aborted) facts.failed("status", error);
    }
    const tookMs = clock.monotonicMs() - this.beganMs;
    this.restsUntilMs = this.beganMs + tookMs / partMax;
  }
}
