/** Restores what was captured, through the CLI, and holds it against what the writers know. */
import { cli, cliJson, type StatusResult } from "../endtoend/cli.js";
import { judgeBy } from "../endtoend/ledger.js";
import { readTable } from "../endtoend/workload.js";
import { type DriverConnection, r } from "../server/driver.js";
import { db, digestText, type LoadedTable } from "./load.js";
import type { Question } from "./questions.js";

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

interface Where {
  repo: string;
  /** The server that is restored to, as a URL, and a connection to it. */
  target: string;
  connection: DriverConnection;
}

/** One table at one instant. */
export async function judge(where: Where, { instant, table, answers }: Question): Promise<Verdict> {
  const at = new Date(instant).toISOString();
  const restored = await restoreTable(where, table.name, "--at", at);
  const said = { instant: at, table: table.name, keys: 0, inFlight: 0 };
  if (typeof restored === "string") return { ...said, wrong: restored };
  const { keys, inFlight, wrong } = judgeBy(answers, restored);
  return { ...said, keys, inFlight, wrong: wrong.length };
}

/** The newest instant against the source, which stands still. */
export async function judgeEnd(where: Where, table: LoadedTable): Promise<Verdict> {
  const restored = await restoreTable(where, table.name);
  const said = { instant: "newest", table: table.name, keys: 0, inFlight: 0 };
  if (typeof restored === "string") return { ...said, wrong: restored };
  const live = await digests(where.connection, db, table.name);
  const keys = new Set([...live.keys(), ...restored.keys()]);
  const wrong = [...keys].filter((key) => live.get(key) !== restored.get(key)).length;
  return { ...said, keys: keys.size, wrong };
}

/** Digests of what was restored, by key; or what the command said when it failed. */
async function restoreTable(
  { repo, target, connection }: Where,
  table: string,
  ...at: string[]
): Promise<Map<string, string> | string> {
  const rename = ["--table", `${db}.${table}`, "--rename", `${db}.${table}=${restoredDb}.${table}`];
  const args = ["restore", "--repo", repo, "--target", target, ...rename, ...at];
  const { status, stderr } = await cli(args);
  if (status !== 0) return `exit ${status}: ${stderr.slice(-600)}`;
  const restored = await digests(connection, restoredDb, table);
  await r.db(restoredDb).tableDrop(table).run(connection);
  return restored;
}

/** Intervals in which a table was not captured whole, from its first exact instant on. What is late is there. */
export function gaps({ tables }: StatusResult): string[] {
  return tables.flatMap(({ name, intervals }) => {
    const first = intervals.findIndex(({ class: of }) => of === "exact");
    return intervals
      .slice(Math.max(0, first))
      .filter(({ class: of }) => of !== "exact" && of !== "late")
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
