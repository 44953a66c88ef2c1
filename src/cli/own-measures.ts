/** With `--log-level debug`, a long-running process logs its own memory, and how late its timers fire. */
import type { Clock } from "../clock.js";
import type { Log } from "./log.js";

/** A timer of this length is set again and again; it fires late by as long as other work kept the event loop busy. */
const probeMs = 20;

const everyMs = 10_000;

/** Logs a line every ten seconds until the signal aborts; does nothing unless debug lines are logged. */
export async function logOwnMeasures(clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
  if (!log.isLevelEnabled("debug")) return;
  while (!signal.aborted) {
    const late = await probe(clock, signal);
    if (late.length === 0) return;
    late.sort((a, b) => a - b);
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    const eventLoopDelayMs = {
      median: rounded(late[Math.floor(late.length / 2)]!),
      p99: rounded(late[Math.floor(late.length * 0.99)]!),
      max: rounded(late.at(-1)!),
    };
    log.debug({ eventLoopDelayMs, rss, heapUsed, external, arrayBuffers }, "own measures");
  }
}

/** How late each timer of the next ten seconds fired, in milliseconds. */
async function probe(clock: Clock, signal: AbortSignal): Promise<number[]> {
  const late: number[] = [];
  const end = clock.monotonicMs() + everyMs;
  while (!signal.aborted && clock.monotonicMs() < end) {
    const set = clock.monotonicMs();
    await clock.sleep(probeMs, signal).catch(() => undefined);
    if (!signal.aborted) late.push(Math.max(0, clock.monotonicMs() - set - probeMs));
  }
  return late;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
