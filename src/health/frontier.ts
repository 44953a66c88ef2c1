/** Up to where all of what a process captures is proven, and can be restored. */
import { type Instant, leastOf } from "../instant.js";
import type { Facts } from "./facts.js";
import type { LaneFacts } from "./lane-facts.js";

/** The lanes that this process captures: not those for which it stands by. */
export function capturedLanes({ lanes }: Facts): LaneFacts[] {
  return [...lanes.values()].filter(({ isStandingBy }) => !isStandingBy);
}

/**
 * True in the first process, which does what one has to do for all. It captures lane 0; while no process can, it is one
 * of those that try.
 * @param leads true in one of the processes that share the lanes
 */
export function isFirst({ lanes }: Facts, leads: boolean): boolean {
  const lane = lanes.get(0);
  if (!lane || lane.isStandingBy) return false;
  return lane.beginsLater === undefined || leads;
}

/** The least frontier of all tables; where there are none, that of the catalog. Undefined while one has no proof. */
export function leastFrontier(facts: Facts): Instant | undefined {
  const tables = [...facts.tables.values()].map(({ frontier }) => frontier);
  return leastOf(tables.length > 0 ? tables : catalogOf(facts));
}

/**
 * The newest instant to which everything that this process captures can be restored exactly: its tables, and in the
 * process that captures lane 0 the catalog, users and grants. Undefined while a table has no base.
 */
export function restorableUntil(facts: Facts): Instant | undefined {
  const tables = [...facts.tables.values()].map(({ restorableTo }) => restorableTo);
  const access = facts.lanes.get(0)?.accessFrontier;
  return leastOf([...tables, ...catalogOf(facts), ...(access === undefined ? [] : [access])]);
}

/** Up to where the catalog is proven; nothing in a process that does not capture lane 0. */
function catalogOf(facts: Facts): (Instant | undefined)[] {
  return capturedLanes(facts)
    .filter(({ lane }) => lane === 0)
    .map(({ catalogFrontier }) => catalogFrontier);
}
