/**
 * Days under faults, with maintenance: tiers, pins, expiry and sweeps, killed, frozen and several at once.
 * `npm run simulate -- --days --seed N --steps 64` replays one that failed.
 */
import { describe, expect, test } from "vitest";
import { maintain } from "../../src/fold/maintain.js";
import { type SimulationReport, simulate } from "./simulation.js";

/** Among them something of everything happens. */
const seeds = [4, 5, 6];
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

  for (const seed of seeds) {
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
    if (runs < seeds.length) context.skip("not every seed was run");
    expect(sum.rounds).toBeGreaterThan(12 * seeds.length);
    expect(sum.deleted).toBeGreaterThan(80 * seeds.length);
    expect(sum.expiries).toBeGreaterThan(3 * seeds.length);
    expect(sum.thinned).toBeGreaterThan(3 * seeds.length);
    expect(sum.pinned).toBeGreaterThan(20 * seeds.length);
    expect(sum.coarse).toBeGreaterThan(20 * seeds.length);
    expect(sum.letGo).toBeGreaterThan(2 * seeds.length);
    expect(restores.noted).toBeGreaterThan(seeds.length);
    expect(restores.quiet).toBeGreaterThan(seeds.length);
  });

  test("replays exactly from its seed", { timeout: 60_000 }, async () => {
    const once = await simulate({ seed: 77, steps: 24, maintain });
    expect(await simulate({ seed: 77, steps: 24, maintain })).toEqual(once);
  });
});
