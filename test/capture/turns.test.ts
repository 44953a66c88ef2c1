import { expect, test } from "vitest";
import { Turns } from "../../src/capture/turns.js";

const never = new AbortController().signal;

/** Work that goes on until it is ended. */
function works(turns: Turns) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const start = (name: string, signal = never) =>
    turns.run(signal, async () => {
      begun.push(name);
      await new Promise<void>((resolve) => ends.set(name, resolve));
    });
  return { begun, ends, start };
}

test("so many run at once, in the order they came; one that gave up has no turn", async () => {
  const { begun, ends, start } = works(new Turns(2));
  const gaveUp = new AbortController();
  const [a, , c] = [start("a"), start("b"), start("c", gaveUp.signal)];
  const d = start("d");
  await Promise.resolve();
  expect(begun).toEqual(["a", "b"]);
  gaveUp.abort(new Error("lost"));
  await expect(c).rejects.toThrow("lost");
  ends.get("a")!();
  await a;
  await Promise.resolve();
  expect(begun).toEqual(["a", "b", "d"]);
  ends.get("d")!();
  await d;
});

test("work that fails gives its turn on", async () => {
  const turns = new Turns(1);
  const failing = turns.run(never, () => Promise.reject(new Error("broken")));
  const next = turns.run(never, () => Promise.resolve("next"));
  await expect(failing).rejects.toThrow("broken");
  expect(await next).toBe("next");
  expect(await turns.run(never, () => Promise.resolve("again"))).toBe("again");
});
