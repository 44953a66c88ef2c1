/** What a soak leaves: the samples, plots of them, and what it prints. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatTable } from "../../src/cli/output.js";
import { writePlots } from "./plots.js";
import { quantities, type Samples } from "./samples.js";
import { settledAfter, summaryTable } from "./summary.js";
import type { DrillOutcome, Verdict } from "./verify.js";
import type { Round } from "./watched-capture.js";

/** What is not a reading. */
export interface Facts {
  server: string;
  node: string;
  hours: number;
  /** Changes a second that were wanted. */
  rate: number;
  documents: number;
  options: string;
  /** Of each table what was acknowledged. */
  counts: Record<string, { inserts: number; updates: number; deletes: number; bytes: number }>;
  rounds: Round[];
  warnings: string[];
  verdicts: Verdict[];
  drill: DrillOutcome | undefined;
  failures: string[];
}

const fileName = "samples.json";

export async function writeSamples(
  directory: string,
  facts: Facts,
  samples: Samples,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const lines = Object.entries(samples.values).map(
    ([name, read]) => `    ${JSON.stringify(name)}: ${JSON.stringify(read)}`,
  );
  const text = [
    "{",
    `  "facts": ${JSON.stringify(facts, undefined, 2).replaceAll("\n", "\n  ")},`,
    `  "quantities": ${JSON.stringify(quantities)},`,
    `  "seconds": ${JSON.stringify(samples.seconds)},`,
    `  "values": {\n${lines.join(",\n")}\n  }\n}\n`,
  ];
  await writeFile(join(directory, fileName), text.join("\n"));
  await writePlots(samples, directory);
}

/** Draws and prints anew what an earlier soak has left. */
export async function drawAgain(directory: string): Promise<void> {
  const text = await readFile(join(directory, fileName), "utf8");
  const { facts, seconds, values } = JSON.parse(text) as Samples & { facts: Facts };
  await writePlots({ seconds, values }, directory);
  printReport(facts, { seconds, values });
}

export function printReport(facts: Facts, samples: Samples): void {
  console.log(`\n${facts.server}, node ${facts.node}, ${facts.hours} hours\n`);
  console.log(summaryTable(samples));
  console.log(`\nslopes are those of the readings after the first ${100 * settledAfter} %\n`);
  const counts = Object.entries(facts.counts).map(
    ([table, { inserts, updates, deletes, bytes }]) => [
      table,
      inserts,
      updates,
      deletes,
      Math.round(bytes / 2 ** 20),
    ],
  );
  console.log(formatTable(["table", "inserts", "updates", "deletes", "MiB written"], counts));
  const { rounds } = facts;
  const folds = rounds.filter(({ bases }) => bases > 0);
  const swept = rounds.reduce((sum, { deleted }) => sum + deleted.objects, 0);
  console.log(
    `\n${rounds.length} rounds of maintenance, of which ${folds.length} made bases; ${swept} objects deleted\n`,
  );
  const verdicts = facts.verdicts.map(({ instant, table, keys, inFlight, wrong }) => [
    instant,
    table,
    keys,
    inFlight,
    wrong,
  ]);
  console.log(formatTable(["restored to", "table", "keys", "either/or", "wrong"], verdicts));
  const { drill } = facts;
  if (drill) console.log(`\ndrill of ${drill.instant}: ${drill.ok ? "equal" : "DIFFERENT"}`);
  for (const warning of facts.warnings) console.log(`\nthe capture said: ${warning}`);
  for (const failure of facts.failures) console.log(`\nFAILURE ${failure}`);
}
