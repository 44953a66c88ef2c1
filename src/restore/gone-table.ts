import { ThinkbackError } from "../errors.js";
import { formatDuration, formatInstant } from "../instant.js";
import { lastUnchanged } from "../repository/coverage/catalog-for.js";
import { type NamedSpan, spansOfName, UnknownTable } from "../repository/log/catalog.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { Restorable } from "../repository/restorable.js";

/**
 * Does `work`. If it rejects because no table has a name, the error also says when a table had it, and what restores
 * that one.
 */
export async function sayingWhen<T>(view: RepositoryView, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnknownTable)) throw error;
    throw (await whenItWas(error, view)) ?? error;
  }
}

/** The error that says when a table had the name; undefined if none ever had it. */
async function whenItWas(
  unknown: UnknownTable,
  view: RepositoryView,
): Promise<ThinkbackError | undefined> {
  const { table, instant, message } = unknown;
  const spans = await spansOfName(view.log, table).catch((error: unknown) => {
    if (error instanceof ThinkbackError) return [];
    throw error;
  });
  const ended = spans.filter(({ to }) => to !== undefined && to < instant);
  const last = ended.reduce<NamedSpan | undefined>(
    (newest, one) => (one.to! > (newest?.to ?? -1) ? one : newest),
    undefined,
  );
  const scope = { tables: [table], databases: [], access: false };
  const coverage = await view.coverage();
  const search = new Restorable(view, coverage, scope);
  if (!last) {
    const first = Math.min(...spans.map(({ from }) => from));
    if (!Number.isFinite(first)) return undefined;
    const at = await search.atOrAfter(first);
    const hint = at === undefined ? "" : `; it can be restored from ${formatInstant(at)} on`;
    return new ThinkbackError(
      "unknown",
      `${message}: it was first there at ${formatInstant(first)}${hint}`,
      {
        ...(unknown.hint === undefined ? {} : { hint: unknown.hint }),
        cause: unknown,
      },
    );
  }
  const what =
    last.renamedTo === undefined ? "it was dropped" : `it was renamed to ${last.renamedTo}`;
  // The reading that has found it gone does not say since when it was.
  const end = lastUnchanged(coverage, last.table, last.to!);
  const was = `${formatInstant(end)}, ${formatDuration(instant - end)} before`;
  const at = await search.atOrBefore(end);
  const command =
    at === undefined
      ? "it cannot be restored exactly to any instant; `thinkback status` shows what there is"
      : `this restores its last proven state, of ${formatDuration(end - at)} before that: thinkback restore --repo … --table ${table} --at ${formatInstant(at)} --target rethinkdb://…`;
  return new ThinkbackError("unknown", `${message}: ${what}, and was there last at ${was}`, {
    hint: command,
    cause: unknown,
  });
}
