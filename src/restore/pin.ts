/**
 * Pins an instant, after a check that everything that was captured then can be restored to it.
 *
 * Invariant: an instant is reported as pinned only if no round of maintenance, begun before or after, thins or expires
 * it. So the pin is put first, and the coverage is checked after that. A round of maintenance reads the end of the log,
 * then the pins, and uses both until it ends:
 * - A round that reads the pins after the put keeps the instant.
 * - A round that read the pins before the put counts ages from an end of the log before the put. Tiers keep every
 *   change for a day. So what is younger than a day by the log after the put was younger to that round too: it
 *   keeps it.
 * - What is older, such a round may thin or expire. So the lease is taken after the put: then every such round has
 *   ended, and the coverage shows what it did.
 *
 * No clock is used: this machine's may be behind, and the process may stand still between reading it and the put.
 */
import { clearAfter, ThinkbackError } from "../errors.js";
import type { CoverageClass } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { asOf, classOf, type InstantClass } from "../repository/coverage/as-of.js";
import { catalogFor } from "../repository/coverage/catalog-for.js";
import { intervalAt } from "../repository/coverage/coverage.js";
import { lossesOf, type PinLoss } from "../repository/kept-pins.js";
import {
  addPin,
  checkPinName,
  daysAround,
  type Pin,
  removePin,
} from "../repository/registers/pins.js";
import { RepositoryView } from "../repository/repository-view.js";
import { capturedAt, Restorable } from "../repository/restorable.js";
import {
  inexact,
  inexactAccess,
  inexactCatalog,
  instantsText,
  isNotProvenYet,
  whereText,
} from "./inexact.js";
import { newestInstant } from "./newest.js";

export interface PinRequest {
  name: string;
  /** The newest instant to which everything can be restored, if absent. */
  at?: Instant;
  note?: string;
  /** How long it counts; until it is removed, if absent. */
  until?: Instant;
  /** So long before and after it every change stays too, in ms; none if absent. */
  aroundMs?: number;
  /** Pin instants that are not exact for every table, the catalog and access. */
  allowInexact: boolean;
  /**
   * Ids of the tables that it is pinned for, if not for all. What is not known of other tables, or of access, is then
   * not in the way, and not promised.
   */
  tables?: readonly string[];
}

/** A table that was captured at an instant. */
export interface TableClass extends InstantClass {
  id: string;
  /** "db.table", as of the instant. */
  name: string;
}

/** Of what class an instant is for all that a restore of everything uses. */
export interface InstantClasses {
  tables: TableClass[];
  catalog: InstantClass;
  /** Undefined if users and grants were never known. */
  access: InstantClass | undefined;
}

/**
 * No round of maintenance thins or expires what is younger than this by the log, even if it has not read the pin. It is
 * the day that tiers keep whole, less an hour, because listings of the log and of pins may be minutes behind.
 */
const alwaysKeptMs = 23 * 3_600_000;

/**
 * Pins an instant. Returns the pin, and the class of the instant for each table, the catalog and access.
 * @param underLease runs its argument while no maintenance runs
 */
