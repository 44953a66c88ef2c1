/**
 * The soak: a steady load on a real server, captured by the real command for hours, with everything measured that may
 * grow. `npm run soak -- --hours 1`. Ends with status 1 if anything is wrong. docs/soak.md.
 */
import { parseArgs } from "node:util";
import { drawAgain, printReport, writeSamples } from "./report.js";
import { Soak } from "./soak.js";

const { values } = parseArgs({
  options: {
    hours: { type: "string", default: "1" },
    rate: { type: "string", default: "300" },
    documents: { type: "string", default: "30000" },
    instants: { type: "string", default: "4" },
    out: { type: "string", default: "docs/soak" },
    draw: { type: "string" },
  },
});

function positive(name: "hours" | "rate" | "documents" | "instants"): number {
  const number = Number(values[name]);
  if (!(number > 0)) throw new Error(`--${name} ${values[name]} is not a number above 0`);
  return number;
}

async function main(): Promise<void> {
  const plan = {
    hours: positive("hours"),
    rate: positive("rate"),
    documents: Math.ceil(positive("documents")),
    instants: Math.ceil(positive("instants")),
  };
  const soak = await Soak.open(plan);
  const write = () => writeSamples(values.out, soak.facts(), soak.sampler.samples);
  try {
    await soak.load(write);
    await soak.verify();
  } catch (error) {
    soak.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await soak.endCapture();
    await write();
    printReport(soak.facts(), soak.sampler.samples);
    await soak.close();
  }
  process.exitCode = soak.failures.length > 0 ? 1 : 0;
}

await (values.draw === undefined ? main() : drawAgain(values.draw));
