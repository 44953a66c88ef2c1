/**
 * Days under faults, with maintenance: tiers, pins, expiry and sweeps, killed, frozen and several at once.
 * `npm run simulate -- --days --seed N --steps 64` replays one that failed.
 */
import { describe, expect, test } from "vitest";
import { maintain } from "../../src/fold/maintain.js";
import { type SimulationReport, simulate } from "./simulation.js";

const seeds = 3;
const steps = 64;

describe("days of maintenance under faults", () => {
  const sum = { rounds: 0, thinned: 0, expiries: 0, deleted: 0, pinned: 0, coarse: 0, letGo: 0 };
  const restores = { noted: 0, quiet: 0 };
  let runs = 0;

  function add({ maintained }: SimulationReport): void {
    runs += 1;
    for (const of of Object.keys(sum) as (keyof typeof sum)[]) sum[of] += maintained[of];
    restores.noted += maintained.restores.noted;
    restores.quiet += maintained.restores.quiet;
  }

  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`seed ${seed}`, { timeout: 60_000 }, async () => {
      const report = await simulate({ seed, steps, maintain });
      const { violations, trace, compared } = report;
      add(report);
      expect(violations, `--days --seed ${seed} --steps ${steps}\n${trace.join("\n")}`).toEqual([]);
      expect(compared.instants).toBeGreaterThan(40);
      expect(compared.again).toBeGreaterThan(40);
    });
  }

  test("had something of everything to compare", (context) => {
    if (runs < seeds) context.skip("not every seed was run");
    expect(sum.rounds).toBeGreaterThan(12 * seeds);
    expect(sum.deleted).toBeGreaterThan(80 * seeds);
    expect(sum.expiries).toBeGreaterThan(3 * seeds);
    expect(sum.thinned).toBeGreaterThan(3 * seeds);
    expect(sum.pinned).toBeGreaterThan(20 * seeds);
    expect(sum.coarse).toBeGreaterThan(20 * seeds);
    expect(sum.letGo).toBeGreaterThan(2 * seeds);
    expect(restores.noted).toBeGreaterThan(seeds);
    expect(restores.quiet).toBeGreaterThan(seeds);
  });

  test("replays exactly from its seed", { timeout: 60_000 }, async () => {
    const once = await simulate({ seed: 77, steps: 24, maintain });
    expect(await simulate({ seed: 77, steps: 24, maintain })).toEqual(once);
  });
});
