/** Pins the instant before a command changes live tables. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { withLease } from "../repository/registers/lease.js";
import type { Pin } from "../repository/registers/pins.js";
import { lookAt } from "../repository/repository-view.js";
import { type ChangedTable, newestBefore, unknownAt } from "../restore/before-change.js";
import { whereText } from "../restore/inexact.js";
import { type InstantClasses, type PinRequest, pinInstant } from "../restore/pin.js";
import type { Output } from "./output.js";
import { lookWhenProven } from "./restore-request.js";

/**
 * Pins `now` as soon as it is proven for the tables that are changed. If it is not in time, or nothing is known of one
 * of them then, pins the newest instant to which all of them can be restored, and says so. Says of which class the
 * pinned instant is for a table for which it is not exact.
 * @param tables if there are none, what is known of the catalog is enough
 * @param waitMsMax how long the proof is waited for at most; as long as a capture may take, if not given
 * @throws {ThinkbackError} `instant` if none of them can be restored to any instant
 */
export async function pinBefore(
  repository: Repository,
  tables: readonly ChangedTable[],
  request: Omit<PinRequest, "at" | "allowInexact" | "tables">,
  now: Instant,
  output: Output,
  waitMsMax?: number,
): Promise<Pin> {
  const { store } = repository;
  const inTheWay = await whyNot(repository, tables, now, output, waitMsMax);
  const newest = () =>
    lookAt(repository, async (view) => newestBefore(await view.coverage(), tables, now));
  const at = inTheWay === undefined ? now : await newest();
  const asked = { ...request, at, allowInexact: true, tables: tables.map(({ id }) => id) };
  const { pin, classes } = await pinInstant(repository, asked, now, (work) =>
    withLease(store, systemClock, thisProcess, randomBytes(4).toString("hex"), work),
  );
  if (inTheWay !== undefined) {
    output.note(
      `thinkback: ${inTheWay}; the newest instant that can be restored is pinned instead`,
    );
  }
  for (const text of inexactTexts(tables, classes)) output.note(`thinkback: ${text}`);
  return pin;
}

/** Why `now` is not what can be pinned; undefined if it can. */
async function whyNot(
  repository: Repository,
  tables: readonly ChangedTable[],
  now: Instant,
  output: Output,
  waitMsMax: number | undefined,
): Promise<string | undefined> {
  try {
    const unknown = await lookWhenProven(
      repository,
      now,
      output,
      async (view) => unknownAt(await view.coverage(), tables, now),
      waitMsMax,
    );
    return unknown.length === 0 ? undefined : `${unknown.join(", ")} at ${formatInstant(now)}`;
  } catch (error) {
    if (error instanceof ThinkbackError && error.code === "instant") return error.message;
    throw error;
  }
}

/** What the pinned instant is for each table for which it is not exact. */
function inexactTexts(tables: readonly ChangedTable[], classes: InstantClasses): string[] {
  return tables.flatMap(({ id, db, name }) => {
    const of = classes.tables.find((one) => one.id === id);
    if (of?.class === "exact") return [];
    return of
      ? `${db}.${name} is ${whereText(of)} at the pinned instant`
      : `nothing of ${db}.${name} can be restored to the pinned instant`;
  });
}
