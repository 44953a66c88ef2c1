import type { Clock } from "../clock.js";

/** A round trip that takes longer than this means that the server is busy with others. */
const calmLatencyMs = 200;
const pauseMsMax = 1000;

/** Pauses a scan if the server answers slowly: the slower the answer, the longer the pause. */
export async function giveWay(clock: Clock, latencyMs: number, signal: AbortSignal): Promise<void> {
  if (latencyMs <= calmLatencyMs) return;
  await clock.sleep(Math.min(latencyMs - calmLatencyMs, pauseMsMax), signal);
}
