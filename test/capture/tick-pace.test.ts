import { expect, test } from "vitest";
import { TickPace } from "../../src/capture/tick-pace.js";

const noteAll = (pace: TickPace, ms: number[]) => ms.map((one) => pace.note(one)).filter(Boolean);
const times = (count: number, ms: number) => Array.from({ length: count }, () => ms);

test("a store that is slow for long makes ticks longer, up to the bound; one that is fast again, shorter", () => {
  const pace = new TickPace({ minMs: 1000, maxMs: 3000 });
  expect(noteAll(pace, times(7, 1500))).toEqual([]);
  expect(pace.note(1500)).toEqual({
    fromMs: 1000,
    toMs: 2000,
    reason: "a segment takes 1500 ms to become durable",
  });
  expect(noteAll(pace, times(8, 2500))).toMatchObject([{ toMs: 3000 }]);
  expect(noteAll(pace, times(80, 60_000))).toEqual([]);
  expect(pace.tickMs).toBe(3000);
  expect(noteAll(pace, times(8, 900))).toEqual([]);
  expect(noteAll(pace, times(16, 10)).map((change) => change?.toMs)).toEqual([1500, 1000]);
  expect(noteAll(pace, times(80, 10))).toEqual([]);
});

test("a store that takes longer than the longest tick is met by that one after two segments", () => {
  const pace = new TickPace({ minMs: 1000, maxMs: 10_000 });
  expect(pace.note(25_000)).toBeUndefined();
  expect(pace.note(49_000)).toEqual({
    fromMs: 1000,
    toMs: 10_000,
    reason: "2 segments in a row took 25000 ms or longer",
  });
  expect(noteAll(pace, times(20, 25_000))).toEqual([]);
  for (let i = 0; i < 10; i += 1)
    expect(pace.note(i % 2 === 0 ? 25_000 : 9000)?.toMs).toBeUndefined();
});

test("one slow segment changes nothing, and without bounds nothing does", () => {
  const pace = new TickPace({ minMs: 1000, maxMs: 9000 });
  for (let i = 0; i < 10; i += 1) expect(noteAll(pace, [60_000, ...times(7, 50)])).toEqual([]);
  const fixed = new TickPace({ minMs: 1000, maxMs: 1000 });
  expect(noteAll(fixed, times(80, 60_000))).toEqual([]);
});
