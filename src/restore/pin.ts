/** Pinning an instant: not before having looked that every table that was captured then can be restored to it. */
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { catalogAt } from "../repository/catalog.js";
import { type CoverageClass, intervalAt, isExactAt } from "../repository/coverage.js";
import { readCoverage } from "../repository/coverage-reader.js";
import { addPin, checkPinName, type Pin, removePin } from "../repository/pins.js";
import type { Repository } from "../repository/repository.js";
import { capturedAt, inexact, planRestore } from "./plan.js";

export interface PinRequest {
  name: string;
  /** The newest instant to which everything can be restored, if absent. */
  at?: Instant;
  note?: string;
  /** Pin instants that are not exact for every table. */
  allowInexact: boolean;
}

/** A table that was captured at an instant. */
export interface TableClass {
  /** "db.table", as of the instant. */
  name: string;
  class: CoverageClass;
}

/** Tiers keep every change for at least so long: nothing younger is thinned or let go. */
const alwaysKeptMs = 86_400_000;

/**
 * Pins an instant, and says of which class it is for each table.
 * @param underLease runs work while no maintenance runs: what might be thinned or let go just now must not be
 */
export async function pinInstant(
  repository: Repository,
  request: PinRequest,
  now: Instant,
  underLease: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<{ pin: Pin; tables: TableClass[] }> {
  const { name, note, allowInexact } = request;
  checkPinName(name);
  const at = request.at ?? (await newestRestorable(repository));
  if (at > now) {
    throw new ThinkbackError("instant", `${formatInstant(at)} is still to come`, {
      hint: "pin it when it has passed",
    });
  }
  const tables = await classesAt(repository, at);
  if (!allowInexact && inexactOf(tables).length > 0) throw refused(at, tables);
  const pin: Pin = { name, at, made: now, ...(note === undefined ? {} : { note }) };
  const put = () => putPin(repository, pin, tables);
  return now - at < alwaysKeptMs ? put() : underLease(put);
}

async function putPin(
  repository: Repository,
  pin: Pin,
  tables: TableClass[],
): Promise<{ pin: Pin; tables: TableClass[] }> {
  const { name, at, made } = pin;
  await addPin(repository.store, pin);
  try {
    // What expired between the look and the pin shows now; what has not is kept from now on.
    const pinned = await classesAt(repository, at);
    if (inexactOf(pinned).length > inexactOf(tables).length) throw refused(at, pinned);
    return { pin, tables: pinned };
  } catch (error) {
    await removePin(repository.store, name, made);
    throw error;
  }
}

/** The instant to which a restore of everything goes by itself. */
async function newestRestorable(repository: Repository): Promise<Instant> {
  const everything = { tables: [], databases: [], renames: new Map<string, string>() };
  return (await planRestore(repository, { ...everything, allowInexact: true, nearest: false }))
    .instant;
}

/** The classes of the tables that were captured at `instant`; throws if none was. */
async function classesAt({ store }: Repository, instant: Instant): Promise<TableClass[]> {
  const coverage = await readCoverage(store);
  const present = (await catalogAt(store, instant)).tables();
  const captured = present.filter(({ id }) => capturedAt(coverage.get(id), instant));
  if (captured.length === 0) {
    throw new ThinkbackError("instant", `no table was captured at ${formatInstant(instant)}`, {
      hint: "`thinkback status` shows from when on each table can be restored",
    });
  }
  for (const { id, db, name } of captured) {
    const of = coverage.get(id)!;
    const interval = intervalAt(of, instant);
    // What is thinned away cannot be kept any more.
    const isThinned = interval?.class === "exact" && !isExactAt(interval, instant);
    if (isThinned) throw inexact({ db, name }, of, instant);
  }
  return captured.map(({ id, db, name }) => ({
    name: `${db}.${name}`,
    class: intervalAt(coverage.get(id)!, instant)?.class ?? "unwatched",
  }));
}

/** Those for which the instant is not exact. */
export function inexactOf(tables: TableClass[]): TableClass[] {
  return tables.filter((table) => table.class !== "exact");
}

function refused(instant: Instant, tables: TableClass[]): ThinkbackError {
  const which = inexactOf(tables).map((table) => `${table.name} is ${table.class}`);
  return new ThinkbackError(
    "instant",
    `not every table can be restored exactly to ${formatInstant(instant)}: ${which.join(", ")}`,
    { hint: "`thinkback status` shows the holes; take another instant, or give --allow-inexact" },
  );
}
