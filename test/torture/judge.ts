/**
 * Holds the state at an instant against what the writers know, by what its class says: at an exact one everything is
 * there that was acknowledged two seconds before, at a late one N more; and nothing that was sent after it. Some instants
 * are restored through the CLI, and the others read by the functions that it uses, which is sooner done.
 */
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { cli, type Interval, type StatusResult } from "../endtoend/cli.js";
import { canonicalJson, readTable } from "../endtoend/workload.js";
import { r } from "../server/driver.js";
import { restoredIn } from "../simulation/restored-state.js";
import type { Chosen } from "./instants.js";
import { db, type TortureTable } from "./table.js";
import type { World } from "./world.js";

/** What proofs promise, and what the noting of times may take on a machine with much to do. */
const boundMs = 2000;
const measuringMs = 100;

/** Of refusals so many are enough; the states of whole instants are what is wanted. */
const refusalsMax = 6;

export interface Verdicts {
  exact: number;
  /** Of those, inside or right after a disturbance. */
  exactNear: number;
  late: number;
  /** Of those, lacking what an exact one must hold: without the record of the late span they would be wrong. */
  lateIndeed: number;
  /** Of the exact and late ones, restored through the CLI. */
  restored: number;
  refused: number;
  inexact: number;
  /** Keys compared, and of those the ones with more than one right answer. */
  keys: number;
  inFlight: number;
  /** Instants of which no class or no name could be told, and those of other classes after enough of them. */
  passed: number;
  wrong: string[];
}

export function noVerdicts(): Verdicts {
  const counts = {
    exact: 0,
    exactNear: 0,
    late: 0,
    lateIndeed: 0,
    restored: 0,
    refused: 0,
    inexact: 0,
  };
  return { ...counts, keys: 0, inFlight: 0, passed: 0, wrong: [] };
}

/** @param byCommand the CLI restores it */
export async function judge(
  world: World,
  { table, instant, disturbance }: Chosen,
  status: StatusResult,
  byCommand: boolean,
  verdicts: Verdicts,
): Promise<void> {
  const name = table.nameAt(instant);
  const interval = intervalOf(status, table, instant);
  if (name === undefined || interval === undefined) {
    verdicts.passed += 1;
    return;
  }
  const near = disturbance ? ` [${disturbance.name}]` : "";
  const at = new Date(instant).toISOString();
  const what = `${name} (${table.id}) at ${at}, ${interval.class} ${interval.lateMs ?? ""}${near}`;
  if (interval.class === "exact" || interval.class === "late") {
    if (interval.class === "late") verdicts.late += 1;
    else verdicts.exact += 1;
    if (interval.class === "exact" && disturbance) verdicts.exactNear += 1;
    if (byCommand) verdicts.restored += 1;
    const state = byCommand
      ? await restoredByCommand(
          world,
          name,
          instant,
          !isExact(status, interval, instant),
          verdicts,
          what,
        )
      : await read(world, table, instant);
    if (state) compare(table, state, instant, interval, verdicts, what);
    else if (!byCommand) verdicts.wrong.push(`${what}: there is no base to begin with`);
  } else {
    await judgeGap(world, name, instant, interval, verdicts, what);
  }
}

/** Undefined where nothing is said of it yet. */
function intervalOf(
  { tables }: StatusResult,
  table: TortureTable,
  instant: number,
): Interval | undefined {
  const known = tables.find(({ id }) => id === table.id);
  return known && intervalAt(known.intervals, instant);
}

function intervalAt(intervals: readonly Interval[], instant: number): Interval | undefined {
  return intervals.find(({ from, to }) => Date.parse(from) <= instant && instant <= Date.parse(to));
}

function compare(
  table: TortureTable,
  state: Map<string, string>,
  instant: number,
  interval: Interval,
  verdicts: Verdicts,
  what: string,
): void {
  const exactMs = boundMs + measuringMs;
  const lateMs = interval.lateMs ?? 0;
  const { keys, inFlight, wrong } = table.book.judge(state, instant, exactMs + lateMs);
  if (lateMs > 0 && table.book.judge(state, instant, exactMs).wrong.length > 0) {
    verdicts.lateIndeed += 1;
  }
  verdicts.keys += keys;
  verdicts.inFlight += inFlight;
  for (const { key, found, allowed } of wrong.slice(0, 1)) {
    const history = JSON.stringify(table.book.history(key), shortened);
    verdicts.wrong.push(
      `${what}: ${wrong.length} keys wrong; ${key} is ${found?.slice(-80)}, ` +
        `allowed ${allowed.map((one) => one?.slice(-80)).join(" or ")}; history ${history}`,
    );
  }
}

function shortened(field: string, value: unknown): unknown {
  return field === "document" && typeof value === "string" ? value.slice(-60) : value;
}

async function read(
  world: World,
  table: TortureTable,
  instant: number,
): Promise<Map<string, string> | undefined> {
  const repository = await openRepository(new DirectoryStore(world.repo));
  const { view } = await (await RepositoryView.read(repository)).laneOf(table.id, instant);
  const state = await restoredIn(view, table.id, instant);
  return (
    state &&
    new Map(
      [...state].map(([key, document]) => [
        canonicalJson(JSON.parse(key)),
        canonicalJson(JSON.parse(document)),
      ]),
    )
  );
}

/** A restore wants the catalog to be exact, too. */
function isExact({ catalog }: StatusResult, interval: Interval, instant: number): boolean {
  const ofCatalog = catalog && intervalAt(catalog.intervals, instant);
  return interval.class === "exact" && ofCatalog?.class === "exact";
}

async function restoredByCommand(
  world: World,
  name: string,
  instant: number,
  allowInexact: boolean,
  verdicts: Verdicts,
  what: string,
): Promise<Map<string, string> | undefined> {
  const restored = await restore(world, name, instant, allowInexact);
  if (restored.status !== 0) {
    verdicts.wrong.push(`${what}: ${report(restored)}`);
    return undefined;
  }
  const state = await readTable(world.connection, "judged", "table");
  await dropRestored(world);
  return state;
}

/** What is neither exact nor late must be refused; inside a gap a flag gives the state at an end. */
async function judgeGap(
  world: World,
  name: string,
  instant: number,
  interval: Interval,
  verdicts: Verdicts,
  what: string,
): Promise<void> {
  if (verdicts.refused >= refusalsMax) {
    verdicts.passed += 1;
    return;
  }
  const refused = await restore(world, name, instant, false);
  if (refused.status === 5) verdicts.refused += 1;
  else verdicts.wrong.push(`${what}: not refused, but ${report(refused)}`);
  if (interval.class !== "gap") return;
  const allowed = await restore(world, name, instant, true);
  if (allowed.status === 0) verdicts.inexact += 1;
  else verdicts.wrong.push(`${what}: ${report(allowed)}`);
  await dropRestored(world);
}

function restore(world: World, name: string, instant: number, allowInexact: boolean) {
  const at = ["--at", new Date(instant).toISOString()];
  const choice = ["--table", `${db}.${name}`, "--rename", `${db}.${name}=judged.table`];
  const target = ["--target", world.stage.address, "--repo", world.repo];
  const flag = allowInexact ? ["--allow-inexact"] : [];
  return cli(["restore", ...target, ...at, ...choice, ...flag, "--json"]);
}

function report({ status, stderr }: { status: number | null; stderr: string }): string {
  return `exit ${status}: ${stderr.slice(-600)}`;
}

async function dropRestored(world: World): Promise<void> {
  const tables = (await r.db("judged").tableList().run(world.connection)) as string[];
  if (tables.includes("table")) await r.db("judged").tableDrop("table").run(world.connection);
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
