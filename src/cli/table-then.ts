import type { Instant } from "../instant.js";
import { catalogInScope, statesAround } from "../repository/catalog-in-scope.js";
import { asOf } from "../repository/coverage/as-of.js";
import { spansOfName, tableNamed, UnknownTable } from "../repository/log/catalog.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { Restorable } from "../repository/restorable.js";
import { sayingWhen } from "../restore/gone-table.js";
import { inexactCatalog } from "../restore/inexact.js";

/**
 * The id of the table that had a name at an instant. If no instant was asked for, it is the table that has the name
 * now, or the last one that had it; `until` is when it was there last. Throws if the name may have stood for another
 * table at the instant.
 */
export async function tableThen(
  view: RepositoryView,
  name: string,
  asked: Instant | undefined,
  now: Instant,
): Promise<{ id: string; until: Instant }> {
  const at = asked ?? Math.max(now, (await view.lastInstant()) ?? now);
  const named = async (instant: Instant) => tableNamed(await view.catalog(instant), name, instant);
  if (asked !== undefined) await refuseMoving(view, name, asked);
  return sayingWhen(view, async () => {
    try {
      return { id: (await named(at)).id, until: at };
    } catch (error) {
      if (!(error instanceof UnknownTable) || asked !== undefined) throw error;
      const spans = await spansOfName(view.log, name);
      const last = Math.max(...spans.map(({ to }) => to ?? -1));
      if (last < 0) throw error;
      return { id: (await named(last)).id, until: last };
    }
  });
}

/** Throws if the name changed hands between two readings of the catalog, with the instant between them. */
async function refuseMoving(view: RepositoryView, name: string, instant: Instant): Promise<void> {
  const coverage = await view.coverage();
  const ids = new Set<string | undefined>();
  for (const at of statesAround(coverage, instant)) {
    const tables = (await view.catalog(at)).tables();
    ids.add(tables.find((table) => `${table.db}.${table.name}` === name)?.id);
  }
  if (ids.size < 2) return;
  const names = { tables: [name], databases: [] };
  const catalog = await catalogInScope(view, coverage, names, instant);
  const found = asOf(catalog, instant, "before");
  if (found.class !== "late") return;
  const nearest = await new Restorable(view, coverage, { ...names, access: false }).nearest(
    instant,
  );
  throw inexactCatalog(found, instant, catalog, nearest, false);
}
