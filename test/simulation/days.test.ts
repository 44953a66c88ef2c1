/**
 * Days under faults, with maintenance: tiers, pins, expiry and sweeps, killed, frozen and several at once.
 * `npm run simulate -- --days --seed N --steps 64` replays one that failed.
 */
import { describe, expect, test } from "vitest";
import { maintain } from "../../src/upkeep/maintain.js";
import { type SimulationReport, simulate } from "./simulation.js";

/** Among them something of everything happens. */
const seeds = [14, 15, 16];
const steps = 64;

describe("days of maintenance under faults", () => {
  const sum = { rounds: 0, thinned: 0, expiries: 0, deleted: 0, pinned: 0, coarse: 0, expired: 0 };
  const restores = { held: 0, quiet: 0 };
  let runs = 0;

  function add({ maintained }: SimulationReport): void {
    runs += 1;
    for (const of of Object.keys(sum) as (keyof typeof sum)[]) sum[of] += maintained[of];
    restores.held += maintained.restores.held;
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
    // Far below what is usual: any change of what is read moves what the seeds bring about.
    expect(sum.rounds).toBeGreaterThan(6 * seeds.length);
    expect(sum.deleted).toBeGreaterThan(30 * seeds.length);
    expect(sum.expiries).toBeGreaterThan(seeds.length);
    expect(sum.thinned).toBeGreaterThan(seeds.length);
    expect(sum.pinned).toBeGreaterThan(5 * seeds.length);
    expect(sum.coarse).toBeGreaterThan(5 * seeds.length);
    expect(sum.expired).toBeGreaterThan(seeds.length);
    expect(restores.held).toBeGreaterThan(0);
    expect(restores.quiet).toBeGreaterThan(0);
  });

  test("replays exactly from its seed", { timeout: 60_000 }, async () => {
    const once = await simulate({ seed: 77, steps: 24, maintain });
    expect(await simulate({ seed: 77, steps: 24, maintain })).toEqual(once);
  });
});
