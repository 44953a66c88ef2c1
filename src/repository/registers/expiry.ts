/**
 * What was expired on purpose. An expiry is published before anything is deleted: from then on nothing that it names is
 * claimed, so that whether an object of it is still there makes no difference.
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
  /** Counts the expiries of a repository; the last one counts, and says all that those before it said. */
  number: ordinal,
  /** The log up to and including this instant is not claimed any more; -1 if all of it is. */
  logTo: whole,
  /** Since when that is so, of this instant and of those before it whose objects may still be there. */
  cuts: list(fields({ to: instant, at: instant })),
  /** By table: the first instant that is still claimed, and the base that the claim begins with. */
  horizons: byName(fields({ from: instant, base: instant })),
  /** Manifests of bases that are not used any more, and when that was said. */
  bases: byName(instant),
  /** Manifests of folded segments that are not used any more: what they hold, others hold. */
  folded: byName(instant),
});
export type Expiry = Stored<typeof expiryKind>;

/** How many of the last ones are kept, for listings that are behind: the last one says what all before it said. */
export const expiriesKept = 10;

/** The expiry that says what the one before says, to be changed and published. */
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

/** Publishes an expiry; false if somebody else published one meanwhile. */
export function putExpiry(store: ObjectStore, expiry: Expiry): Promise<boolean> {
  return putNumbered(store, expiryPrefix, expiryKind, expiry);
}
