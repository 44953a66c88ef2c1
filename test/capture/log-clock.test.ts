/** The clock is set wrong, and right again; the source's says which is which. Times are true ones, from 0 on. */
import { beforeEach, expect, test } from "vitest";
import {
  type ClockNews,
  checkStartClock,
  clocksDifferMsMax,
  LogClock,
  type ServerClock,
} from "../../src/capture/log-clock.js";
import { clockOfSource } from "../../src/capture/shifted-clock.js";
import type { Clock } from "../../src/clock.js";
import type { LogEnd } from "../../src/repository/log/log-end.js";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const yearsMs = 3653 * dayMs;
const begin = Date.UTC(2026, 10, 27);

/** A machine whose clock is set at will, and whose monotonic clock stands still while it sleeps. */
class ScriptedClock implements Clock {
  private trueMs = 0;
  private awakeMs = 71.25;
  /** How far the clock is ahead of the true time. */
  wrongMs = 0;
  /** The same of the source's clock; undefined if it cannot be asked. */
  sourceWrongMs: number | undefined = 0;

  get truth(): number {
    return begin + this.trueMs;
  }
  now(): number {
    return this.truth + this.wrongMs;
  }
  monotonicMs(): number {
    return this.awakeMs;
  }
  pass(ms: number): void {
    this.trueMs += ms;
    this.awakeMs += ms;
  }
  suspend(ms: number): void {
    this.trueMs += ms;
  }
  readonly read = (): Promise<ServerClock> => {
    if (this.sourceWrongMs === undefined) return Promise.reject(new Error("does not answer"));
    return Promise.resolve({ offsetMs: this.sourceWrongMs - this.wrongMs, uncertaintyMs: 3 });
  };
  sleep(): Promise<void> {
    return Promise.reject(new Error("nothing here waits"));
  }
}

let clock: ScriptedClock;
let log: LogClock;
let news: ClockNews[];

beforeEach(async () => {
  clock = new ScriptedClock();
  await process();
});

/** A capture begins. */
async function process(): Promise<void> {
  news = [];
  log = new LogClock(clock, (one) => news.push(one));
  await log.compare(clock.read);
}

/** What is late, after the source was asked. */
const asked = () => log.compare(clock.read);

function expectTruth(): void {
  expect(log.now()).toBe(clock.truth);
}

function endAt(to: number, aheadOfSource?: LogEnd["aheadOfSource"]): LogEnd {
  const links = { catalog: null, coverage: null, checkpoint: null };
  const rest = { epoch: 1, proofBoundMs: 2000, closed: true, serverClock: null, clockAheadMs: 0 };
  return {
    ...rest,
    frontier: to,
    lagging: {},
    links,
    name: "",
    checksum: "",
    to,
    ...(aheadOfSource ? { aheadOfSource } : {}),
  };
}

test("a clock that runs on its course is followed, its drift too", async () => {
  for (let i = 0; i < 100; i += 1) {
    clock.pass(30_000);
    clock.wrongMs += i % 2 === 0 ? 400 : -300;
    expect(log.now()).toBe(clock.now());
    expect(log.isSettled).toBe(true);
    await asked();
  }
  expect(news).toEqual([]);
});

test("a drift that nobody has compared with the source's clock is followed by a second at most", () => {
  for (let i = 0; i < 10; i += 1) {
    clock.wrongMs += 300;
    log.now();
  }
  expect(log.now() - clock.truth).toBeLessThanOrEqual(1000);
  expect(log.isSettled).toBe(false);
});

test.each([dayMs, -yearsMs, 5000, -5000])(
  "a clock that is off by %i ms for 1.5 s changes no label, and is told once",
  async (ms) => {
    clock.pass(5000);
    clock.wrongMs = ms;
    expectTruth();
    expect(log.isSettled).toBe(false);
    clock.pass(500);
    expect(await asked()).toBeUndefined();
    expect(log.isSettled).toBe(true);
    clock.pass(500);
    await asked();
    expectTruth();
    expect(log.takeFacts()).toMatchObject({ clockWaitedOutMs: ms });
    clock.pass(500);
    clock.wrongMs = 0;
    expectTruth();
    expect(log.isSettled).toBe(true);
    expect(log.takeFacts()).toEqual({ serverClock: expect.anything() as unknown });
    expect(news).toEqual([
      { outcome: "waited out", byMs: ms },
      { outcome: "right again", byMs: 0 },
    ]);
  },
);

