/**
 * What was let go on purpose. An expiry is published before anything is deleted: from then on nothing that it names is
 * claimed, so that whether an object of it is still there makes no difference.
 */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { expiryPrefix, numberedName } from "./names.js";
import { newestNumbered, putNumbered } from "./numbered.js";

export interface Expiry {
  /** When it was published. */
  at: Instant;
  /** Counts the expiries of a repository from 1; the last one counts, and says all that those before it said. */
  number: number;
  /** The log up to and including this instant is not claimed any more; -1 if all of it is. */
  logTo: Instant;
  /** Since when that is so, of this instant and of those before it whose objects may still be there. */
  cuts: { to: Instant; at: Instant }[];
  /** By table: the first instant that is still claimed, and the base that the claim begins with. */
  horizons: Record<string, { from: Instant; base: Instant }>;
  /** Manifests of bases that are not used any more, and when that was said. */
  bases: Record<string, Instant>;
  /** Manifests of folded segments that are not used any more: what they hold, others hold. */
  folded: Record<string, Instant>;
}

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

/** The expiry that counts; undefined if nothing was ever let go. */
export async function latestExpiry(store: ObjectStore): Promise<Expiry | undefined> {
  const found = await newestNumbered<Expiry>(store, expiryPrefix, "expiry");
  return found && checkExpiry(found);
}

/** Throws, naming it, unless an expiry says all that one has to. */
export function checkExpiry(expiry: Expiry): Expiry {
  const { at, logTo, cuts, horizons, bases, folded } = expiry as Partial<Expiry>;
  const isSound =
    isInstant(at) &&
    Number.isSafeInteger(logTo) &&
    Array.isArray(cuts) &&
    cuts.every((cut) => isInstant(cut?.to) && isInstant(cut.at)) &&
    valuesOf(horizons)?.every((of) => isInstant(of?.from) && isInstant(of.base)) &&
    [bases, folded].every((of) => valuesOf(of)?.every(isInstant));
  if (isSound) return expiry;
  const name = numberedName(expiryPrefix, expiry.number);
  throw damaged(name, "its fields are not those of an expiry");
}

function isInstant(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function valuesOf<T>(record: Record<string, T> | undefined): T[] | undefined {
  return typeof record === "object" && record !== null ? Object.values(record) : undefined;
}

/** Publishes an expiry; false if somebody else published one meanwhile. */
export function putExpiry(store: ObjectStore, expiry: Expiry): Promise<boolean> {
  return putNumbered(store, expiryPrefix, "expiry", expiry);
}
