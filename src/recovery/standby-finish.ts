/**
 * Makes a standby an ordinary cluster: its tables take writes, and nothing can follow there any more.
 *
 * Invariant: the record is removed last. So what was ended before its end is refused by a later follow, and finished by
 * the same command.
 */
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { lookAt } from "../repository/repository-view.js";
import { planAccess } from "../restore/access.js";
import { isGuard } from "../restore/guard.js";
import type { Target } from "../rethinkdb/target.js";
import type { StandbyStore } from "./standby-record.js";

export interface FinishedStandby {
  instant: Instant;
  tables: number;
  /** Tables that are as of an earlier instant, because they were in a gap. */
  behind: { table: string; instant: Instant }[];
  /** Tables that the source had dropped, and that were kept. */
  kept: string[];
  /** Users of the source that the cluster does not have. */
  usersLacking: string[];
}

/**
 * @param target makes changes only while this process follows
 * @throws {ThinkbackError} `target` if a table is not whole; then nothing is changed
 */
export async function finishStandby(
  repository: Repository,
  target: Target,
  store: StandbyStore,
): Promise<FinishedStandby> {
  const { record } = store;
  const instant = wholeAt(store);
  const [catalog, access] = await lookAt(repository, async (view) => [
    await view.catalog(instant),
    await view.catalog(instant, "access"),
  ]);
  const { users } = planAccess(catalog, access, (db, table) => (table ? { db, table } : { db }));
  const present = users.length > 0 ? await target.users() : [];
  const hooks = new Map(catalog.tables().map(({ id, write_hook: hook }) => [id, hook]));
  const sourceOf = new Map(Object.entries(record.followed).map(([id, { made }]) => [made, id]));
  const kept = new Set(record.retired.map(({ made }) => made));
  const finished: FinishedStandby = {
    instant,
    tables: sourceOf.size,
    behind: [],
    kept: [],
    usersLacking: users.filter((user) => !present.includes(user)),
  };
  for (const table of await target.tables()) {
    const id = sourceOf.get(table.id);
    const name = `${table.db}.${table.name}`;
    if (id === undefined && !kept.has(table.id)) continue;
    if (id === undefined) finished.kept.push(name);
    const { reached } = record.followed[id ?? ""] ?? {};
    if (reached && reached < instant) finished.behind.push({ table: name, instant: reached });
    if (!isGuard(table.write_hook)) continue;
    const hook = id === undefined ? null : (hooks.get(id)?.function ?? null);
    await target.setWriteHook(table, hook);
  }
  await store.remove();
  return finished;
}

/** As of which instant the standby is. Throws if something of it is as of none. */
function wholeAt(store: StandbyStore): Instant {
  const { instant } = store.record;
  const half = store.halfWritten();
  if (instant !== null && half.length === 0) return instant;
  throw new ThinkbackError(
    "target",
    instant === null
      ? "the standby has nothing yet"
      : `${half.length} of the standby's tables are as of no instant: a follow was ended while it wrote to them`,
    { hint: "give --until too, with `now` or the last exact instant: it is brought there first" },
  );
}