test("a clock that is set a day ahead, an hour more, and right again changes nothing", async () => {
  for (const wrongMs of [dayMs, dayMs + hourMs, 0]) {
    clock.wrongMs = wrongMs;
    clock.pass(2000);
    expectTruth();
    expect(await asked()).toBeUndefined();
    expectTruth();
    expect(log.isSettled).toBe(true);
  }
});

test("a step that nobody looked at is none", async () => {
  clock.wrongMs = dayMs;
  clock.pass(1500);
  clock.wrongMs = 0;
  expectTruth();
  expect(await asked()).toBeUndefined();
  expect(news).toEqual([]);
});

test("after the machine slept the clock is followed at once; what came since it was last right is late", async () => {
  clock.pass(7000);
  const settled = log.now();
  clock.suspend(hourMs);
  clock.pass(40);
  // Not known yet: what comes now has a label of before, and is not proven.
  expect(log.now()).toBe(settled + 40);
  expect(log.isSettled).toBe(false);
  const late = await asked();
  expectTruth();
  expect(late).toEqual({ since: settled, to: clock.truth, lateMs: hourMs });
  const { clockSteps } = log.takeFacts();
  expect(clockSteps).toEqual([{ before: clock.truth - hourMs, after: clock.truth }]);
  expect(log.takeFacts().clockSteps).toBeUndefined();
});

test("a clock is not followed while the source cannot be asked, and nothing is proven meanwhile", async () => {
  clock.sourceWrongMs = undefined;
  clock.suspend(hourMs);
  await expect(asked()).rejects.toThrow();
  expect(log.isSettled).toBe(false);
  clock.sourceWrongMs = 0;
  await asked();
  expect(log.isSettled).toBe(true);
  expectTruth();
});

test("an answer that was under way while the clock was set decides nothing", async () => {
  clock.wrongMs = dayMs;
  const late = await log.compare(async () => {
    const answer = await clock.read();
    clock.wrongMs = 0;
    return answer;
  });
  expect(late).toBeUndefined();
  expectTruth();
  expect(news).toEqual([]);
});

test("nor does one that took longer than what it is to decide", async () => {
  clock.suspend(3000);
  await log.compare(() => Promise.resolve({ offsetMs: 0, uncertaintyMs: 2000 }));
  expect(log.isSettled).toBe(false);
});

test("a clock that was ahead and is set right is followed: late is all since it was ahead", async () => {
  clock.wrongMs = 300_000;
  await process();
  const first = log.now();
  expect(first).toBe(clock.truth + 300_000);
  clock.pass(3 * hourMs);
  await asked();
  const last = log.now();
  clock.wrongMs = 0;
  expect(log.now()).toBe(last);
  const late = await log.compare(clock.read, () => last);
  expect(late).toEqual({ since: first, to: last, lateMs: 300_000 });
  expectTruth();
  expect(log.takeFacts().aheadOfSource).toBeUndefined();
});

test("where both clocks were ahead and both are set right, late is what they show twice", async () => {
  clock.wrongMs = hourMs;
  clock.sourceWrongMs = hourMs;
  await process();
  clock.pass(3 * hourMs);
  await asked();
  const last = log.now();
  clock.wrongMs = 0;
  expect(await log.compare(clock.read, () => last)).toBeUndefined();
  // The source still says the other. Then it is set right, too.
  expect(log.now()).toBe(last);
  clock.sourceWrongMs = 0;
  const late = await log.compare(clock.read, () => last);
  expect(late).toEqual({ since: clock.truth, to: last, lateMs: hourMs });
  expectTruth();
});

test("a source whose clock alone is set changes no label", async () => {
  for (const wrongMs of [-dayMs, dayMs, -300_000, 300_000, 0]) {
    clock.sourceWrongMs = wrongMs;
    clock.pass(30_000);
    expect(await asked()).toBeUndefined();
    expectTruth();
  }
  expect(log.takeFacts().aheadOfSource).toBeUndefined();
});

test("a start whose clock is behind the log: what lies between is late", () => {
  const end = clock.truth + dayMs;
  const late = log.continueAfter(endAt(end));
  expect(late).toEqual({ since: clock.truth, to: end, lateMs: dayMs });
  expect(log.takeFacts().clockSteps).toEqual([{ before: end, after: clock.truth }]);
});

