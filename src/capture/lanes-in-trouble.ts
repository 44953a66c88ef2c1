/** Lanes whose capture could not begin, or has failed, and is to be tried again. */
import { Backoff } from "./backoff.js";

/** A lane is not tried again for a while; each time in a row for twice as long. */
const pauseFirstMs = 5000;
const pauseLastMs = 120_000;

export class LanesInTrouble {
  /** Until when a lane is left alone, by the monotonic clock. */
  private readonly pausing = new Map<number, { untilMs: number; backoff: Backoff }>();
  /** Lanes of which was told that they are not captured yet, and not since that another process has them. */
  private readonly told = new Set<number>();

  get lanes(): number[] {
    return [...this.told];
  }

  /** True unless the lane is left alone for now. */
  isDue(lane: number, nowMs: number): boolean {
    return (this.pausing.get(lane)?.untilMs ?? 0) <= nowMs;
  }

  /** The lane has failed, and is left alone for a while. */
  pause(lane: number, nowMs: number): void {
    const backoff = this.pausing.get(lane)?.backoff ?? new Backoff(pauseFirstMs, pauseLastMs);
    this.pausing.set(lane, { untilMs: nowMs + backoff.next(), backoff });
  }

  /** The lane was captured for so long: if that was of use, what failed now is something else. */
  noteCaptured(lane: number, ms: number): void {
    if (ms > pauseLastMs) this.pausing.delete(lane);
  }

  /** It was told that the lane is not captured yet. Returns false if that was told before. */
  tell(lane: number): boolean {
    const isNews = !this.told.has(lane);
    this.told.add(lane);
    return isNews;
  }

  /** Its capture has ended in order. */
  end(lane: number): void {
    this.pausing.delete(lane);
    this.told.delete(lane);
  }

  /** It is of no concern here any more. */
  forget(lane: number): void {
    this.told.delete(lane);
  }
}
