/** Checks pins: what could be restored at a pin's instant when it was made has to be restorable still. */
import { isSystemTable } from "../format/coverage-record.js";
import { asOf } from "./coverage/as-of.js";
import { intervalAt, isKeptAt, isWhole, type TableCoverage } from "./coverage/coverage.js";
import type { Coverage } from "./coverage/coverage-reader.js";
import { livePins, type Pin } from "./registers/pins.js";
import type { RepositoryView } from "./repository-view.js";

/** A table, or the catalog or access, that can no longer be restored to the pinned instant as it could be before. */
export interface PinLoss {
  /** The table's id; or "catalog", "access". */
  table: string;
  /** What it is at the pinned instant now, in a word or two. */
  is: string;
}

/** A pin and its losses, with the names of the tables. */
export interface LookedAtPin extends Pin {
  /** Its time is over: it keeps nothing any more, so it has no losses. */
  ended: boolean;
  losses: (PinLoss & { name: string })[];
}

/** All pins of a repository, as they are now. */
export async function lookAtPins(view: RepositoryView): Promise<LookedAtPin[]> {
  const pins = await view.pins();
  if (pins.length === 0) return [];
  const [coverage, catalog] = [await view.coverage(), await view.catalog()];
  const live = new Set(livePins(pins, (await view.lastInstant()) ?? 0));
  const names = new Map(catalog.tables().map(({ id, db, name }) => [id, `${db}.${name}`]));
  return pins.map((pin) => {
    const ended = !live.has(pin);
    const losses = (ended ? [] : lossesOf(pin, coverage)).map((loss) => {
      const name = isSystemTable(loss.table) ? `(${loss.table})` : names.get(loss.table);
      return { ...loss, name: name ?? loss.table };
    });
    return { ...pin, ended, losses };
  });
}

/** The losses of `pin`; none if the pin holds. */
export function lossesOf(pin: Pin, coverage: Coverage): PinLoss[] {
  const losses: PinLoss[] = [];
  for (const [table, promised] of Object.entries(pin.classes ?? {})) {
    const ofTable = isSystemTable(table) ? coverage[table] : coverage.tables.get(table);
    const is = lossOf(ofTable, pin.at, promised);
    if (is !== undefined) losses.push({ table, is });
  }
  return losses;
}

function lossOf(
  coverage: TableCoverage | undefined,
  at: number,
  promised: string,
): string | undefined {
  if (promised === "unwatched" || promised === "damaged") return undefined;
  const interval = coverage && intervalAt(coverage, at);
  const isThere = isWhole(interval) && isKeptAt(interval!, at);
  if (isThere && (interval!.class === "exact" || promised !== "exact")) return undefined;
  // If the instant was in a gap, the state at either end of it will do.
  const sides = (["before", "after"] as const).map((side) => asOf(coverage, at, side));
  if (promised === "gap" && sides.some(({ instant }) => instant !== undefined)) return undefined;
  if (isWhole(interval) && !isThere) return "thinned away";
  return interval && interval.class !== "unwatched" ? interval.class : "expired";
}
