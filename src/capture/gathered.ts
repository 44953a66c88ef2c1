import type { Clock } from "../clock.js";

interface Asked<Q, A> {
  question: Q;
  resolve: (answer: A) => void;
  reject: (error: unknown) => void;
}

/**
 * Answers questions that are asked at about the same time with one piece of work. Work begins only after all that it
 * answers was asked, and one at a time; what is asked while it runs is answered by the next.
 */
export class Gathered<Q, A> {
  private asked: Asked<Q, A>[] = [];
  private isWorking = false;

  /**
   * @param gatherMs how long the first question waits for others
   * @param work answers several questions; each is given what it resolves with
   */
  constructor(
    private readonly clock: Clock,
    private readonly gatherMs: number,
    private readonly work: (questions: Q[]) => Promise<A>,
  ) {}

  /**
   * Rejects at once if the signal aborts; the work does not answer the question then, unless it has begun.
   * @param onUnwanted given an answer that came after that
   */
  ask(question: Q, signal: AbortSignal, onUnwanted?: (answer: A) => void): Promise<A> {
    return new Promise((resolve, reject) => {
      let isWanted = true;
      const asked: Asked<Q, A> = {
        question,
        resolve: (answer) => {
          signal.removeEventListener("abort", giveUp);
          if (isWanted) resolve(answer);
          else onUnwanted?.(answer);
        },
        reject: (error) => {
          signal.removeEventListener("abort", giveUp);
          reject(error);
        },
      };
      const giveUp = () => {
        isWanted = false;
        this.asked = this.asked.filter((other) => other !== asked);
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        giveUp();
        return;
      }
      signal.addEventListener("abort", giveUp, { once: true });
      this.asked.push(asked);
      if (!this.isWorking) void this.answer();
    });
  }

  private async answer(): Promise<void> {
    this.isWorking = true;
    while (this.asked.length > 0) {
      await this.clock.sleep(this.gatherMs).catch(() => undefined);
      const { asked } = this;
      this.asked = [];
      if (asked.length === 0) break;
      try {
        const answer = await this.work(asked.map(({ question }) => question));
        for (const { resolve } of asked) resolve(answer);
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
    this.isWorking = false;
  }
}
