/** Settings of a repository as a whole. They are stored in it, so that every process uses the same. */
import * as v from "valibot";
import { instant, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { settingsPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { formatKeep, parseKeep } from "./keep-policy.js";
import { newestNumbered, putNumbered } from "./numbered.js";

export const settingsKind = jsonKind("settings", {
  /** Counts the declarations. */
  number: ordinal,
  /** When they were declared. */
  at: instant,
  /** Resolution tiers as formatKeep prints them; null: every change is kept for ever. */
  keep: v.nullable(text),
});
/** The number is 0 while nothing was declared. */
export type Settings = Stored<typeof settingsKind>;

const undeclared: Settings = { number: 0, at: 0, keep: null };

/** The settings that were declared last. */
export async function readSettings(store: ObjectStore): Promise<Settings> {
  return (await newestNumbered(store, settingsPrefix, settingsKind)) ?? undeclared;
}

/**
 * Declares how finely the past is kept, unless the same is declared already. Returns the settings from then on.
 * @param keep see parseKeep; null to keep every change for ever
 */
export async function declareKeep(
  store: ObjectStore,
  keep: string | null,
  now: Instant,
): Promise<Settings> {
  const wanted = keep === null ? null : formatKeep(parseKeep(keep));
  for (;;) {
    const held = await readSettings(store);
    if (held.keep === wanted) return held;
    const next: Settings = { number: held.number + 1, at: now, keep: wanted };
    // If the number is taken, another process declared something meanwhile: read it.
    if (await putNumbered(store, settingsPrefix, settingsKind, next)) return next;
  }
}
