import type { Instant } from "../instant.js";
import { spansOfName, tableNamed, UnknownTable } from "../repository/log/catalog.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { sayingWhen } from "../restore/gone-table.js";

/**
 * The id of the table that had a name at an instant. If no instant was asked for, it is the table that has the name
 * now, or the last one that had it; `until` is when it was there last.
 */
export async function tableThen(
  view: RepositoryView,
  name: string,
  asked: Instant | undefined,
  now: Instant,
): Promise<{ id: string; until: Instant }> {
  const at = asked ?? Math.max(now, (await view.lastInstant()) ?? now);
  const named = async (instant: Instant) => tableNamed(await view.catalog(instant), name, instant);
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
