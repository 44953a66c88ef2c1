/** Finds the instant that a restore takes if none is asked for. */
import type { TableConfig } from "../catalog-record.js";
import { isDamage, ThinkbackError } from "../errors.js";
import type { CoverageClass } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import { leastFrontier } from "../repository/coverage/as-of.js";
import type { TableCoverage } from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { Restorable } from "../repository/restorable.js";
import { chooseTables } from "./choose.js";
import { type HeldBack, heldBack } from "./held-back.js";
import { nameOf, type RestoreRequest, scopeOf } from "./request.js";

export interface Newest {
  instant: Instant;
  /** Why it is not later, though tables are proven to a later instant. */
  heldBack?: HeldBack;
}

const exactOnly: readonly CoverageClass[] = ["exact"];
const orLate: readonly CoverageClass[] = ["exact", "late"];

/**
 * The newest instant to which all that is chosen can be restored: exact, or late if that is allowed. If there is none,
 * an instant for which a plan can say what is wrong.
 */
export async function newestInstant(
  view: RepositoryView,
  request: Omit<RestoreRequest, "at" | "renames" | "nearest">,
): Promise<Newest> {
  const coverage = await view.coverage();
  const end = (await view.lastInstant()) ?? 0;
  const chosen = end === 0 ? [] : await chosenAtEnd(view, request, end);
  const classes = request.allowInexact ? orLate : exactOnly;
  const search = new Restorable(view, coverage, scopeOf(request), classes);
  const found = await search.atOrBefore(end);
  if (found !== undefined) {
    const held = heldBack(chosen ?? [], coverage, scopeOf(request).access, found);
    return held ? { instant: found, heldBack: held } : { instant: found };
  }
  return { instant: unrestorable(chosen, request, coverage, end) };
}

/** The chosen tables at the log's end; undefined if that catalog is damaged: an earlier instant may still do. */
async function chosenAtEnd(
  view: RepositoryView,
  request: Pick<RestoreRequest, "tables" | "databases">,
  end: Instant,
): Promise<TableConfig[] | undefined> {
  try {
    return chooseTables(await view.catalog(end), request, end);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** An instant for which a plan says what is wrong. Throws if nothing has been proven yet. */
function unrestorable(
  chosen: TableConfig[] = [],
  request: Omit<RestoreRequest, "at" | "renames" | "nearest">,
  coverage: Coverage,
  end: Instant,
): Instant {
  const isNamed = request.tables.length > 0;
  const tables = chosen
    .map(({ id }) => coverage.tables.get(id))
    .filter((of) => of !== undefined)
    .filter(({ watched, isExpected, frontier }) => {
      return (watched || isExpected === true || isNamed) && frontier !== undefined;
    });
  if (chosen.length > 0 && tables.length === 0) throw isNamed ? noneOf(chosen) : nothingYet();
  const access = scopeOf(request).access ? coverage.access : undefined;
  const used = [...tables, coverage.catalog, access].filter((of) => of?.frontier !== undefined);
  const until = leastFrontier(used as TableCoverage[]);
  if (until === undefined && end === 0) throw nothingYet();
  return until ?? end;
}

function noneOf(tables: TableConfig[]): ThinkbackError {
  const names = tables.map(nameOf).join(", ");
  return new ThinkbackError(
    "instant",
    `nothing of ${names} can be restored yet: there is no complete base`,
    {
      hint: "let `thinkback run` finish the first copy; to restore an older table of that name, give --at",
    },
  );
}

function nothingYet(): ThinkbackError {
  return new ThinkbackError(
    "instant",
    "nothing can be restored yet: no table has a complete base",
    {
      hint: "let `thinkback run` finish the first copy; `thinkback status` shows how far it is",
    },
  );
}
