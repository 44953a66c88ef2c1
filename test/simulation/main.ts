/**
 * npm run simulate -- --seed N --steps M [--seeds K] [--days] [--trace]: runs K seeds from N on, with maintenance over
 * days if asked for; stops at the first that fails.
 */
import { parseArgs } from "node:util";
import { maintain } from "../../src/upkeep/maintain.js";
import { type SimulationReport, simulate } from "./simulation.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "300" },
    seeds: { type: "string", default: "1" },
    days: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    "keep-going": { type: "boolean", default: false },
  },
});

const [first, steps, seeds] = [Number(values.seed), Number(values.steps), Number(values.seeds)];
let failed = 0;
for (let seed = first; seed < first + seeds; seed += 1) {
  const report = await simulate({
    seed,
    steps,
    ...(values.days && { maintain }),
    ...(values.trace && { onTrace: (line: string) => console.log(line) }),
  });
  print(report);
  if (report.violations.length === 0) continue;
  failed += 1;
  if (!values["keep-going"]) break;
}
console.log(failed === 0 ? "clean" : `${failed} seeds failed`);
process.exitCode = failed === 0 ? 0 : 1;

function print({ seed, violations, trace, compared, ...rest }: SimulationReport): void {
  const { written, kept } = rest.parts;
  const { instants, late, documents, catalogs, access, again, stale, refused } = compared;
  const { exactMs, lateMs, otherMs, unexplainedMs } = rest.measured;
  const share = (ms: number) => `${((100 * ms) / (exactMs + lateMs + otherMs)).toFixed(1)} %`;
  const ends = Object.entries(rest.ends).map(([kind, count]) => `${count} ${kind}`);
  console.log(
    `seed ${seed}: ${rest.virtualSeconds} s, ${rest.faults} faults, writers ended ${ends.join(", ") || "never"}; ` +
      `${share(exactMs)} exact, ${share(lateMs)} late (${share(unexplainedMs)} without a fault); ` +
      `${instants} instants, ${late} late, ${documents} documents, ${catalogs} catalogs, ${access} access compared, ${again} again, ${stale} by stale listings (${refused} refused); folds wrote ${written} parts, kept ${kept}, and folded the log into ${rest.foldedSegments} segments; ${rest.hash.slice(0, 16)}`,
  );
  if (values.days) console.log(`  ${JSON.stringify(rest.maintained)}`);
  if (violations.length === 0) return;
  if (!values.trace) console.log(trace.join("\n"));
  console.log(`seed ${seed} --steps ${steps} FAILED:\n${violations.slice(0, 5).join("\n")}`);
}
