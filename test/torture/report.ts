import { formatTable } from "../../src/cli/output.js";
import type { Disturbance } from "./instants.js";
import type { Verdicts } from "./judge.js";
import type { World } from "./world.js";

export interface Outcome {
  minutes: number;
  seed: number;
  disturbances: Disturbance[];
  world: World;
  verdicts: Verdicts;
}

export async function printReport(outcome: Outcome): Promise<void> {
  const { minutes, seed, disturbances, world, verdicts } = outcome;
  const sum = (of: "writes" | "refused") =>
    world.tables.reduce((total, table) => total + table[of], 0);
  const { kind, version } = world.stage.server;
  const servers = world.servers.count;
  console.log(`\n${servers} ${kind} server(s) ${version}, ${minutes} minutes, seed ${seed}\n`);
  console.log(formatTable(["what was done", "times", "seconds"], doneOf(disturbances)));
  console.log("");
  const shares = await sharesByReason(world);
  console.log(formatTable(["class, by its reason", "spans", "seconds", "share, %"], shares));
  console.log("");
  const rows: [string, number][] = [
    ["documents written and acknowledged", sum("writes")],
    ["writes that failed", sum("refused")],
    ["tables that there were", world.tables.length],
    ["exact instants judged", verdicts.exact],
    ["of those inside or right after a disturbance", verdicts.exactNear],
    ["late instants judged", verdicts.late],
    ["of those lacking what an exact one must hold", verdicts.lateIndeed],
    ["of all those restored through the CLI", verdicts.restored],
    ["instants of other classes refused", verdicts.refused],
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

function doneOf(disturbances: Disturbance[]): [string, number, number][] {
  const names = [...new Set(disturbances.map(({ name }) => name))].sort();
  return names.map((name) => {
    const times = disturbances.filter((one) => one.name === name);
    const ms = times.reduce((total, { from, to }) => total + to - from, 0);
    return [name, times.length, Math.round(ms / 1000)];
  });
}

/** How much of the time of all tables, since each could be restored first, is of which class, and why. */
async function sharesByReason(world: World): Promise<[string, number, number, string][]> {
  const spans = new Map<string, { count: number; ms: number }>();
  let totalMs = 0;
  for (const { intervals, firstRestorable } of (await world.status()).tables) {
    const first = Date.parse(firstRestorable ?? "");
    for (const { from, to, class: of, reason } of intervals) {
      if (!(Date.parse(from) >= first)) continue;
      const why = (reason ?? "").replace(/[0-9a-f-]{36}|\d+/g, "…");
      const name = why === "" ? of : `${of}: ${why}`;
      const known = spans.get(name) ?? { count: 0, ms: 0 };
      const ms = Date.parse(to) - Date.parse(from) + 1;
      spans.set(name, { count: known.count + 1, ms: known.ms + ms });
      totalMs += ms;
    }
  }
  return [...spans]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { count, ms }]) => {
      return [name, count, Math.round(ms / 1000), ((100 * ms) / totalMs).toFixed(1)];
    });
}
