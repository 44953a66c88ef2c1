/**
 * Events of recoveries, as they are stored. docs/format.md §13.10.
 *
 * Invariant: who has put the event with the next number has made the change, and nobody else. Redis and time decide
 * nothing. Break it and two processes carry out one request.
 */
import * as v from "valibot";
import { damaged } from "../errors.js";
import {
  amount,
  anyObject,
  count,
  fields,
  flag,
  instant,
  list,
  type Of,
  oneOf,
  ordinal,
  reference,
  text,
} from "../format/fields.js";
import { jsonKind, type Stored } from "../format/json-object.js";
import { numberedName, parseRecoveryName, recoveryPrefix } from "../format/names.js";
import {
  putNumbered,
  readNumbered,
  readNumberedIfThere,
} from "../repository/registers/numbered.js";
import type { ObjectStore } from "../storage/object-store.js";

export const recoveryCommands = ["restore", "rewind", "undo", "promote", "drill"] as const;
export type RecoveryCommand = (typeof recoveryCommands)[number];

export const recoveryStates = [
  /** It waits for a process that makes its plan, or carries it out; or a process makes its plan. */
  "planned",
  /** Its plan is made, and waits for what `waitsFor` says. */
  "waiting",
  "running",
  "done",
  /** It ended with an error that trying again does not end. */
  "failed",
  /** It was begun as often as it may be, and never ended. */
  "parked",
  "cancelled",
] as const;
export type RecoveryState = (typeof recoveryStates)[number];

/** What a plan may wait for, in the order in which it is told. */
export const consents = [
  /** Of somebody who has seen the plan, and wants it carried out. */
  "confirmation",
  /** Of a second person, who has seen it too. */
  "approval",
] as const;
export type Consent = (typeof consents)[number];

const actor = fields({ name: text, via: oneOf(["cli", "api", "worker"]) });
/** Who made a change; of a worker the name is its `unique`. */
export type Actor = Of<typeof actor>;

const request = fields({
  command: oneOf(recoveryCommands),
  /** Words and options of the command, checked against the allow-list. */
  args: list(text),
  /** True if a second person has to approve it. */
  approval: flag,
  /** True if its plan has to be confirmed; absent if it need not. */
  confirm: v.exactOptional(flag),
  /** SHA-256 of the idempotency key and of who gave it, if one was given. */
  key: v.exactOptional(text),
});
export type StoredRequest = Of<typeof request>;

const worker = fields({
  unique: text,
  host: text,
  process: count,
  /** Within which that number tells processes apart. */
  space: text,
  /** A worker that has put no event for so long is taken for one that has ended, in ms. */
  silentMs: count,
});
export type WorkerClaim = Of<typeof worker>;

const plan = fields({
  /** The result of the command's dry run. */
  summary: anyObject,
  /** The arguments that do what the plan says, whenever they are given. */
  args: list(text),
  /** The parts of the plan's file, if the command makes one. */
  parts: list(reference),
});
export type StoredPlan = Of<typeof plan>;

const progress = fields({
  /** What is done, of 1; null if that is not known. */
  share: v.nullable(amount),
  text,
});
export type RecoveryProgress = Of<typeof progress>;

const failure = fields({ code: text, message: text, hint: v.exactOptional(text) });
export type RecoveryError = Of<typeof failure>;

/** The content of recoveries/<id>-<number>.json. Later events repeat what counts of earlier ones, but for the plan. */
export const recoveryKind = jsonKind("recovery", {
  id: text,
  number: ordinal,
  at: instant,
  state: oneOf(recoveryStates),
  by: actor,
  /** In the first event only. */
  request: v.exactOptional(request),
  /** How often a process has begun: to make the plan, and from 1 again to carry it out. */
  attempt: count,
  /** Who works on it; absent while nobody does. */
  worker: v.exactOptional(worker),
  /** The plan, in the event that made it; and that event's number in all after it. */
  plan: v.exactOptional(plan),
  planIn: v.exactOptional(ordinal),
  /** What the plan waits for; absent in every state but `waiting`. */
  waitsFor: v.exactOptional(list(oneOf(consents))),
  confirmedBy: v.exactOptional(actor),
  approvedBy: v.exactOptional(actor),
  /** What the command has told before its last step, so that it is known later whether that was done. */
  ending: v.exactOptional(anyObject),
  progress: v.exactOptional(progress),
  /** What the command has printed as its result. */
  result: v.exactOptional(anyObject),
  error: v.exactOptional(failure),
});
export type RecoveryEvent = Stored<typeof recoveryKind>;

/** Puts an event. Returns false if its number is taken: somebody else has made a change. */
export function putEvent(store: ObjectStore, event: RecoveryEvent): Promise<boolean> {
  return putNumbered(store, recoveryPrefix(event.id), recoveryKind, event);
}

/** Reads an event. Throws, naming it, if it is missing or damaged. */
export async function readEvent(
  store: ObjectStore,
  id: string,
  number: number,
): Promise<RecoveryEvent> {
  return ofRecovery(id, await readNumbered(store, recoveryPrefix(id), number, recoveryKind));
}

export async function readEventIfThere(
  store: ObjectStore,
  id: string,
  number: number,
): Promise<RecoveryEvent | undefined> {
  const event = await readNumberedIfThere(store, recoveryPrefix(id), number, recoveryKind);
  return event && ofRecovery(id, event);
}

/** The event as it was put: later events are made of it. */
function ofRecovery(id: string, read: RecoveryEvent): RecoveryEvent {
  const { thinkback: _, version: __, checksum: ___, ...event } = read as RecoveryEvent & Framing;
  if (event.id === id) return event;
  const name = numberedName(recoveryPrefix(id), event.number);
  throw damaged(name, "its name and its content differ");
}

/** What every stored object has besides. */
type Framing = Partial<Record<"thinkback" | "version" | "checksum", unknown>>;

/** The greatest number of each recovery's events, by id; only of those whose names begin with `prefix`. */
export async function greatestNumbers(
  store: ObjectStore,
  prefix: string,
): Promise<Map<string, number>> {
  const greatest = new Map<string, number>();
  for await (const { name } of store.list(prefix)) {
    const named = parseRecoveryName(name);
    if (named) greatest.set(named.id, Math.max(named.number, greatest.get(named.id) ?? 0));
  }
  return greatest;
}
