/** What a drill will restore, and where to. */
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { catalogAt, tableNamed } from "../repository/catalog.js";
import { readAllCoverage } from "../repository/coverage-reader.js";
import { endOfLog } from "../repository/log-end.js";
import { LogView } from "../repository/log-view.js";
import type { Repository } from "../repository/repository.js";
import { scratchPrefix } from "../scratch-database.js";
import { sayingWhen } from "./gone-table.js";
import { planRestore, type RestorePlan } from "./plan.js";
import { commonSpans, drawInstant, exactSpans } from "./random-instant.js";
import { type RestoreRequest, refuseTwoChoices } from "./request.js";

export interface DrillChoice {
  /** "latest": the newest that all chosen tables have. "random": one at which all of them are exact. */
  at: Instant | "latest" | "random";
  /** "db.table" each; all tables of `databases`, or of the cluster, if empty. */
  tables: string[];
  databases: string[];
}

/**
 * Of an instant drawn by lot the catalog may say, for some seconds after a table was made or dropped, what the coverage
 * does not; then another is drawn.
 */
const drawsMax = 20;

/** Plans a restore into scratch databases. Users and grants are left out: they are the target's own. */
export async function planDrill(
  repository: Repository,
  choice: DrillChoice,
  unique: string,
  random: () => number,
): Promise<RestorePlan> {
  const { at, tables, databases } = choice;
  refuseTwoChoices(choice);
  const renames = new Map<string, string>();
  // An instant that is drawn may be thinned away; one that is asked for may not.
  const nearest = at === "random";
  const request = { tables, databases, renames, allowInexact: false, nearest, withoutAccess: true };
  if (at === "random") return scratchPlan(await planByLot(repository, request, random), unique);
  const plan = await planRestore(repository, at === "latest" ? request : { ...request, at });
  return scratchPlan(plan, unique);
}

function scratchPlan(plan: RestorePlan, unique: string): RestorePlan {
  const scratch = (db: string) => `${scratchPrefix(unique)}${db}`;
  return {
    ...plan,
    databases: plan.databases.map(scratch),
    tables: plan.tables.map((table) => ({
      ...table,
      to: { db: scratch(table.to.db), name: table.to.name },
    })),
  };
}

async function planByLot(
  repository: Repository,
  request: RestoreRequest,
  random: () => number,
): Promise<RestorePlan> {
  const { store } = repository;
  const log = await LogView.read(store);
  const coverage = await readAllCoverage(log);
  const { tables, catalog } = coverage;
  const chosen = await sayingWhen(log, coverage, () => chosenTables(repository, request));
  const named = request.tables.length > 0;
  const known = [...tables.values()].filter(({ table }) => !chosen || chosen.has(table));
  const isWhole = !named || known.length === chosen?.size;
  const ofTables = isWhole ? exactSpans(known, named) : [];
  const spans = commonSpans(ofTables, catalog ? exactSpans([catalog], true) : []);
  for (let draw = 1; ; draw += 1) {
    const at = drawInstant(spans, random);
    if (at === undefined) throw noExactInstant();
    try {
      const names = named ? { tables: await namesAt(repository, chosen!, at) } : {};
      return await planRestore(repository, { ...request, ...names, at });
    } catch (error) {
      const again =
        error instanceof ThinkbackError && (error.code === "instant" || error.code === "unknown");
      if (!again || draw === drawsMax) throw error;
    }
  }
}

/** Ids of the tables that the request names, as they are called now; undefined if it names none. */
async function chosenTables(
  { store }: Repository,
  { tables, databases }: RestoreRequest,
): Promise<Set<string> | undefined> {
  if (tables.length === 0 && databases.length === 0) return undefined;
  const latest = (await endOfLog(await LogView.read(store)))?.to ?? 0;
  const catalog = await catalogAt(store, latest);
  if (tables.length > 0) {
    return new Set(tables.map((name) => tableNamed(catalog, name, latest).id));
  }
  const known = catalog.databases().map(({ name }) => name);
  const unknown = databases.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ThinkbackError("unknown", `there is no database ${unknown}`, {
      hint: `databases known: ${known.join(", ")}`,
    });
  }
  const inThem = catalog.tables().filter(({ db }) => databases.includes(db));
  return new Set(inThem.map(({ id }) => id));
}

/** What the tables were called then. */
async function namesAt(
  { store }: Repository,
  ids: Set<string>,
  instant: Instant,
): Promise<string[]> {
  const tables = (await catalogAt(store, instant)).tables().filter(({ id }) => ids.has(id));
  if (tables.length < ids.size) {
    throw new ThinkbackError("unknown", "not every chosen table is in the catalog of that instant");
  }
  return tables.map(({ db, name }) => `${db}.${name}`);
}

function noExactInstant(): ThinkbackError {
  return new ThinkbackError(
    "instant",
    "there is no instant to which all chosen tables can be restored exactly",
    {
      hint: "`thinkback status` shows what each table has; choose some with --table, or an instant with --at",
    },
  );
}