test("a start after a pause, or right after the log's end, finds nothing late", () => {
  for (const to of [clock.truth - dayMs, clock.truth - 1, clock.truth + 300]) {
    expect(log.continueAfter(endAt(to))).toBeUndefined();
  }
  expect(log.continueAfter(undefined)).toBeUndefined();
});

test("what one process knows of a clock that is ahead the next one knows too, and says so when it is set right", async () => {
  clock.wrongMs = 300_000;
  await process();
  const first = log.now();
  clock.pass(hourMs);
  const { aheadOfSource } = log.takeFacts();
  const end = log.now();
  // The next process begins by the same clock.
  clock.pass(1000);
  await process();
  expect(log.continueAfter(endAt(end, aheadOfSource))).toBeUndefined();
  expect(log.takeFacts().aheadOfSource?.since).toBe(first);
  // Or long after, by one that was set right: the log's end is no riddle then.
  clock.pass(hourMs);
  clock.wrongMs = 0;
  await process();
  const late = log.continueAfter(endAt(end, aheadOfSource));
  expect(late).toMatchObject({ since: first, to: end });
  expect(late!.lateMs).toBeGreaterThanOrEqual(300_000 - 3);
});

test.each([
  ["a day ahead of the source's", dayMs, 0],
  ["ten years behind it", -yearsMs, 0],
  ["a day ahead while the source cannot be asked", 0, undefined],
])("a start is refused by a clock that is %s", (_, wrongMs, source) => {
  const serverClock = source === undefined ? undefined : { offsetMs: -wrongMs, uncertaintyMs: 3 };
  const end = { to: clock.truth + (source === undefined ? dayMs : 0) };
  expect(() => checkStartClock(clock.truth + wrongMs, serverClock, end)).toThrow(
    expect.objectContaining({ code: "clock" }) as Error,
  );
});

test("a start is not refused by clocks that differ by minutes, nor where the source confirms what is behind the log", () => {
  const near = { offsetMs: clocksDifferMsMax, uncertaintyMs: 3 };
  expect(() => checkStartClock(clock.truth, near, undefined)).not.toThrow();
  const agrees = { offsetMs: 2, uncertaintyMs: 3 };
  expect(() => checkStartClock(clock.truth, agrees, { to: clock.truth + dayMs })).not.toThrow();
  expect(() => checkStartClock(clock.truth, undefined, { to: clock.truth - dayMs })).not.toThrow();
});

test.each([9000, -9000, 300_000, -300_000])(
  "a log that goes by the source's clock: this machine's is off by %i ms, is set right, and off by more",
  async (wrongMs) => {
    clock.wrongMs = wrongMs;
    const ofSource = await clockOfSource({ serverClock: clock.read }, clock);
    log = new LogClock(ofSource, (one) => news.push(one), ofSource.byMs);
    expect(await asked()).toBeUndefined();
    for (const [i, wrong] of [wrongMs, 0, 2 * wrongMs].entries()) {
      clock.wrongMs = wrong;
      for (let passed = 0; passed < hourMs; passed += 30_000) {
        clock.pass(30_000);
        expectTruth();
        expect(await asked()).toBeUndefined();
      }
      const { aheadOfSource, serverClock } = log.takeFacts();
      expect(aheadOfSource).toBeUndefined();
      expect(serverClock?.offsetMs).toBe(0 - wrong);
      expect(news.map(({ outcome }) => outcome)).toEqual(Array<string>(i).fill("waited out"));
    }
    // Asleep for an hour: the source's clock confirms what this machine's says.
    clock.wrongMs = wrongMs;
    expectTruth();
    clock.suspend(hourMs);
    expect(await asked()).toMatchObject({ to: clock.truth, lateMs: hourMs });
    expectTruth();
  },
);

test("a clock that is set while the source is asked for its own is asked again", async () => {
  let setMs = 9000;
  const serverClock = async (): Promise<ServerClock> => {
    const before = clock.now();
    clock.wrongMs += setMs;
    setMs = 0;
    const offsetMs = clock.truth - (before + clock.now()) / 2;
    return { offsetMs, uncertaintyMs: 3 + Math.abs(clock.now() - before) / 2 };
  };
  const ofSource = await clockOfSource({ serverClock }, clock);
  expect(ofSource.now()).toBe(clock.truth);
});
