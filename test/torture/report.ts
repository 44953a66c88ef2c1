import { formatTable } from "../../src/cli/output.js";
import type { Verdicts } from "./judge.js";
import type { World } from "./world.js";

export interface Outcome {
  minutes: number;
  seed: number;
  done: Map<string, number>;
  world: World;
  verdicts: Verdicts;
}

export async function printReport({
  minutes,
  seed,
  done,
  world,
  verdicts,
}: Outcome): Promise<void> {
  const writes = world.tables.reduce((sum, { writes: of }) => sum + of, 0);
  const refused = world.tables.reduce((sum, { refused: of }) => sum + of, 0);
  const { kind, version } = world.stage.server;
  console.log(`\n${kind} server ${version}, ${minutes} minutes, seed ${seed}\n`);
  console.log(
    formatTable(
      ["what was done", "times"],
      [...done].sort(([a], [b]) => a.localeCompare(b)),
    ),
  );
  console.log("");
  const holes = await holesByReason(world);
  console.log(formatTable(["holes, by their reason", "tables", "seconds"], holes));
  console.log("");
  const rows: [string, number][] = [
    ["writes acknowledged", writes],
    ["writes that failed", refused],
    ["tables that there were", world.tables.length],
    ["exact instants restored and compared", verdicts.exact],
    ["instants in holes refused", verdicts.refused],
    ["of those restored with --allow-inexact", verdicts.inexact],
    ["instants passed over", verdicts.passed],
    ["keys compared", verdicts.keys],
    ["of those written about then, with more than one right answer", verdicts.inFlight],
    ["wrong", verdicts.wrong.length],
    ["failures", world.failures.length],
  ];
  console.log(formatTable(["what was found", ""], rows));
  for (const wrong of verdicts.wrong) console.log(`\nWRONG ${wrong}`);
  for (const failure of world.failures) console.log(`\nFAILURE ${failure}`);
}

async function holesByReason(world: World): Promise<[string, number, number][]> {
  const holes = new Map<string, { tables: number; ms: number }>();
  for (const { intervals } of (await world.status()).tables) {
    for (const { from, to, class: of, reason } of intervals) {
      if (of === "exact") continue;
      const name = `${of}: ${(reason ?? "").replace(/[0-9a-f-]{36}|\d+/g, "…")}`;
      const known = holes.get(name) ?? { tables: 0, ms: 0 };
      known.tables += 1;
      known.ms += Date.parse(to) - Date.parse(from);
      holes.set(name, known);
    }
  }
  return [...holes].map(([name, { tables, ms }]) => [name, tables, Math.round(ms / 1000)]);
}
