/** The names of tables that stand beside a live one: restored as of an instant, or live before a swap or after it. */
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";

/** Such as `orders_at_20261128T100400Z`: a copy of `orders` as of an instant. */
export const nameAt = (name: string, instant: Instant) => `${name}_at_${stampOf(instant)}`;

/** The same of a copy that has only some of the documents, such as one customer's. */
export const namePartAt = (name: string, instant: Instant) => `${nameAt(name, instant)}${part}`;

/** At the end of the name: a table may be called `orders_part`, and be copied whole. */
const part = "_part";

/** True if a table of this name was restored in part. */
export const isPartName = (name: string) => name.endsWith(part) && liveNameOf(name) !== undefined;

/** A table that was live until it was swapped out. */
export const nameBefore = (name: string, instant: Instant) => `${name}_before_${stampOf(instant)}`;

/** A table that was live for a while, until the swap was taken back. */
export const nameAfter = (name: string, instant: Instant) => `${name}_until_${stampOf(instant)}`;

const besideName = /^(.+)_(at|before|until)_(\d{8}T\d{6}(?:\d{3})?Z)(?:_part)?$/;

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
