import { expect, test, vi } from "vitest";
import { Rounds } from "./rounds.js";

const stateOf = (...rounds: number[]) =>
  new Map(rounds.map((round, key) => [String(key), `{"id":${key},"round":${round}}`]));

test("what the server itself lost may be there or not from when it may have been lost", () => {
  vi.useFakeTimers();
  try {
    const book = new Rounds(2);
    for (const ms of [1000, 2000]) {
      vi.setSystemTime(ms);
      book.send().acknowledge();
    }
    book.noteLost("1", 3000, 4000);
    const wrong = (rounds: number[], instant: number) =>
      book.judge(stateOf(...rounds), instant, 100).wrong.map(({ key }) => key);
    expect(wrong([1, 0], 2500)).toEqual(["1"]);
    expect(wrong([1, 0], 3500)).toEqual([]);
    expect(wrong([0, 0], 3500)).toEqual(["0"]);
    vi.setSystemTime(5000);
    book.send().acknowledge();
    expect(wrong([2, 0], 6000)).toEqual(["1"]);
  } finally {
    vi.useRealTimers();
  }
});

test("a round whose answer was lost may be there or not, also after a later round was acknowledged", () => {
  vi.useFakeTimers();
  try {
    const book = new Rounds(2);
    const at = (ms: number) => vi.setSystemTime(ms);
    at(1000);
    book.send().acknowledge();
    at(2000);
    book.send(1);
    at(3000);
    book.send().acknowledge();
    const wrong = (rounds: number[], instant: number) =>
      book.judge(stateOf(...rounds), instant, 100).wrong.map(({ key }) => key);

    expect(book.isOpen(1)).toBe(true);
    expect(book.isOpen(0)).toBe(false);
    expect(wrong([0, 0], 2500)).toEqual([]);
    expect(wrong([0, 1], 2500)).toEqual([]);
    expect(wrong([0, 1], 1500)).toEqual(["1"]);
    expect(wrong([2, 2], 4000)).toEqual([]);
    expect(wrong([2, 1], 4000)).toEqual([]);
    expect(wrong([1, 2], 4000)).toEqual(["0"]);
    expect(wrong([2, 0], 4000)).toEqual(["1"]);
  } finally {
    vi.useRealTimers();
  }
});
