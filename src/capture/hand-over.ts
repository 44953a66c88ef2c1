/** Looks for processes that want to go on with this capture, and answers one. See handovers.ts for the way. */
import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";
import type { LogWriter } from "../repository/log/log-writer.js";
import { answerOf, firstWish, putAnswer, type Wish } from "../repository/registers/handovers.js";
import type { ObjectStore } from "../storage/object-store.js";

/** How often a capture looks whether another process wants to go on with it, while it expects that. */
const lookForWishesMs = 10_000;

/** How long a capture takes at most until it looks for wishes, if it puts a segment at this pace when it is idle. */
export const wishesSeenMs = (idleMs: number) => Math.max(lookForWishesMs, idleMs);

/** A wish, and the instant that the answer to it names. */
export type AnsweredWish = Wish & { since: Instant };

export class HandOver {
  /** The wish that is answered. From then on nothing else is answered in this epoch. */
  private answering: { wish: Wish; since: Instant; answer: Buffer } | undefined;
  private looking: Promise<AnsweredWish | undefined> | undefined;

  constructor(
    private readonly store: ObjectStore,
    private readonly log: Pick<LogWriter, "epoch" | "mark">,
    private readonly clock: Clock,
    /** How often the capture puts a segment when it is idle, in ms. */
    private readonly idleMs: number,
    /** True while other processes are known that may want to go on. */
    private readonly isExpecting: () => boolean = () => false,
  ) {}

  /**
   * Resolves with the first wish to go on after this epoch, once the answer to it is stored; with undefined when the
   * signal aborts. What is proven from then on counts for the other process.
   */
  async run(signal: AbortSignal): Promise<AnsweredWish | undefined> {
    const { clock } = this;
    while (!signal.aborted) {
      // A store that fails now is asked again.
      const wish = await this.look().catch(() => undefined);
      if (wish) return wish;
      const dueMs = clock.monotonicMs() + wishesSeenMs(this.idleMs);
      do await clock.sleep(lookForWishesMs, signal).catch(() => undefined);
      while (!signal.aborted && !this.isExpecting() && clock.monotonicMs() < dueMs);
    }
    return undefined;
  }

  /** Answers the first wish that is there; rejects if the store fails. An answer may be stored all the same. */
  look(): Promise<AnsweredWish | undefined> {
    this.looking ??= this.answer().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  private async answer(): Promise<AnsweredWish | undefined> {
    const { store, log } = this;
    if (!this.answering) {
      const wish = await firstWish(store, log.epoch);
      if (!wish) return undefined;
      const since = log.mark();
      this.answering = { wish, since, answer: answerOf(wish, since) };
    }
    const { wish, since, answer } = this.answering;
    await putAnswer(store, wish, answer);
    return { ...wish, since };
  }
}
