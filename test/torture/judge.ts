/** Restores instants through the CLI and holds what comes back against the ledger. */
import { cli } from "../endtoend/cli.js";
import { readTable } from "../endtoend/workload.js";
import { r } from "../server/driver.js";
import { db, type TortureTable } from "./table.js";
import type { World } from "./world.js";

/** How long after its acknowledgement a write may still be on its way, on a machine with too much to do. */
const deliveryMs = 1500;

/** Of refusals so many are enough; exact instants are what is wanted. */
const refusalsMax = 25;

export interface Verdicts {
  exact: number;
  refused: number;
  inexact: number;
  /** Keys compared, and of those the ones with more than one right answer. */
  keys: number;
  inFlight: number;
  /** Instants of which no class or no name could be told, and holes after enough of them. */
  passed: number;
  wrong: string[];
}

export function noVerdicts(): Verdicts {
  return { exact: 0, refused: 0, inexact: 0, keys: 0, inFlight: 0, passed: 0, wrong: [] };
}

/** Judges one table at one instant. */
export async function judge(
  world: World,
  table: TortureTable,
  instant: number,
  verdicts: Verdicts,
): Promise<void> {
  const name = table.nameAt(instant);
  const known = (await world.status()).tables.find(({ id }) => id === table.id);
  const until = known?.intervals.at(-1)?.to;
  if (name === undefined || until === undefined || Date.parse(until) < instant) {
    verdicts.passed += 1;
    return;
  }
  const interval = known!.intervals.find(
    ({ from, to }) => Date.parse(from) <= instant && instant <= Date.parse(to),
  );
  const what = `${name} (${table.id}) at ${new Date(instant).toISOString()}`;
  if (interval?.class === "exact") {
    verdicts.exact += 1;
    await judgeExact(world, table, name, instant, verdicts, what);
    return;
  }
  if (verdicts.refused >= refusalsMax) {
    verdicts.passed += 1;
    return;
  }
  const refused = await restore(world, name, instant);
  if (refused.status === 5) verdicts.refused += 1;
  else verdicts.wrong.push(`${what}, not exact: not refused, but ${report(refused)}`);
  if (interval?.class !== "gap") return;
  const allowed = await restore(world, name, instant, "--allow-inexact");
  if (allowed.status === 0) verdicts.inexact += 1;
  else verdicts.wrong.push(`${what}, gap: ${report(allowed)}`);
  await dropRestored(world);
}

async function judgeExact(
  world: World,
  table: TortureTable,
  name: string,
  instant: number,
  verdicts: Verdicts,
  what: string,
): Promise<void> {
  const restored = await restore(world, name, instant);
  if (restored.status !== 0) {
    verdicts.wrong.push(`${what}, exact: ${report(restored)}`);
    return;
  }
  const state = await readTable(world.connection, "judged", "table");
  const { keys, inFlight, wrong } = table.ledger.judge(state, instant, delivery(world, instant));
  verdicts.keys += keys;
  verdicts.inFlight += inFlight;
  for (const { key, found, allowed } of wrong.slice(0, 3)) {
    const entries = table.ledger.history(key).map((entry) => ({
      ...entry,
      document: entry.document?.slice(-60),
    }));
    verdicts.wrong.push(
      `${what}, exact: ${wrong.length} keys wrong; ${key} is ${found}, allowed ${allowed.join(" or ")}; ` +
        `history ${JSON.stringify(entries)}`,
    );
  }
  await dropRestored(world);
}

/** While capture or server stood still nothing was delivered: what was written since then is either/or. */
function delivery(world: World, instant: number): number {
  const stall = world.stalls.find(({ from, to }) => from <= instant && instant <= to + deliveryMs);
  return deliveryMs + (stall ? instant - stall.from : 0);
}

function restore(world: World, name: string, instant: number, ...more: string[]) {
  const at = ["--at", new Date(instant).toISOString()];
  const choice = ["--table", `${db}.${name}`, "--rename", `${db}.${name}=judged.table`];
  const target = ["--target", world.stage.address, "--repo", world.repo];
  return cli(["restore", ...target, ...at, ...choice, ...more, "--json"]);
}

function report({ status, stderr }: { status: number | null; stderr: string }): string {
  return `exit ${status}: ${stderr.slice(-600)}`;
}

async function dropRestored(world: World): Promise<void> {
  await r.db("judged").tableDrop("table").run(world.connection);
}

/** The newest instant equals the source, document by document. */
export async function judgeEnd(world: World, verdicts: Verdicts): Promise<void> {
  for (const { table } of world.slots) {
    const name = `${db}.${table.name}`;
    const rename = ["--table", name, "--rename", `${name}=ended.${table.name}`];
    await world.command("restore", "--target", world.stage.address, ...rename);
    const live = await readTable(world.connection, db, table.name);
    const restored = await readTable(world.connection, "ended", table.name);
    const differing = [...new Set([...live.keys(), ...restored.keys()])].filter(
      (key) => live.get(key) !== restored.get(key),
    );
    verdicts.keys += live.size;
    for (const key of differing.slice(0, 3)) {
      verdicts.wrong.push(
        `${name} at the end: ${differing.length} keys differ; ${key} is ${restored.get(key)} and not ${live.get(key)}`,
      );
    }
  }
}
