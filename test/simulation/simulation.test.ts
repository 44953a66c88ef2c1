/** A fixed budget of seeds. `npm run simulate -- --seed N --seeds K` runs others, and replays one that failed. */
import { describe, expect, test } from "vitest";
import { simulate } from "./simulation.js";

const seeds = 16;
const steps = 200;

describe("the whole system under faults", () => {
  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`seed ${seed}`, { timeout: 60_000 }, async () => {
      const { violations, trace, compared } = await simulate({ seed, steps });
      expect(violations, `--seed ${seed} --steps ${steps}\n${trace.join("\n")}`).toEqual([]);
      expect(compared.instants).toBeGreaterThan(40);
      expect(compared.documents).toBeGreaterThan(200);
    });
  }

  test("replays exactly from its seed", { timeout: 60_000 }, async () => {
    const [once, again] = [
      await simulate({ seed: 77, steps: 150 }),
      await simulate({ seed: 77, steps: 150 }),
    ];
    const other = await simulate({ seed: 78, steps: 150 });
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
  });
});
