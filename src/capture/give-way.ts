import type { Clock } from "../clock.js";

/** A round trip slower than this means that the server is busy with others. */
const calmLatencyMs = 200;
const pauseMsMax = 1000;

/** Pauses a scan while the server answers slowly, the longer the slower. */
export async function giveWay(clock: Clock, latencyMs: number, signal: AbortSignal): Promise<void> {
  if (latencyMs <= calmLatencyMs) return;
  await clock.sleep(Math.min(latencyMs - calmLatencyMs, pauseMsMax), signal);
}
