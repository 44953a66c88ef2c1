import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeBy, Ledger } from "./ledger.js";

const deliveryMs = 5;

/** Writes of a few keys, one at a time per key; a write that is never acknowledged is the last of its key. */
const writes = fc.array(
  fc.record({
    key: fc.constantFrom("a", "b", "c"),
    afterMs: fc.integer({ min: 0, max: 10 }),
    takesMs: fc.integer({ min: 0, max: 10 }),
    isDelete: fc.boolean(),
  }),
  { maxLength: 40 },
);

function ledgerOf(list: typeof writes extends fc.Arbitrary<infer T> ? T : never): Ledger {
  const ledger = new Ledger();
  const free = new Map<string, number>();
  for (const [i, { key, afterMs, takesMs, isDelete }] of list.entries()) {
    const sent = (free.get(key) ?? 0) + afterMs;
    let now = sent;
    const acknowledge = ledger.send(key, isDelete ? null : `${i}`, () => now);
    now = sent + takesMs;
    acknowledge();
    free.set(key, now);
  }
  return ledger;
}

/** An answer of nothing but "not there" says as much as none. */
const said = (ledger: Ledger, instant: number) =>
  [...ledger.answersAt(instant, deliveryMs)].filter(
    ([, allowed]) => allowed.length > 1 || allowed[0] !== null,
  );

test("what a ledger forgets, no answer about that instant or a later one needs", () => {
  fc.assert(
    fc.property(writes, fc.nat(120), fc.nat(60), (list, before, later) => {
      const whole = ledgerOf(list);
      const thinned = ledgerOf(list);
      thinned.forgetBefore(before, deliveryMs);
      for (const instant of [before, before + later]) {
        expect(said(thinned, instant)).toEqual(said(whole, instant));
      }
    }),
  );
});

test("it does forget: of a key that was written often one entry is left, of one that was deleted none", () => {
  const ledger = new Ledger();
  for (let at = 0; at < 100; at += 1) ledger.send("kept", `${at}`, () => at)();
  ledger.send("deleted", "1", () => 1)();
  ledger.send("deleted", null, () => 2)();
  ledger.forgetBefore(1000, deliveryMs);
  expect(ledger.history("kept").map(({ document }) => document)).toEqual(["99"]);
  expect(ledger.history("deleted")).toEqual([]);
});

test("a state is judged by answers that were kept", () => {
  const ledger = new Ledger();
  ledger.send("a", "first", () => 10)();
  ledger.send("b", "first", () => 98)();
  const answers = ledger.answersAt(100, deliveryMs);
  ledger.send("a", "second", () => 200)();
  ledger.forgetBefore(1000, deliveryMs);
  const state = new Map([["a", "first"]]);
  expect(judgeBy(answers, state)).toEqual({ keys: 2, right: 2, inFlight: 1, wrong: [] });
  const wrong = judgeBy(answers, new Map([...state, ["b", "second"], ["c", "extra"]])).wrong;
  expect(wrong.map(({ key }) => key)).toEqual(["b", "c"]);
});
