/**
 * Expiries: what was expired on purpose. An expiry is published before anything is deleted. From then on nothing that
 * it names is covered, so it makes no difference whether the objects are still there.
 */
import { byName, fields, instant, list, ordinal, whole } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { expiryPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { newestNumbered, putNumbered } from "./numbered.js";

export const expiryKind = jsonKind("expiry", {
  /** When it was published. */
  at: instant,
  /** Counts the expiries of a repository. Only the last one counts; it repeats everything of those before it. */
  number: ordinal,
  /** The log up to and including this instant is no longer read; -1 if all of it is read. */
  logTo: whole,
  /** The value of `logTo`, and earlier ones whose objects may still be there, each with the time it was published. */
  cuts: list(fields({ to: instant, at: instant })),
  /** By table: the first instant that is still covered, and the instant of the base that the coverage begins with. */
  horizons: byName(fields({ from: instant, base: instant })),
  /** By name of a base's manifest that is not used any more: when that was decided. */
  bases: byName(instant),
  /** The same for manifests of folded segments. Other folded segments hold what they hold. */
  folded: byName(instant),
});
export type Expiry = Stored<typeof expiryKind>;

/** How many expiries are kept, because a listing may be behind. The last one repeats what all before it said. */
export const expiriesKept = 10;

/** A new expiry with the content of the one before, for the caller to change and publish. */
export function nextExpiry(before: Expiry | undefined, now: Instant): Expiry {
  return {
    at: now,
    number: (before?.number ?? 0) + 1,
    logTo: before?.logTo ?? -1,
    cuts: before?.cuts ?? [],
    horizons: { ...before?.horizons },
    bases: { ...before?.bases },
    folded: { ...before?.folded },
  };
}

/** The expiry that counts; undefined if nothing was ever expired. */
export function latestExpiry(store: ObjectStore): Promise<Expiry | undefined> {
  return newestNumbered(store, expiryPrefix, expiryKind);
}

/** Publishes an expiry. Returns false if another process published one meanwhile. */
export function putExpiry(store: ObjectStore, expiry: Expiry): Promise<boolean> {
  return putNumbered(store, expiryPrefix, expiryKind, expiry);
}
