/** Which frames of a sorted object are read for the keys that are wanted: each that may hold one, and no other. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type KeyFilter, keysBetween, theseKeys, wantedFrames } from "../../src/key-filter.js";

/** Codes as they are; a code stands for its key. */
const asCode = (key: string) => key;

/** Frames that begin at these keys; their numbers are what is wanted. */
function wanted(firstKeys: (string | undefined)[], lastKey: string, filter?: KeyFilter): number[] {
  const frames = firstKeys.map((firstKey, number) => {
    return firstKey === undefined ? { number } : { number, firstKey };
  });
  return wantedFrames(frames, lastKey, filter, asCode).map(({ number }) => number);
}

const three = ["b", "f", "m"];

describe("of frames that begin at b, f and m, and end at q", () => {
  test.each<[string[], number[]]>([
    [[], []],
    [["a"], []],
    [["b"], [0]],
    [["c"], [0]],
    // A key's versions may begin in one frame and go on in the next.
    [["f"], [0, 1]],
    [["m"], [1, 2]],
    [["g"], [1]],
    [["q"], [2]],
    [["r"], []],
    [["r", "c", "a", "c"], [0]],
    [
      ["n", "c"],
      [0, 2],
    ],
    [
      ["m", "f"],
      [0, 1, 2],
    ],
  ])("the keys %j want the frames %j", (keys, frames) => {
    expect(wanted(three, "q", theseKeys(keys))).toEqual(frames);
  });

  test.each<[string | undefined, string | undefined, number[]]>([
    [undefined, undefined, [0, 1, 2]],
    [undefined, "a", []],
    [undefined, "b", [0]],
    [undefined, "e", [0]],
    [undefined, "f", [0, 1]],
    ["f", "f", [0, 1]],
    ["g", "h", [1]],
    ["e", "n", [0, 1, 2]],
    ["n", undefined, [2]],
    ["q", undefined, [2]],
    ["r", undefined, []],
    ["r", "z", []],
  ])("the keys from %s to %s want the frames %j", (from, to, frames) => {
    expect(wanted(three, "q", keysBetween(from, to))).toEqual(frames);
  });

  test("without a filter all are wanted", () => {
    expect(wanted(three, "q")).toEqual([0, 1, 2]);
  });
});

test("a key that fills several frames wants all of them, and the one in which it begins", () => {
  expect(wanted(["b", "f", "f", "f", "m"], "q", theseKeys(["f"]))).toEqual([0, 1, 2, 3]);
});

test("a frame whose first key is not known may hold any key up to the next one", () => {
  expect(wanted([undefined, "f"], "q", theseKeys(["a"]))).toEqual([0]);
  expect(wanted([undefined, "f"], "q", theseKeys(["g"]))).toEqual([1]);
});

test("an object without frames has none to read", () => {
  expect(wanted([], "", keysBetween(undefined, undefined))).toEqual([]);
});

test("between reversed bounds lies no key, and no frame is read, not even one around both", () => {
  const filter = keysBetween("n", "c");
  for (const key of ["a", "c", "g", "n", "z"]) expect(filter.has(key)).toBe(false);
  expect(wanted(three, "q", filter)).toEqual([]);
  expect(wanted(["b"], "q", filter)).toEqual([]);
});

/** All keys that there are here. */
const letters = ["a", "b", "c", "d"];
const codes = letters.flatMap((one) => [one, ...letters.map((two) => one + two)]);
const code = fc.constantFrom(...codes);

/** Sorted versions of keys, cut into frames anywhere: also between two versions of a key. */
const object = fc
  .tuple(fc.array(code, { minLength: 1, maxLength: 12 }), fc.array(fc.nat(11), { maxLength: 4 }))
  .map(([keys, cuts]) => {
    const sorted = keys.sort();
    const starts = [...new Set([0, ...cuts.filter((cut) => cut < sorted.length)])];
    return starts
      .sort((a, b) => a - b)
      .map((start, i) => {
        const held = sorted.slice(start, starts[i + 1]);
        return { firstKey: held[0]!, held };
      });
  });

const filters = fc.oneof(
  fc.array(code, { maxLength: 4 }).map((keys) => theseKeys(keys)),
  fc
    .tuple(fc.option(code, { nil: undefined }), fc.option(code, { nil: undefined }))
    .map(([from, to]) => keysBetween(from, to)),
);

test("a frame is read if a wanted key may lie between its first key and the next frame's", () => {
  fc.assert(
    fc.property(object, filters, (frames, filter) => {
      const lastKey = frames.at(-1)!.held.at(-1)!;
      const read = wantedFrames(frames, lastKey, filter, asCode);
      for (const [i, frame] of frames.entries()) {
        const next = frames[i + 1]?.firstKey ?? lastKey;
        const may = codes.some((key) => filter.has(key) && key >= frame.firstKey && key <= next);
        expect(read.includes(frame)).toBe(may);
        if (frame.held.some((key) => filter.has(key))) expect(may).toBe(true);
      }
    }),
    { seed: 20261128, numRuns: 2000 },
  );
});
