/** Pinning an instant: not before having looked that all that was captured then can be restored to it. */
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { asOf, classOf, type InstantClass } from "../repository/as-of.js";
import { catalogAt } from "../repository/catalog.js";
import { intervalAt } from "../repository/coverage.js";
import { readAllCoverage } from "../repository/coverage-reader.js";
import { LogView } from "../repository/log-view.js";
import { addPin, checkPinName, type Pin, removePin } from "../repository/pins.js";
import type { Repository } from "../repository/repository.js";
import { classText, inexact } from "./inexact.js";
import { capturedAt, newestInstant } from "./plan.js";

export interface PinRequest {
  name: string;
  /** The newest instant to which everything can be restored, if absent. */
  at?: Instant;
  note?: string;
  /** Pin instants that are not exact for every table, the catalog and access. */
  allowInexact: boolean;
}

/** A table that was captured at an instant. */
export interface TableClass extends InstantClass {
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

/** Tiers keep every change for at least so long: nothing younger is thinned or let go. */
const alwaysKeptMs = 86_400_000;

/**
 * Pins an instant, and says of which class it is for each table, the catalog and access.
 * @param underLease runs work while no maintenance runs: what might be thinned or let go just now must not be
 */
export async function pinInstant(
  repository: Repository,
  request: PinRequest,
  now: Instant,
  underLease: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<{ pin: Pin; classes: InstantClasses }> {
  const { name, note, allowInexact } = request;
  checkPinName(name);
  const at = request.at ?? (await newestRestorable(repository));
  if (at > now) {
    throw new ThinkbackError("instant", `${formatInstant(at)} is still to come`, {
      hint: "pin it when it has passed",
    });
  }
  const classes = await classesAt(repository, at);
  if (!allowInexact && inexactOf(classes).length > 0) throw refused(at, classes);
  const pin: Pin = { name, at, made: now, ...(note === undefined ? {} : { note }) };
  const put = () => putPin(repository, pin, classes);
  return now - at < alwaysKeptMs ? put() : underLease(put);
}

async function putPin(
  repository: Repository,
  pin: Pin,
  before: InstantClasses,
): Promise<{ pin: Pin; classes: InstantClasses }> {
  const { name, at, made } = pin;
  await addPin(repository.store, pin);
  try {
    // What expired between the look and the pin shows now; what has not is kept from now on.
    const pinned = await classesAt(repository, at);
    if (inexactOf(pinned).length > inexactOf(before).length) throw refused(at, pinned);
    return { pin, classes: pinned };
  } catch (error) {
    await removePin(repository.store, name, made);
    throw error;
  }
}

/** The instant to which a restore of everything goes by itself. */
async function newestRestorable({ store }: Repository): Promise<Instant> {
  const log = await LogView.read(store);
  const everything = { tables: [], databases: [], allowInexact: false };
  return newestInstant(log, everything, await readAllCoverage(log));
}

/** The classes of the tables that were captured at `instant`; throws if none was, or one is not kept. */
async function classesAt({ store }: Repository, instant: Instant): Promise<InstantClasses> {
  const log = await LogView.read(store);
  const { tables: coverage, catalog, access } = await readAllCoverage(log);
  const present = (await catalogAt(log, instant)).tables();
  const captured = present.filter(({ id }) => capturedAt(coverage.get(id), instant));
  if (captured.length === 0) {
    throw new ThinkbackError("instant", `no table was captured at ${formatInstant(instant)}`, {
      hint: "`thinkback status` shows from when on each table can be restored",
    });
  }
  const tables = captured.map(({ id, db, name }) => {
    const of = coverage.get(id)!;
    // Of a gap either end will do. What is thinned away cannot be kept any more.
    const states = [asOf(of, instant, "before"), asOf(of, instant, "after")];
    const isThinned = states.every((one) => one.instant === undefined && one.why.is === "thinned");
    if (isThinned) throw inexact({ db, name }, of, instant, states[0]);
    return { name: `${db}.${name}`, ...classOf(intervalAt(of, instant)) };
  });
  return {
    tables,
    catalog: classOf(catalog && intervalAt(catalog, instant)),
    access: access && classOf(intervalAt(access, instant)),
  };
}

/** What the instant is not exact for. */
export function inexactOf({ tables, catalog, access }: InstantClasses): TableClass[] {
  const all = [...tables, { name: "the catalog", ...catalog }];
  if (access) all.push({ name: "access", ...access });
  return all.filter((one) => one.class !== "exact");
}

function refused(instant: Instant, classes: InstantClasses): ThinkbackError {
  const which = inexactOf(classes).map((one) => `${one.name} is ${classText(one)}`);
  return new ThinkbackError(
    "instant",
    `not everything can be restored exactly to ${formatInstant(instant)}: ${which.join(", ")}`,
    { hint: "`thinkback status` shows the gaps; take another instant, or give --allow-inexact" },
  );
}
