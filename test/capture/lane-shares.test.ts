/** Who takes which lane: whatever the members hold, they come to even shares, and no lane is left. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Holder, nextTurn } from "../../src/capture/lane-shares.js";

const holder = (unique: string, lanes: number[], replaces: string[] = []): Holder => {
  return { unique, lanes, replaces };
};
const lanesOf = (count: number) => Array.from({ length: count }, (_, lane) => lane);

test("one process takes all lanes; a second one asks it for half of them", () => {
  expect(nextTurn(holder("a", []), [], lanesOf(3))).toEqual({ free: [0, 1, 2], asked: [] });
  const first = holder("a", [0, 1, 2]);
  expect(nextTurn(holder("b", []), [first], lanesOf(3))).toEqual({ free: [], asked: [2] });
  expect(nextTurn(first, [holder("b", [])], lanesOf(3))).toEqual({ free: [], asked: [] });
});

test("what somebody asks for already is not asked for", () => {
  const others = [holder("a", [0, 1, 2, 3]), holder("b", [3])];
  expect(nextTurn(holder("c", []), others, lanesOf(4)).asked).toEqual([2]);
  expect(nextTurn(holder("b", [3]), others.slice(0, 1), lanesOf(4)).asked).toEqual([2]);
});

test("a process that is replaced gives all away, and takes nothing", () => {
  const old = holder("a", [0, 1]);
  expect(nextTurn(holder("b", [], ["a"]), [old], lanesOf(2))).toEqual({ free: [], asked: [0, 1] });
  expect(nextTurn(holder("a", []), [holder("b", [], ["a"])], lanesOf(2)).free).toEqual([]);
});

test("lanes that are not to be captured any more count for nothing", () => {
  expect(nextTurn(holder("a", [0, 5]), [], [0, 1])).toEqual({ free: [1], asked: [] });
});

test("from any beginning the lanes are shared evenly after a few turns", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.array(fc.nat({ max: 8 }), { maxLength: 9 }), { minLength: 1, maxLength: 5 }),
      (count, begins) => {
        const lanes = lanesOf(count);
        const taken = new Set<number>();
        const held = new Map<string, number[]>();
        for (const [i, wanted] of begins.entries()) {
          const own = [...new Set(wanted)].filter((lane) => lane < count && !taken.has(lane));
          for (const lane of own) taken.add(lane);
          held.set(`m${i}`, own);
        }
        const look = () => [...held].map(([unique, own]) => holder(unique, own));
        // One after another, as the epoch claims let them.
        for (let turns = 0; turns < 2 * count; turns += 1) {
          for (const unique of held.keys()) {
            const all = look();
            const own = all.find((one) => one.unique === unique)!;
            const { free, asked } = nextTurn(
              own,
              all.filter((one) => one !== own),
              lanes,
            );
            for (const lane of [...free, ...asked]) {
              for (const [other, has] of held) {
                held.set(
                  other,
                  other === unique ? [...has, lane] : has.filter((of) => of !== lane),
                );
              }
            }
          }
        }
        const sizes = [...held.values()].map((own) => own.length);
        expect([...held.values()].flat().sort((a, b) => a - b)).toEqual(lanes);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      },
    ),
  );
});
