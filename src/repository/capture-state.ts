/** Whether somebody captures, by what is stored. */
import type { Instant } from "../instant.js";
import type { LogEnd } from "./log/log-end.js";
import type { LogView } from "./log/log-view.js";

export interface CaptureState {
  /**
   * `running`: it was heard of lately. `ended`: in order. `silent`: it was not heard of for longer than a capture is still
   * that runs and can store. `never`: nobody ever captured.
   */
  state: "running" | "ended" | "silent" | "never";
  /** The end of its last segment; when it began, if it has none. */
  heardOf: Instant | undefined;
}

/** Where nothing happens, a capture puts a segment so often. */
const idleSegmentMs = 10_000;
/** So many segments or ticks may be missed. */
const missedMax = 3;

/** @param now without it no capture is taken to be silent */
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
