/** The names of tables that stand beside a live one: restored as of an instant, or live before a swap or after it. */
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";

/** What a copy lacks of the table as it was: only some documents are there, such as one customer's, or masked ones. */
export type Lacking = "part" | "masked";

/**
 * Such as `orders_at_20261128T100400Z`: a copy of `orders` as of an instant. What it lacks is said at the end: a table
 * may be called `orders_part`, and be copied whole.
 */
export const nameAt = (name: string, instant: Instant, lacking?: Lacking) =>
  `${name}_at_${stampOf(instant)}${lacking ? `_${lacking}` : ""}`;

/** What a table of this name lacks; undefined if it is a whole copy, or none. */
export function lackingOf(name: string): Lacking | undefined {
  return besideName.exec(name)?.[4] as Lacking | undefined;
}

/** A table that was live until it was swapped out. */
export const nameBefore = (name: string, instant: Instant) => `${name}_before_${stampOf(instant)}`;

/** A table that was live for a while, until the swap was taken back. */
export const nameAfter = (name: string, instant: Instant) => `${name}_until_${stampOf(instant)}`;

const besideName = /^(.+)_(at|before|until)_(\d{8}T\d{6}(?:\d{3})?Z)(?:_(part|masked))?$/;

/** The name of the live table, beside which a table of this name stands; undefined if the name does not say it. */
export function liveNameOf(name: string): string | undefined {
  return besideName.exec(name)?.[1];
}

/** True for a table that was live under `live` until it was swapped out. */
export function wasLive(name: string, live: string): boolean {
  const [, of, how] = besideName.exec(name) ?? [];
  return of === live && how === "before";
}

/** Milliseconds only where there are some. Names have letters, digits, _ and - only. */
function stampOf(instant: Instant): string {
  return new Date(instant).toISOString().replaceAll(/[-:]|\.000|\./g, "");
}

/** "db.table" in its parts. Throws, with code "usage", for anything else. */
export function parseTableName(text: string, what: string): { db: string; name: string } {
  const [, db, name] = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(text) ?? [];
  if (db !== undefined && name !== undefined) return { db, name };
  throw new ThinkbackError("usage", `${what} ${text} is not the name of a table`, {
    hint: "a table is named db.table",
  });
}
