/** Tells from stored objects whether a capture is running. */
import type { Instant } from "../instant.js";
import type { EpochClaim } from "./log/claims.js";
import type { LogEnd } from "./log/log-end.js";
import type { LogView } from "./log/log-view.js";
import { idleSegmentMs } from "./registers/idle-pace.js";

export interface CaptureState {
  /**
   * `running`: it stored something lately. `ended`: it ended in order. `silent`: it has stored nothing for longer than
   * a capture does that runs and can store. `never`: there was never a capture.
   */
  state: "running" | "ended" | "silent" | "never";
  /** The end of the capture's last segment; if it has none, when it began. */
  heardOf: Instant | undefined;
}

/** How many such segments, or ticks, may be missed before a capture counts as silent. */
const missedMax = 3;
/** How long after it was due a segment may come that a claim announces more rarely. */
const overdueMsMax = 20_000;

/** The pace that a claim states, in ms. */
export const claimedPaceMs = ({ idleMs = idleSegmentMs }: Pick<EpochClaim, "idleMs">) => idleMs;

/** How long the writer of a claim stores nothing at most, if it runs and can store. In ms. */
export function silenceMsOf(claim: Pick<EpochClaim, "idleMs" | "tickMs">): number {
  const { tickMs = 0 } = claim;
  const overdueMs = claimedPaceMs(claim) + overdueMsMax;
  return Math.max(missedMax * Math.max(idleSegmentMs, tickMs), overdueMs);
}

/** @param now if it is undefined, no capture counts as silent */
export function captureState(
  { claims }: LogView,
  end: LogEnd | undefined,
  now: Instant | undefined,
): CaptureState {
  const latest = claims.at(-1);
  if (!latest) return { state: "never", heardOf: undefined };
  const own = end?.epoch === latest.epoch ? end : undefined;
  const heardOf = own?.to ?? latest.started;
  if (own?.closed || latest.distrusts) return { state: "ended", heardOf };
  const isSilent = now !== undefined && now - heardOf > silenceMsOf(latest);
  return { state: isSilent ? "silent" : "running", heardOf };
}
