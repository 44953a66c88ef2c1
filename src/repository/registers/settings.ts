/** Settings of a repository as a whole. They are stored in it, so that every process uses the same. */
import * as v from "valibot";
import { byName, instant, oneOf, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { settingsPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { formatKeep, parseKeep } from "./keep-policy.js";
import { newestNumbered, putNumbered } from "./numbered.js";

/** Which recoveries want the approval of a second person: none, those that change live data, or all. */
export const approvals = ["none", "live", "all"] as const;
export type Approval = (typeof approvals)[number];

export const settingsKind = jsonKind("settings", {
  /** Counts the declarations. */
  number: ordinal,
  /** When they were declared. */
  at: instant,
  /** Resolution tiers as formatKeep prints them; null: every change is kept for ever. */
  keep: v.nullable(text),
  /** In how many lanes tables are captured: 1 if absent. */
  lanes: v.exactOptional(ordinal),
  /** How many lanes there are, with those in which nothing is captured any more: 1 if absent. */
  lanesMade: v.exactOptional(ordinal),
  /** By lane: when the locks of its objects were renewed last. Absent where the store locks none. */
  locked: v.exactOptional(byName(instant)),
  /** Which recoveries want the approval of a second person: those that change live data, if absent. */
  approval: v.exactOptional(oneOf(approvals)),
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
  return declare(store, now, (held) => (held.keep === wanted ? undefined : { keep: wanted }));
}

/** Declares in how many lanes tables are captured. All these lanes MUST have been made. */
export function declareLanes(store: ObjectStore, lanes: number, now: Instant): Promise<Settings> {
  return declare(store, now, (held) => {
    if (lanesOf(held) === lanes) return undefined;
    return { lanes, lanesMade: Math.max(lanes, lanesMadeOf(held)) };
  });
}

/** Notes that the locks of a lane's objects were renewed. */
export function declareLocked(store: ObjectStore, lane: number, now: Instant): Promise<Settings> {
  return declare(store, now, ({ locked }) => ({ locked: { ...locked, [lane]: now } }));
}

/**
 * Declares which recoveries want the approval of a second person. It counts for those that are requested from now on;
 * one that waits for an approval goes on waiting.
 */
export function declareApproval(
  store: ObjectStore,
  approval: Approval,
  now: Instant,
): Promise<Settings> {
  return declare(store, now, (held) => (approvalOf(held) === approval ? undefined : { approval }));
}

export const approvalOf = ({ approval = "live" }: Settings): Approval => approval;
export const lanesOf = ({ lanes = 1 }: Settings) => lanes;
export const lanesMadeOf = ({ lanesMade = 1 }: Settings) => lanesMade;

/** @param change gives what is to be declared; undefined if it is declared already */
async function declare(
  store: ObjectStore,
  now: Instant,
  change: (held: Settings) => Partial<Settings> | undefined,
): Promise<Settings> {
  for (;;) {
    const held = await readSettings(store);
    const wanted = change(held);
    if (!wanted) return held;
    const { keep, lanes, lanesMade, locked, approval } = { ...held, ...wanted };
    const number = held.number + 1;
    const next: Settings = {
      number,
      at: now,
      keep,
      ...(lanes === undefined ? {} : { lanes }),
      ...(lanesMade === undefined ? {} : { lanesMade }),
      ...(locked === undefined ? {} : { locked }),
      ...(approval === undefined ? {} : { approval }),
    };
    // If the number is taken, another process declared something meanwhile: read it.
    if (await putNumbered(store, settingsPrefix, settingsKind, next)) return next;
  }
}
