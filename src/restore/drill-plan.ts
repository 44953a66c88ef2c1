/** Plans what a drill restores, and into which databases. */
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { tableNamed } from "../repository/log/catalog.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { scratchPrefix } from "../scratch-database.js";
import { sayingWhen } from "./gone-table.js";
import { planRestore, type RestorePlan } from "./plan.js";
import { commonSpans, drawInstant, exactSpans } from "./random-instant.js";
import { type RestoreRequest, refuseTwoChoices } from "./request.js";

export interface DrillChoice {
  /** "latest": the newest instant that all chosen tables have. "random": an instant at which all of them are exact. */
  at: Instant | "latest" | "random";
  /** "db.table" each; all tables of `databases`, or of the cluster, if empty. */
  tables: string[];
  databases: string[];
}

/**
 * At most so many instants are drawn by lot. For some seconds after a table was made or dropped, catalog and coverage
 * may differ about it; an instant of such a time cannot be planned, and another one is drawn.
 */
const drawsMax = 20;

/** Plans a restore into scratch databases. Users and grants are left out: they are the target's own. */
export async function planDrill(
  view: RepositoryView,
  choice: DrillChoice,
  unique: string,
  random: () => number,
): Promise<RestorePlan> {
  const { at, tables, databases } = choice;
  refuseTwoChoices(choice);
  const renames = new Map<string, string>();
  // An instant that is drawn may be thinned away: then the last kept one before it is taken. One that is asked for may
  // not.
  const nearest = at === "random";
  const allowed = { allowInexact: false, exactOnly: true, nearest, withoutAccess: true };
  const request = { tables, databases, renames, ...allowed };
  if (at === "random")
    return scratchPlan(await planByLot(view, request, random), scratchPrefix(unique));
  const plan = await planRestore(view, at === "latest" ? request : { ...request, at });
  return scratchPlan(plan, scratchPrefix(unique));
}

/** The plan with everything in databases whose names begin with a prefix. */
export function scratchPlan(plan: RestorePlan, prefix: string): RestorePlan {
  const scratch = (db: string) => `${prefix}${db}`;
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
  view: RepositoryView,
  request: RestoreRequest,
  random: () => number,
): Promise<RestorePlan> {
  const { tables, catalog } = await view.coverage();
  const chosen = await sayingWhen(view, () => chosenTables(view, request));
  const named = request.tables.length > 0;
  const known = [...tables.values()].filter(({ table }) => !chosen || chosen.has(table));
  const isWhole = !named || known.length === chosen?.size;
  const ofTables = isWhole ? exactSpans(known, named) : [];
  const spans = commonSpans(ofTables, catalog ? exactSpans([catalog], true) : []);
  for (let draw = 1; ; draw += 1) {
    const at = drawInstant(spans, random);
    if (at === undefined) throw noExactInstant();
    try {
      const names = named ? { tables: await namesAt(view, chosen!, at) } : {};
      return await planRestore(view, { ...request, ...names, at });
    } catch (error) {
      const again =
        error instanceof ThinkbackError && (error.code === "instant" || error.code === "unknown");
      if (!again || draw === drawsMax) throw error;
    }
  }
}

/** Ids of the tables that the request names, as they are called now; undefined if it names none. */
async function chosenTables(
  view: RepositoryView,
  { tables, databases }: RestoreRequest,
): Promise<Set<string> | undefined> {
  if (tables.length === 0 && databases.length === 0) return undefined;
  const latest = (await view.lastInstant()) ?? 0;
  const catalog = await view.catalog(latest);
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

/** The names that the tables had at an instant. Throws if one of them is not in the catalog of that instant. */
async function namesAt(
  view: RepositoryView,
  ids: Set<string>,
  instant: Instant,
): Promise<string[]> {
  const tables = (await view.catalog(instant)).tables().filter(({ id }) => ids.has(id));
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
      hint: "`thinkback status` shows from when to when each table is exact; choose fewer tables with --table, or an instant with --at",
    },
  );
}
