/**
 * Delivers the notices of the book to one channel, in order, and tries again for as long as it takes.
 *
 * Invariant: a notice that the channel has taken is not delivered to it again by this process. A process that is killed
 * between the receiver's answer and the store's leaves the notice to the next one: then it comes twice, with one id.
 */
import { type Clock, withTimeout } from "../clock.js";
import { messageOf } from "../errors.js";
import { delivered, nextFor } from "./book.js";
import type { Channel } from "./channel.js";
import type { KeptBook } from "./kept-book.js";
import { letterOf } from "./letter.js";

export interface CourierObserver {
  /** A channel has taken a notice. */
  taken(channel: string, id: string): void;
  /** It has not; it is tried again after `pauseMs`. Told of each attempt. */
  refused(channel: string, error: Error, pauseMs: number): void;
}

/** How long a receiver may take to answer. */
const answerMsMax = 30_000;
const pauseFirstMs = 1000;
const pauseLastMs = 300_000;

export class Courier {
  private failures = 0;
  private nextMs = 0;

  constructor(
    private readonly channel: Channel,
    private readonly kept: KeptBook,
    private readonly repository: string,
    private readonly clock: Clock,
    private readonly random: () => number,
    private readonly observer: CourierObserver,
  ) {}

  /**
   * Delivers what there is, until the channel fails.
   * @param mayDeliver asked before each notice: false once another process does it, and while the notice may still
   *   be stored before
   */
  async step(mayDeliver: (id: string) => boolean): Promise<void> {
    const { channel, clock, kept, observer, repository } = this;
    for (;;) {
      const notice = nextFor(kept.book, channel.name);
      if (!notice || clock.monotonicMs() < this.nextMs || !mayDeliver(notice.id)) return;
      const over = new AbortController();
      const late = () => new Error(`no answer within ${answerMsMax / 1000} s`);
      try {
        const giving = channel.deliver(letterOf(notice, repository), over.signal);
        await withTimeout(clock, answerMsMax, giving, late);
      } catch (error) {
        over.abort(error);
        this.pause(error);
        return;
      }
      this.failures = 0;
      kept.apply((book) => delivered(book, channel.name, notice.id));
      observer.taken(channel.name, notice.id);
    }
  }

  private pause(error: unknown): void {
    const longestMs = Math.min(pauseLastMs, pauseFirstMs * 2 ** Math.min(this.failures, 20));
    const pauseMs = Math.round(longestMs * (0.5 + this.random() / 2));
    this.failures += 1;
    this.nextMs = this.clock.monotonicMs() + pauseMs;
    const told = error instanceof Error ? error : new Error(messageOf(error));
    this.observer.refused(this.channel.name, told, pauseMs);
  }
}