export async function pinInstant(
  repository: Repository,
  request: PinRequest,
  now: Instant,
  underLease: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<{ pin: Pin; classes: InstantClasses }> {
  const { name, note, until, aroundMs, allowInexact } = request;
  checkPinName(name);
  const at = request.at ?? (await newestRestorable(await RepositoryView.read(repository)));
  if (at > now) {
    throw new ThinkbackError("instant", `${formatInstant(at)} is still to come`, {
      hint: "pin it when it has passed",
    });
  }
  const view = await RepositoryView.read(repository);
  const before = await classesAt(view, at, request.tables);
  if (!allowInexact && inexactOf(before).length > 0) {
    throw refused(at, before, await nearestTo(at, view));
  }
  const classes = promisesOf(before);
  const ends = until === undefined ? {} : { until };
  const pin: Pin = {
    name,
    at,
    made: now,
    ...ends,
    ...(note === undefined ? {} : { note }),
    ...(aroundMs === undefined ? {} : { days: daysAround(at, aroundMs) }),
    classes,
  };
  await addPin(repository.store, pin);
  try {
    const look = async () => {
      const then = await RepositoryView.read(repository);
      const after = await classesAt(then, at, request.tables);
      const losses = lossesOf(pin, await then.coverage());
      if (losses.length > 0) throw lostMeanwhile(at, losses, before);
      return after;
    };
    const isYoung = await isAlwaysKept(await RepositoryView.read(repository), at);
    return { pin, classes: isYoung ? await look() : await underLease(look) };
  } catch (error) {
    await clearAfter(error, () => removePin(repository.store, name, now));
    throw error;
  }
}

/**
 * True if no round of maintenance thins or expires what a restore to `instant` needs, even one that has not read the
 * pin.
 */
async function isAlwaysKept(view: RepositoryView, instant: Instant): Promise<boolean> {
  const { tables, catalog, access } = await view.coverage();
  // Inside a gap, the state before the gap is the oldest that has to stay.
  const states = [...tables.values(), catalog, access].map((of) => asOf(of, instant, "before"));
  const oldest = Math.min(instant, ...states.map((state) => state.instant ?? instant));
  const last = await view.lastInstant();
  return last !== undefined && last - oldest < alwaysKeptMs;
}

/** The classes that the pin has to keep: by table id, and for the catalog and access. */
function promisesOf({ tables, catalog, access }: InstantClasses): Record<string, CoverageClass> {
  return Object.fromEntries([
    ...tables.map((table) => [table.id, table.class]),
    ["catalog", catalog.class],
    ...(access ? [["access", access.class]] : []),
  ]);
}

/**
 * The instant that a restore of everything takes if none is given; without users and grants if they were never known.
 */
async function newestRestorable(view: RepositoryView): Promise<Instant> {
  const withoutAccess = (await view.coverage()).access === undefined;
  const everything = { tables: [], databases: [], allowInexact: false, withoutAccess };
  return (await newestInstant(view, everything)).instant;
}

/** The instants next to `instant` to which everything can be restored exactly. */
async function nearestTo(instant: Instant, view: RepositoryView): Promise<Instant[]> {
  const coverage = await view.coverage();
  const scope = { tables: [], databases: [], access: coverage.access !== undefined };
  return new Restorable(view, coverage, scope).nearest(instant);
}

/**
 * The classes of the tables that were captured at `instant`.
 * @param wanted ids of the tables that have to be known; all, and access, if undefined
 * @throws {ThinkbackError} if none was captured then, or the instant is thinned away for one of them
 * @throws {NotProvenYet} (inexact.ts) while it is not known of which class the instant will be
 */
async function classesAt(
  view: RepositoryView,
  instant: Instant,
  wanted: readonly string[] | undefined,
): Promise<InstantClasses> {
  const known = await view.coverage();
  const { tables: coverage, access } = known;
  const catalog = catalogFor(known);
  const nearest = () => nearestTo(instant, view);
  const present = (await view.catalog(instant)).tables();
  const captured = present.filter(({ id }) => capturedAt(coverage.get(id), instant));
  if (captured.length === 0) {
    throw new ThinkbackError("instant", `no table was captured at ${formatInstant(instant)}`, {
      hint: "`thinkback status` shows from when on each table can be restored",
    });
  }
  for (const [of, refusal] of [
    [catalog, inexactCatalog],
    [access, inexactAccess],
  ] as const) {
    const state = asOf(of, instant, "before");
    const isNeeded = wanted === undefined || of === catalog;
    if (isNeeded && isNotProvenYet(state, of))
      throw refusal(state, instant, of, await nearest(), false);
  }
  const tables: TableClass[] = [];
  for (const { id, db, name } of captured) {
    const of = coverage.get(id)!;
    // In a gap, the state at either end is enough. What is thinned away cannot be kept any more.
    const states = [asOf(of, instant, "before"), asOf(of, instant, "after")];
    const isThinned = states.every((one) => one.instant === undefined && one.why.is === "thinned");
    if (isNotProvenYet(states[0]!, of) || isThinned) {
      if (wanted && !wanted.includes(id)) continue;
      throw inexact({ db, name }, of, instant, await nearest(), states[0], true, false);
    }
    tables.push({ id, name: `${db}.${name}`, ...classOf(intervalAt(of, instant)) });
  }
  return {
    tables,
    catalog: classOf(catalog && intervalAt(catalog, instant)),
    access: access && classOf(intervalAt(access, instant)),
  };
}

/** The tables, catalog and access for which the instant is not exact. */
export function inexactOf({ tables, catalog, access }: InstantClasses): TableClass[] {
  const all = [...tables, { id: "catalog", name: "the catalog", ...catalog }];
  if (access) all.push({ id: "access", name: "access", ...access });
  return all.filter((one) => one.class !== "exact");
}

/** @param before gives the names of the tables */
function lostMeanwhile(instant: Instant, losses: PinLoss[], before: InstantClasses) {
  const names = new Map(before.tables.map(({ id, name }) => [id, name]));
  const which = losses.map(({ table, is }) => `${names.get(table) ?? `the ${table}`} is ${is}`);
  return new ThinkbackError(
    "instant",
    `${formatInstant(instant)} cannot be kept: meanwhile ${which.join(", ")} there`,
    { hint: "nothing is pinned; `thinkback status` shows what can still be restored" },
  );
}

function refused(instant: Instant, classes: InstantClasses, nearest: Instant[]): ThinkbackError {
  const which = inexactOf(classes).map((one) => `${one.name} is ${whereText(one)}`);
  return new ThinkbackError(
    "instant",
    `not everything can be restored exactly to ${formatInstant(instant)}: ${which.join(", ")}`,
    { hint: `nearest exact: ${instantsText(nearest)}; or give --allow-inexact` },
  );
}
