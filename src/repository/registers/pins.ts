/**
 * Pins: named instants that thinning and expiry must keep. Every change puts a record of all pins under the next
 * number, so no change needs the right to delete.
 *
 * Invariant: every process that reads the pins after a pin was put sees it. So finding it must not depend on a listing,
 * which may be behind: all pins are in one chain, and the end of a chain is asked for by name.
 */
import * as v from "valibot";
import { ThinkbackError } from "../../errors.js";
import { classesWorstFirst } from "../../format/coverage-record.js";
import {
  byName,
  fields,
  instant,
  list,
  type Of,
  oneOf,
  ordinal,
  text,
} from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { pinsPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { newestNumbered, putNumbered } from "./numbered.js";

const pin = fields({
  name: text,
  /** The instant that is pinned. */
  at: instant,
  /** When it was pinned. */
  made: instant,
  /** It counts as long as the log has not passed this instant; absent if it counts until it is removed. */
  until: v.exactOptional(instant),
  note: v.exactOptional(text),
  /** While it counts, every change of these days stays too, the first and the last included; absent if none does. */
  days: v.exactOptional(fields({ from: instant, to: instant })),
  /** By table id, "catalog" and "access": the class of the instant when it was pinned, which the pin has to keep. */
  classes: v.exactOptional(byName(oneOf(classesWorstFirst))),
});
export type Pin = Of<typeof pin>;

/** The content of pins/<number>.json. */
export const pinsKind = jsonKind("pins", {
  /** Counts the changes; the last one counts. */
  number: ordinal,
  /** When the change was made. */
  at: instant,
  /** All pins from then on, in the order of their names. */
  pins: list(pin),
});
type PinsRecord = Stored<typeof pinsKind>;

/** The pins, in the order of their names. Some may have ended: see `livePins`. */
export async function listPins(store: ObjectStore): Promise<Pin[]> {
  return (await newestPins(store))?.pins ?? [];
}

/**
 * The pins that still count.
 * @param aged the instant from which the age of the history is counted back. A wrong clock must not end a pin
 */
export function livePins(pins: readonly Pin[], aged: Instant): Pin[] {
  return pins.filter(({ until }) => until === undefined || aged <= until);
}

const dayMs = 86_400_000;

/** The whole UTC days that a stretch around an instant touches: history is thinned day by day. */
export function daysAround(at: Instant, aroundMs: number): NonNullable<Pin["days"]> {
  const beginOf = (time: Instant) => Math.floor(time / dayMs) * dayMs;
  return { from: beginOf(Math.max(0, at - aroundMs)), to: beginOf(at + aroundMs) + dayMs - 1 };
}

/** True if a pin wants every change of some instant of the span. */
export function wantsAllOf(span: { from: Instant; to: Instant }, pins: readonly Pin[]): boolean {
  return pins.some(({ days }) => days && days.from <= span.to && span.from <= days.to);
}

/** The first instant that a pin wants. */
export function firstOf({ at, days }: Pick<Pin, "at" | "days">): Instant {
  return Math.min(at, days?.from ?? at);
}

/** So long a pin is still listed after its end. A clock that is wrong by days does not take one away. */
const listedMs = 30 * 86_400_000;

/** Adds a pin. Throws if its name is not valid, or is taken. */
export async function addPin(store: ObjectStore, pin: Pin): Promise<void> {
  checkPinName(pin.name);
  await change(store, pin.made, (pins) => {
    if (pins.some(({ name }) => name === pin.name)) {
      throw new ThinkbackError("usage", `there is a pin ${pin.name} already`, {
        hint: "take another name; or `thinkback pin remove` it first, if its instant is not needed any more",
      });
    }
    return [...pins, pin].sort((a, b) => (a.name < b.name ? -1 : 1));
  });
}

/** Removes the pin called `name` and returns it. Throws if there is none. */
export async function removePin(store: ObjectStore, name: string, now: Instant): Promise<Pin> {
  checkPinName(name);
  const before = await change(store, now, (pins) => {
    const left = pins.filter((pin) => pin.name !== name);
    if (left.length < pins.length) return left;
    throw new ThinkbackError("unknown", `there is no pin ${name}`, {
      hint: "`thinkback pin list` lists the pins",
    });
  });
  return before.find((pin) => pin.name === name)!;
}

/** Throws unless `name` is a valid name for a pin. */
export function checkPinName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,99}$/.test(name)) return;
  throw new ThinkbackError("usage", `"${name}" is not a name for a pin`, {
    hint: "give up to 100 small letters, digits and hyphens, such as before-release-12",
  });
}

/** Puts the pins that `changed` makes of the present ones, and returns those before the change. */
async function change(
  store: ObjectStore,
  at: Instant,
  changed: (pins: Pin[]) => Pin[],
): Promise<Pin[]> {
  for (;;) {
    const { number, pins } = (await newestPins(store)) ?? { number: 0, pins: [] };
    const left = livePins(changed(pins), at - listedMs);
    const next: PinsRecord = { number: number + 1, at, pins: left };
    // If the number is taken, another process changed the pins meanwhile: read them again.
    if (await putNumbered(store, pinsPrefix, pinsKind, next)) return pins;
  }
}

function newestPins(store: ObjectStore): Promise<PinsRecord | undefined> {
  return newestNumbered(store, pinsPrefix, pinsKind);
}
