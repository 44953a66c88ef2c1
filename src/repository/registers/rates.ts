/** How fast restores and folds are here, as last measured: what an estimate of a restore is made of. */
import { amount, instant, ordinal } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { ratesPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { newestNumbered, putNumbered } from "./numbered.js";

export const ratesKind = jsonKind("rates", {
  number: ordinal,
  at: instant,
  /** Of the work of restoring documents, see restoreWork in schedule.ts: what a restore writes to its target. */
  restoreBytesPerSecond: amount,
  /** Bytes of log lines that are read and merged in a second. */
  mergeBytesPerSecond: amount,
});
export type Rates = Omit<Stored<typeof ratesKind>, "number" | "at">;

/** Until something was measured: less than a busy machine of two cores did, so that estimates err on the long side. */
const unmeasured: Rates = {
  restoreBytesPerSecond: 6_000_000,
  mergeBytesPerSecond: 20_000_000,
};

/** A measurement that differs by less is not worth an object. */
const difference = 0.25;

export async function readRates(store: ObjectStore): Promise<Rates> {
  const found = await newestNumbered(store, ratesPrefix, ratesKind);
  const { restoreBytesPerSecond, mergeBytesPerSecond } = found ?? unmeasured;
  return { restoreBytesPerSecond, mergeBytesPerSecond };
}

/** Keeps a measurement, if it differs much from the one that is kept. */
export async function noteRates(
  store: ObjectStore,
  measured: Partial<Rates>,
  now: Instant,
): Promise<void> {
  const held = await newestNumbered(store, ratesPrefix, ratesKind);
  const rates = { ...unmeasured, ...held, ...measured };
  const isNear = (a: number, b: number) => Math.abs(a - b) <= difference * Math.max(a, b);
  const isKnown =
    held &&
    isNear(held.restoreBytesPerSecond, rates.restoreBytesPerSecond) &&
    isNear(held.mergeBytesPerSecond, rates.mergeBytesPerSecond);
  if (isKnown) return;
  const { restoreBytesPerSecond, mergeBytesPerSecond } = rates;
  const number = (held?.number ?? 0) + 1;
  // Where somebody else measured at the same time, that is as good.
  await putNumbered(store, ratesPrefix, ratesKind, {
    number,
    at: now,
    restoreBytesPerSecond,
    mergeBytesPerSecond,
  });
}
