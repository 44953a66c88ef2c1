import { expect, test } from "vitest";
import type { Log } from "../../src/cli/log.js";
import { logOwnMeasures } from "../../src/cli/own-measures.js";
import type { Clock } from "../../src/clock.js";

interface Line {
  eventLoopDelayMs: { median: number; p99: number; max: number };
  rss: number;
}

/** A clock on which each sleep takes as long as asked and as `lateness` says, given how often there was one. */
function clockWith(lateness: (sleeps: number) => number): Clock & { ms: number } {
  let sleeps = 0;
  return {
    ms: 0,
    now: () => 0,
    monotonicMs(): number {
      return this.ms;
    },
    sleep(ms): Promise<void> {
      this.ms += ms + lateness(sleeps);
      sleeps += 1;
      return Promise.resolve();
    },
  };
}

async function linesOf(level: string, clock: Clock, count: number): Promise<Line[]> {
  const lines: Line[] = [];
  const stop = new AbortController();
  const log = {
    isLevelEnabled: (wanted: string) => wanted === level,
    debug: (line: Line) => {
      lines.push(line);
      if (lines.length === count) stop.abort(new Error("enough"));
    },
  };
  await logOwnMeasures(clock, log as unknown as Log, stop.signal);
  return lines;
}

test("a stall of the event loop is in the line of its ten seconds, and in no other", async () => {
  const clock = clockWith((sleeps) => (sleeps === 700 ? 2500 : 1));
  const lines = await linesOf("debug", clock, 3);
  expect(lines.map(({ eventLoopDelayMs }) => eventLoopDelayMs.max)).toEqual([1, 2500, 1]);
  expect(lines.map(({ eventLoopDelayMs }) => eventLoopDelayMs.median)).toEqual([1, 1, 1]);
  expect(lines[0]!.rss).toBeGreaterThan(1024 * 1024);
  expect(clock.ms).toBeGreaterThanOrEqual(30_000);
  expect(clock.ms).toBeLessThan(33_000);
});

test("without debug lines nothing is measured", async () => {
  const clock = clockWith(() => 0);
  expect(await linesOf("info", clock, 1)).toEqual([]);
  expect(clock.ms).toBe(0);
});
