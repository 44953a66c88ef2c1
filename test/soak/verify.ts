/** Restores what was captured, through the CLI, and holds it against what the writers know. */
import { cli, cliJson, type StatusResult } from "../endtoend/cli.js";
import { readTable } from "../endtoend/workload.js";
import { type DriverConnection, r } from "../server/driver.js";
import { db, digestText, type LoadedTable } from "./load.js";

/** How long after its acknowledgement a write may still be on its way, on a machine with too much to do. */
const deliveryMs = 1500;

const restoredDb = "judged";

export interface Verdict {
  instant: string;
  table: string;
  keys: number;
  /** Keys about whose state then more than one answer is right: they were just being written. */
  inFlight: number;
  /** Keys with a wrong state; or why there is none. */
  wrong: number | string;
}

/** One table at one instant. */
export async function judge(
  repo: string,
  target: string,
  connection: DriverConnection,
  table: LoadedTable,
  instant: number,
): Promise<Verdict> {
  const at = new Date(instant).toISOString();
  const name = `${db}.${table.name}`;
  const verdict: Verdict = { instant: at, table: name, keys: 0, inFlight: 0, wrong: 0 };
  const options = ["--at", at, "--table", name, "--rename", `${name}=${restoredDb}.${table.name}`];
  const { status, stderr } = await cli(["restore", "--repo", repo, "--target", target, ...options]);
  if (status !== 0) return { ...verdict, wrong: `exit ${status}: ${stderr.slice(-600)}` };
  const { keys, inFlight, wrong } = table.ledger.judge(
    await digests(connection, restoredDb, table.name),
    instant,
    deliveryMs,
  );
  await r.db(restoredDb).tableDrop(table.name).run(connection);
  return { ...verdict, keys, inFlight, wrong: wrong.length };
}

/** The newest instant against the source, which stands still. */
export async function judgeEnd(
  repo: string,
  target: string,
  connection: DriverConnection,
  table: LoadedTable,
): Promise<Verdict> {
  const name = `${db}.${table.name}`;
  const verdict: Verdict = { instant: "newest", table: name, keys: 0, inFlight: 0, wrong: 0 };
  const options = ["--table", name, "--rename", `${name}=${restoredDb}.${table.name}`];
  const { status, stderr } = await cli(["restore", "--repo", repo, "--target", target, ...options]);
  if (status !== 0) return { ...verdict, wrong: `exit ${status}: ${stderr.slice(-600)}` };
  const live = await digests(connection, db, table.name);
  const restored = await digests(connection, restoredDb, table.name);
  await r.db(restoredDb).tableDrop(table.name).run(connection);
  const keys = new Set([...live.keys(), ...restored.keys()]);
  const wrong = [...keys].filter((key) => live.get(key) !== restored.get(key)).length;
  return { ...verdict, keys: keys.size, wrong };
}

/** Intervals in which a table was not captured exactly, from its first exact instant on. */
export function holes({ tables }: StatusResult): string[] {
  return tables.flatMap(({ name, intervals }) => {
    const first = intervals.findIndex(({ class: of }) => of === "exact");
    return intervals
      .slice(Math.max(0, first))
      .filter(({ class: of }) => of !== "exact")
      .map(({ from, to, class: of, reason }) => `${name} ${of} from ${from} to ${to}: ${reason}`);
  });
}

export interface DrillOutcome {
  instant: string;
  ok: boolean;
  documents: number;
  seconds: number;
}

/** A drill at an instant drawn by lot, on a server that it starts itself. */
export function drillOnce(repo: string): Promise<DrillOutcome> {
  return cliJson<DrillOutcome>(["drill", "--repo", repo]);
}

async function digests(
  connection: DriverConnection,
  database: string,
  table: string,
): Promise<Map<string, string>> {
  const texts = await readTable(connection, database, table);
  return new Map([...texts].map(([key, text]) => [key, digestText(text)]));
}
