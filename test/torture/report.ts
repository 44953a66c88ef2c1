import { formatTable } from "../../src/cli/output.js";
import type { Disturbance } from "./instants.js";
import type { Verdicts } from "./judge.js";
import {
  behindMs,
  failoverMsMax,
  longestWait,
  percentiles,
  type Sample,
  type Stretch,
  stretchesOf,
  type Wait,
} from "./lag.js";
import type { World } from "./world.js";

export interface Outcome {
  minutes: number;
  seed: number;
  disturbances: Disturbance[];
  world: World;
  verdicts: Verdicts;
  samples: Sample[];
}

export async function printReport(outcome: Outcome): Promise<void> {
  const { minutes, seed, disturbances, world, verdicts, samples } = outcome;
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
  const lagColumns = ["behind the clock, s", "median", "90 %", "99 %", "most", "more than 5 s, %"];
  console.log(formatTable(lagColumns, lagOf(samples, world)));
  console.log("");
  const waitColumns = ["a table more than 5 s behind, after", "times", "longest, s"];
  console.log(formatTable(waitColumns, waitsByEvent(samples, world)));
  console.log("");
  for (const text of longestStretches(samples, world, disturbances)) console.log(text);
  const late = overlong(world, samples);
  const rows: [string, number][] = [
    ["documents written and acknowledged", sum("writes")],
    ["writes that failed, or were not answered", sum("refused")],
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
    ["behind for too long after a fault", late.length],
    ["servers that ended by themselves", world.servers.crashes.length],
    ["documents of which the source itself lost an acknowledged write", world.lost.length],
  ];
  console.log(formatTable(["what was found", ""], rows));
  for (const wrong of verdicts.wrong) console.log(`\nWRONG ${wrong}`);
  for (const failure of world.failures) console.log(`\nFAILURE ${failure}`);
  for (const one of late) console.log(`\nBEHIND ${one}`);
  for (const one of world.lost) console.log(`\nLOST BY THE SOURCE ${one}`);
  for (const one of world.servers.crashes) console.log(`\nCRASHED ${one}`);
}

/**
 * Tables that were behind for longer than a fail-over takes, although nothing was done to anything meanwhile. A table of
 * one replica has no other server, and the catalog may be read through one that does not reach it.
 */
export function overlong(world: World, samples: readonly Sample[]): string[] {
  return waitsOf(samples, world)
    .filter(({ stretch, wait }) => isSafe(stretch, world) && wait.to - wait.from > failoverMsMax)
    .map(({ stretch, wait }) => waitText(stretch, wait, world));
}

/** Whether another server can take over; with one server, whether it comes back. */
function isSafe({ table: id }: Stretch, world: World): boolean {
  return world.servers.count === 1 || world.tables.some((one) => one.id === id && one.isSpread);
}

function waitsOf(samples: readonly Sample[], world: World): { stretch: Stretch; wait: Wait }[] {
  return stretches(samples, world).flatMap((stretch) => {
    const wait = longestWait(stretch, world.events.all);
    return wait ? [{ stretch, wait }] : [];
  });
}

function stretches(samples: readonly Sample[], world: World): Stretch[] {
  return stretchesOf(samples, (id) => {
    const table = world.tables.find((one) => one.id === id);
    return table ? (table.died ?? Number.POSITIVE_INFINITY) : 0;
  });
}

function waitText(
  { table: id, hasEnded }: Stretch,
  { after, from, to }: Wait,
  world: World,
): string {
  const table = world.tables.find((one) => one.id === id)!;
  const seconds = ((to - from) / 1000).toFixed(1);
  const end = hasEnded ? "" : ", and had not caught up at the end";
  return (
    `${table.name} was behind for ${seconds} s after "${after}"${end}, from ${new Date(from).toISOString()}; ` +
    `its writes were acknowledged in ${table.servedSeconds(from, to)} of these seconds`
  );
}

function lagOf(samples: readonly Sample[], world: World): (string | number)[][] {
  const ofTables = (of: "proven" | "exact") =>
    samples.flatMap(({ at, ...sample }) =>
      Object.entries(sample[of]).flatMap(([id, to]) => {
        const table = world.tables.find((one) => one.id === id);
        return table && at <= (table.died ?? at) ? [at - to] : [];
      }),
    );
  const ofAll = samples.flatMap(({ at, whole }) => (whole === undefined ? [] : [at - whole]));
  const kinds: [string, number[]][] = [
    ["tables: the last proven instant", ofTables("proven")],
    ["tables: the last exact instant", ofTables("exact")],
    ["restorable until, of everything", ofAll],
  ];
  return kinds.map(([name, values]) => {
    const behind = values.filter((ms) => ms > behindMs).length;
    const seconds = percentiles(values, [50, 90, 99, 100]).map((ms) => (ms / 1000).toFixed(1));
    return [name, ...seconds, ((100 * behind) / Math.max(1, values.length)).toFixed(1)];
  });
}

function waitsByEvent(samples: readonly Sample[], world: World): [string, number, string][] {
  const names = world.servers.all.map(({ name }) => name).join("|");
  const anyName = new RegExp(`\\b(${names})\\b`, "g");
  const waits = waitsOf(samples, world).map(({ stretch, wait }) => {
    const few = isSafe(stretch, world) ? "" : " (table of one replica)";
    return { ...wait, kind: `${wait.after.replace(anyName, "a server")}${few}` };
  });
  return [...new Set(waits.map(({ kind }) => kind))].sort().map((kind) => {
    const times = waits.filter((wait) => wait.kind === kind);
    const longest = Math.max(...times.map(({ from, to }) => to - from));
    return [kind, times.length, (longest / 1000).toFixed(1)];
  });
}

/** The three longest, whatever was done meanwhile. */
function longestStretches(
  samples: readonly Sample[],
  world: World,
  disturbances: readonly Disturbance[],
): string[] {
  const longest = stretches(samples, world).sort((a, b) => b.to - b.from - (a.to - a.from));
  return longest.slice(0, 3).map((stretch) => {
    const { from, to } = stretch;
    const names = disturbances
      .filter((one) => one.to > from - 3000 && one.from < to)
      .map(({ name }) => name);
    const table = world.tables.find(({ id }) => id === stretch.table)!;
    const seconds = ((to - from) / 1000).toFixed(1);
    const served = table.servedSeconds(from, to);
    return (
      `${table.name} was behind for ${seconds} s from ${new Date(from).toISOString()}, ` +
      `with writes acknowledged in ${served} of them: ${names.join("; ")}\n`
    );
  });
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
