import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { Pace, parseMaxRate } from "../../src/restore/pace.js";

/** A clock that moves only while somebody sleeps. */
class SleepingClock {
  ms = 0;
  readonly now = () => this.ms;
  readonly monotonicMs = () => this.ms;
  async sleep(ms: number): Promise<void> {
    this.ms += ms;
  }
}

const { signal } = new AbortController();

describe("a rate", () => {
  test.each([
    ["5000", { of: "documents", perSecond: 5000 }],
    ["10MiB", { of: "bytes", perSecond: 10 * 1024 * 1024 }],
    ["1b", { of: "bytes", perSecond: 1 }],
  ])("%s", (text, rate) => expect(parseMaxRate(text)).toEqual(rate));

  test.each(["", "0", "-1", "5000/s", "0MiB", "ten"])("%s is none", (text) => {
    expect(() => parseMaxRate(text)).toThrow(ThinkbackError);
  });
});

test("writes keep to a rate, also after a pause", async () => {
  const clock = new SleepingClock();
  const pace = new Pace(clock, parseMaxRate("100"), false, signal);
  const begins: number[] = [];
  const write = () => pace.write(50, 1, async () => void begins.push(clock.ms));
  for (let i = 0; i < 3; i += 1) await write();
  clock.ms += 10_000;
  for (let i = 0; i < 3; i += 1) await write();
  expect(begins).toEqual([0, 500, 1000, 11_000, 11_500, 12_000]);
  expect([pace.documentsMax, pace.bytesMax]).toEqual([100, Number.POSITIVE_INFINITY]);
});

test("a gentle restore rests as long as the target took", async () => {
  const clock = new SleepingClock();
  const pace = new Pace(clock, undefined, true, signal);
  const begins: number[] = [];
  for (const tookMs of [10, 400, 10]) {
    await pace.write(50, 1, async () => {
      begins.push(clock.ms);
      clock.ms += tookMs;
    });
  }
  expect(begins).toEqual([0, 20, 820]);
});
