import type { Clock } from "../clock.js";

/**
 * Answers questions that are asked at about the same time with one piece of work. Work begins only after all that it
 * answers was asked, and one at a time; what is asked while it runs is answered by the next.
 */
export class Gathered<Q, A> {
  private asked: { question: Q; resolve: (answer: A) => void; reject: (error: unknown) => void }[] =
    [];
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

  ask(question: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.asked.push({ question, resolve, reject });
      if (!this.isWorking) void this.answer();
    });
  }

  private async answer(): Promise<void> {
    this.isWorking = true;
    while (this.asked.length > 0) {
      await this.clock.sleep(this.gatherMs).catch(() => undefined);
      const { asked } = this;
      this.asked = [];
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
