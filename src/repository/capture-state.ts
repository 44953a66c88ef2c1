/** Tells from stored objects whether a capture is running. */
import type { Instant } from "../instant.js";
import type { LogEnd } from "./log/log-end.js";
import type { LogView } from "./log/log-view.js";

export interface CaptureState {
  /**
   * `running`: it stored something lately. `ended`: it ended in order. `silent`: it has stored nothing for longer than
   * a capture does that runs and can store. `never`: there was never a capture.
   */
  state: "running" | "ended" | "silent" | "never";
  /** The end of the capture's last segment; if it has none, when it began. */
  heardOf: Instant | undefined;
}

/** How often a capture puts a segment when nothing changes, unless its ticks are longer. */
export const idleSegmentMs = 10_000;
/** How many such segments, or ticks, may be missed before a capture counts as silent. */
const missedMax = 3;

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
  if (own?.closed) return { state: "ended", heardOf };
  const stillMsMax = missedMax * Math.max(idleSegmentMs, latest.tickMs ?? 0);
  const isSilent = now !== undefined && now - heardOf > stillMsMax;
  return { state: isSilent ? "silent" : "running", heardOf };
}
