/** Looks at the repository for all pages of a server together. */
import type * as v from "valibot";
import type { Clock } from "../clock.js";
import type * as answers from "./answers.js";

/** How often at most it is looked at; and how much of the time a look may take. */
export const everyMs = 3000;
export const everyChargedMs = 30_000;
const partMax = 1 / 5;
const restMsMax = 60_000;

/** What there is; the time is told when it is sent. */
export type Look = Omit<v.InferOutput<typeof answers.look>, "now">;

/** Nobody looks while nobody asks. */
export class Looks {
  private newest: { look: Look; atMs: number; restMs: number } | undefined;
  private underWay: Promise<Look> | undefined;

  /** @param look does not reject */
  constructor(
    private readonly clock: Clock,
    private readonly leastMs: number,
    private readonly look: () => Promise<Look>,
  ) {}

  /** The newest look; another one if that is old. Does not reject. */
  recent(): Promise<Look> {
    const { newest } = this;
    if (newest && this.clock.monotonicMs() - newest.atMs < newest.restMs) {
      return Promise.resolve(newest.look);
    }
    this.underWay ??= this.take().finally(() => (this.underWay = undefined));
    return this.underWay;
  }

  /** Something has changed: who asks next gets another look. */
  forget(): void {
    this.newest = undefined;
  }

  private async take(): Promise<Look> {
    const beganMs = this.clock.monotonicMs();
    const look = await this.look();
    const atMs = this.clock.monotonicMs();
    const restMs = Math.max(this.leastMs, (atMs - beganMs) * (1 / partMax - 1));
    this.newest = { look, atMs, restMs: Math.min(restMsMax, restMs) };
    return look;
  }
}
