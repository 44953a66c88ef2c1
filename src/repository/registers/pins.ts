/**
 * Pins: named instants that thinning and expiry must keep. Every change puts a record of all of them under the next
 * number, so that none needs the right to delete.
 *
 * Invariant: a pin that was put is read by whoever reads the pins later. So it must not take a listing to find it, which
 * may be behind: one chain has all of them, and the end of a chain is asked for by name.
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
  note: v.exactOptional(text),
  /** Of which class it was when it was pinned, for each table by its id, "catalog" and "access": what it has to keep. */
  classes: v.exactOptional(byName(oneOf(classesWorstFirst))),
});
export type Pin = Of<typeof pin>;

/** What pins/<number>.json says. */
export const pinsKind = jsonKind("pins", {
  /** Counts the changes; the last one counts. */
  number: ordinal,
  /** When it was put. */
  at: instant,
  /** All that hold from then on, in the order of their names. */
  pins: list(pin),
});
type PinsRecord = Stored<typeof pinsKind>;

/** The pins, in the order of their names. */
export async function listPins(store: ObjectStore): Promise<Pin[]> {
  return (await newestPins(store))?.pins ?? [];
}

/** Pins an instant; throws if the name cannot be one, or is pinned already. */
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

/** Removes the pin called `name` and returns what it was; throws if there is none. */
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

/** Throws unless `name` can be a pin's. */
export function checkPinName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,99}$/.test(name)) return;
  throw new ThinkbackError("usage", `"${name}" is not a name for a pin`, {
    hint: "give up to 100 small letters, digits and hyphens, such as before-release-12",
  });
}

/** Puts what `changed` makes of the pins, and returns those before. */
async function change(
  store: ObjectStore,
  at: Instant,
  changed: (pins: Pin[]) => Pin[],
): Promise<Pin[]> {
  for (;;) {
    const { number, pins } = (await newestPins(store)) ?? { number: 0, pins: [] };
    const next: PinsRecord = { number: number + 1, at, pins: changed(pins) };
    // Where it is taken, somebody else changed something meanwhile: look what.
    if (await putNumbered(store, pinsPrefix, pinsKind, next)) return pins;
  }
}

function newestPins(store: ObjectStore): Promise<PinsRecord | undefined> {
  return newestNumbered(store, pinsPrefix, pinsKind);
}
