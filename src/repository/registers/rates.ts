/** Rates: how fast restores and merges of the log were when last measured. Estimates of a restore use them. */
import { amount, instant, ordinal } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { ratesPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { newestNumbered, putNumbered } from "./numbered.js";

export const ratesKind = jsonKind("rates", {
  number: ordinal,
  at: instant,
  /** Bytes that a restore writes to its target in a second, counted as restoreWork in schedule.ts counts them. */
  restoreBytesPerSecond: amount,
  /** Bytes of log lines that are read and merged in a second. */
  mergeBytesPerSecond: amount,
});
export type Rates = Omit<Stored<typeof ratesKind>, "number" | "at">;

/** Used until something was measured. A busy machine of two cores was faster, so estimates err on the long side. */
const unmeasured: Rates = {
  restoreBytesPerSecond: 6_000_000,
  mergeBytesPerSecond: 20_000_000,
};

/** A measurement that differs by less than this share is not stored. */
const difference = 0.1;

/** The rates, and whether any of them was measured. */
export async function readRates(store: ObjectStore): Promise<Rates & { isMeasured: boolean }> {
  const found = await newestNumbered(store, ratesPrefix, ratesKind);
  const { restoreBytesPerSecond, mergeBytesPerSecond } = found ?? unmeasured;
  return { restoreBytesPerSecond, mergeBytesPerSecond, isMeasured: found !== undefined };
}

/** Stores a measurement if it differs much from the stored one. */
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
  // If the number is taken, another process stored its measurement, which is as good.
  await putNumbered(store, ratesPrefix, ratesKind, {
    number,
    at: now,
    restoreBytesPerSecond,
    mergeBytesPerSecond,
  });
}
