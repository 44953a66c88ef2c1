/**
 * Pins: named instants that thinning and expiry must keep. A pin is put, and taken away by a later object that says so,
 * so that neither needs the right to delete; nothing of a pin's past is lost.
 */
import { damaged, ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { CoverageClass } from "./coverage.js";
import { numberedName, parsePinName, pinPrefix } from "./names.js";
import { newestNumbered, putNumbered } from "./numbered.js";

export interface Pin {
  name: string;
  /** The instant that is pinned. */
  at: Instant;
  /** When it was pinned. */
  made: Instant;
  note?: string;
  /** Of which class it was when it was pinned, for each table by its id, "catalog" and "access": what it has to keep. */
  classes?: Record<string, CoverageClass>;
}

/** One word on a name; the last one counts. */
interface PinRecord extends Pin {
  /** Counts the records of the name from 1. */
  number: number;
  /** True if the name is not pinned any more; `at` is what was, `made` when it ended. */
  removed: boolean;
}

/** The pins, in the order of their names. */
export async function listPins(store: ObjectStore): Promise<Pin[]> {
  const names = new Set<string>();
  for await (const { name } of store.list("pins/")) {
    const pinned = parsePinName(name);
    if (pinned !== undefined) names.add(pinned);
  }
  const pins: Pin[] = [];
  const sorted = [...names].sort();
  const reading = severalAtOnce(sorted, readsAtOnce, (name) => lastRecord(store, name));
  for await (const record of reading) if (record && !record.removed) pins.push(pinOf(record));
  return pins;
}

/** Pins an instant; throws if the name cannot be one, or is pinned already. */
export async function addPin(store: ObjectStore, pin: Pin): Promise<void> {
  checkPinName(pin.name);
  for (;;) {
    const last = await lastRecord(store, pin.name);
    if (last && !last.removed) {
      throw new ThinkbackError("usage", `there is a pin ${pin.name} already`, {
        hint: "take another name; or `thinkback pin remove` it first, if its instant is not needed any more",
      });
    }
    if (await put(store, { ...pin, number: (last?.number ?? 0) + 1, removed: false })) return;
  }
}

/** Removes the pin called `name` and returns what it was; throws if there is none. */
export async function removePin(store: ObjectStore, name: string, now: Instant): Promise<Pin> {
  checkPinName(name);
  for (;;) {
    const last = await lastRecord(store, name);
    if (!last || last.removed) {
      throw new ThinkbackError("unknown", `there is no pin ${name}`, {
        hint: "`thinkback pin list` lists the pins",
      });
    }
    const { classes: _, ...rest } = last;
    const removal = { ...rest, number: last.number + 1, made: now, removed: true };
    if (await put(store, removal)) return pinOf(last);
  }
}

/** Throws unless `name` can be a pin's. */
export function checkPinName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,99}$/.test(name)) return;
  throw new ThinkbackError("usage", `"${name}" is not a name for a pin`, {
    hint: "give up to 100 small letters, digits and hyphens, such as before-release-12",
  });
}

async function lastRecord(store: ObjectStore, name: string): Promise<PinRecord | undefined> {
  const prefix = pinPrefix(name);
  const record = await newestNumbered<PinRecord>(store, prefix, "pin");
  if (record && record.name !== name) {
    throw damaged(numberedName(prefix, record.number), "its name and its content differ");
  }
  return record;
}

function put(store: ObjectStore, record: PinRecord): Promise<boolean> {
  const { number, name, at, made, removed } = record;
  const fields = { number, name, at, made, removed, ...moreOf(record) };
  return putNumbered(store, pinPrefix(name), "pin", fields);
}

function pinOf(record: PinRecord): Pin {
  const { name, at, made } = record;
  return { name, at, made, ...moreOf(record) };
}

/** What a pin need not have. */
function moreOf({ note, classes }: Pin): Pick<Pin, "note" | "classes"> {
  return { ...(note === undefined ? {} : { note }), ...(classes === undefined ? {} : { classes }) };
}
