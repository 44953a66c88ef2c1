/** What is declared of a repository as a whole. It lies in the repository, so that every process goes by the same. */
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
/** Number 0 while nothing was declared. */
export type Settings = Stored<typeof settingsKind>;

const undeclared: Settings = { number: 0, at: 0, keep: null };

/** The settings that hold: those declared last. */
export async function readSettings(store: ObjectStore): Promise<Settings> {
  return (await newestNumbered(store, settingsPrefix, settingsKind)) ?? undeclared;
}

/**
 * Declares how long what is kept, unless that is declared already. Returns the settings that hold then.
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
    // Where it is taken, somebody else declared something meanwhile: look what.
    if (await putNumbered(store, settingsPrefix, settingsKind, next)) return next;
  }
}
