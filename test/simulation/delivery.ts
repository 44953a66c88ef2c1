/**
 * How late a change can reach capture. The oracle allows exactly this: a change of which it is not yet sure that it was
 * delivered may or may not be in the state of an instant.
 */
interface Stall {
  fromMs: number;
  toMs: number;
}

export class Delivery {
  private readonly latencies: { atMs: number; latencyMs: number }[] = [{ atMs: 0, latencyMs: 0 }];
  private readonly stalls: Stall[] = [];

  /** @param feedDelayMsMax what a change takes inside the cluster, and then waits for the feed to be asked */
  constructor(private readonly feedDelayMsMax: number) {}

  noteLatency(atMs: number, latencyMs: number): void {
    this.latencies.push({ atMs, latencyMs });
  }

  /** Nothing is delivered from now until what this gives is called: the server is stopped, or a process is. */
  beginStall(atMs: number): (atMs: number) => void {
    const stall: Stall = { fromMs: atMs, toMs: Infinity };
    this.stalls.push(stall);
    return (endMs) => {
      stall.toMs = Math.min(stall.toMs, endMs);
    };
  }

  /**
   * The moment by which a change committed at `atMs` has come. It waits for a CONTINUE that may have to be answered to
   * first: a response, the CONTINUE, the response with it, each half a latency.
   */
  latestMs(atMs: number): number {
    let latest = atMs + this.longestMs(atMs);
    for (const { fromMs, toMs } of this.stalls) {
      if (fromMs <= latest && toMs >= atMs) latest = Math.max(latest, toMs + this.longestMs(toMs));
    }
    return latest;
  }

  /** What was sent under a longer latency still holds up what comes after it. */
  private longestMs(atMs: number): number {
    let longest = 0;
    for (const [i, { latencyMs, atMs: from }] of this.latencies.entries()) {
      const to = this.latencies[i + 1]?.atMs ?? Infinity;
      if (to >= atMs - 1.5 * latencyMs && from <= atMs + 1.5 * latencyMs + this.feedDelayMsMax) {
        longest = Math.max(longest, latencyMs);
      }
    }
    return this.feedDelayMsMax + 1.5 * longest;
  }
}
