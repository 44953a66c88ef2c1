import { expect, test } from "vitest";
import { severalAtOnce } from "../../src/several-at-once.js";

/** Work that ends when the test says so. */
function begin(things: number, atOnce: number) {
  const begun: number[] = [];
  const ending = new Map<
    number,
    { resolve: (value: number) => void; reject: (e: Error) => void }
  >();
  const results = severalAtOnce(
    Array.from({ length: things }, (_, i) => i),
    atOnce,
    (thing) => {
      begun.push(thing);
      return new Promise<number>((resolve, reject) => ending.set(thing, { resolve, reject }));
    },
  );
  return { begun, ending, results };
}

const turns = async () => {
  for (let i = 0; i < 10; i += 1) await Promise.resolve();
};

test("results come in order, and no more are under way than may be", async () => {
  const { begun, ending, results } = begin(5, 2);
  const read: number[] = [];
  const reading = (async () => {
    for await (const result of results) read.push(result);
  })();
  expect(begun).toEqual([0, 1]);
  ending.get(1)!.resolve(1);
  await turns();
  expect([read, begun]).toEqual([[], [0, 1]]);
  for (const i of [0, 2, 3, 4]) {
    ending.get(i)!.resolve(i);
    await turns();
  }
  await reading;
  expect(read).toEqual([0, 1, 2, 3, 4]);
});

test("when one fails, it is thrown once those under way have ended, and none is begun", async () => {
  const { begun, ending, results } = begin(9, 3);
  let outcome: unknown;
  const first = results.next().catch((error: unknown) => (outcome = error));
  const failure = new Error("one fails");
  ending.get(0)!.reject(failure);
  await turns();
  expect([outcome, begun]).toEqual([undefined, [0, 1, 2]]);
  ending.get(1)!.reject(new Error("another one"));
  await turns();
  expect(outcome).toBeUndefined();
  ending.get(2)!.resolve(2);
  await first;
  expect([outcome, begun]).toEqual([failure, [0, 1, 2]]);
});

test("a reader that stops is let go once those under way have ended", async () => {
  const { begun, ending, results } = begin(9, 3);
  const first = results.next();
  ending.get(0)!.resolve(0);
  await first;
  let isOver = false;
  const stopping = results.return(undefined).then(() => (isOver = true));
  await turns();
  expect(isOver).toBe(false);
  for (const i of [1, 2]) ending.get(i)!.resolve(i);
  await stopping;
  expect(begun).toEqual([0, 1, 2]);
});
