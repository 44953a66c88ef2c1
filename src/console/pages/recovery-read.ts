/** What the commands print as their plan and as their result: one reader for each. */

import type { Command } from "./recover-words.js";
import {
  anything,
  flag,
  list,
  nullable,
  number,
  type Of,
  object,
  perhaps,
  type Read,
  readAs,
  text,
} from "./recovery-fields.js";

const conflicts = {
  conflicts: list(object({ table: text, key: anything, paths: list(text) })),
  conflictCount: number,
  overwritten: flag,
};
const changes = {
  changed: number,
  deleted: number,
  broughtBack: number,
  firstDeleted: list(anything),
};
const head = { operation: text, type: text, description: text };

const estimate = object({
  seconds: number,
  by: text,
  writes: number,
  requests: object({ put: number, get: number, head: number, list: number }),
  storedBytes: number,
  cost: nullable(object({ profile: text, asOf: text, currency: text, total: number })),
});
export type Estimate = Of<typeof estimate>;

/** The plan of an undo or a rewind. */
const changePlan = object({
  ...head,
  ...changes,
  ...conflicts,
  tables: list(
    object({ table: text, documents: number, bytes: number, conflicts: number, ...changes }),
  ),
  documents: number,
  bytes: number,
  kept: number,
  unknown: number,
  /** Its conflicts end it: nothing is done. */
  refused: flag,
  estimate: perhaps(estimate),
  doubts: list(text),
});
export type ChangePlan = Of<typeof changePlan>;

const changeResult = object({
  ...head,
  ...changes,
  ...conflicts,
  tables: list(
    object({
      table: text,
      written: number,
      ...changes,
      already: number,
      left: number,
      conflicts: number,
    }),
  ),
  written: number,
  already: number,
  kept: number,
  unknown: number,
  left: list(object({ table: text, key: anything, why: text, refused: nullable(text) })),
  leftCount: number,
  doubts: list(text),
  seconds: number,
  pin: nullable(text),
  until: nullable(text),
});
export type ChangeResult = Of<typeof changeResult>;

/** What an undo or a rewind has done that was stopped. */
const stoppedChange = object({ ...head, stopped: flag, done: number, documents: number });
export type StoppedChange = Of<typeof stoppedChange>;

const asOf = { class: text, reason: nullable(text), lateMs: nullable(number), instant: text };
const restorePlanFields = {
  at: text,
  asked: perhaps(text),
  databases: list(text),
  segments: number,
  notCaptured: list(text),
  notSelected: list(text),
  heldBack: nullable(object({ by: text, tablesTo: text })),
  catalog: object(asOf),
  accessAsOf: nullable(object(asOf)),
  tables: list(
    object({
      from: text,
      to: text,
      ...asOf,
      missing: list(object({ object: text, from: text, to: text })),
      baseDocuments: number,
      baseBytes: number,
      indexes: list(text),
    }),
  ),
};
const restorePlan = object({ ...restorePlanFields, estimatedSeconds: perhaps(nullable(number)) });
export type RestorePlan = Of<typeof restorePlan>;

const restoreResult = object({
  at: text,
  restored: list(
    object({
      from: text,
      to: text,
      class: text,
      documents: number,
      bytes: number,
      isPart: flag,
      passedOver: nullable(number),
      missingKeys: list(text),
      doubts: list(text),
      already: number,
      matches: flag,
      leftOut: list(object({ key: text, reason: text })),
    }),
  ),
  earlier: list(text),
  seconds: nullable(number),
  access: nullable(object({ usersWithoutPassword: list(text), usersKept: list(text) })),
  halfFilled: list(text),
  notBegun: list(text),
});
export type RestoreResult = Of<typeof restoreResult>;

const swap = {
  live: text,
  promoted: text,
  /** The name of the table that was live; null if there was none. */
  kept: nullable(text),
  grants: list(text),
  differences: list(text),
  beside: list(text),
  documents: object({ promoted: number, live: nullable(number) }),
  goneMs: nullable(number),
};
const promotePlan = object(swap);
export type PromotePlan = Of<typeof promotePlan>;
const promoteResult = object({
  ...swap,
  pin: nullable(object({ name: text, at: text })),
});
export type PromoteResult = Of<typeof promoteResult>;

const drillResult = object({
  instant: text,
  class: text,
  ok: flag,
  failure: perhaps(object({ code: text, message: text })),
  server: nullable(text),
  documents: number,
  bytes: number,
  seconds: number,
  tables: list(object({ name: text, ok: flag, rows: number, bytes: number, seconds: number })),
  checks: perhaps(list(object({ table: text, what: text, outcome: text, reason: perhaps(text) }))),
});
export type DrillResult = Of<typeof drillResult>;

/** A plan or a result; what is of no form that is known is shown as it is. */
export type Plan =
  | { is: "change"; plan: ChangePlan }
  | { is: "restore"; plan: RestorePlan }
  | { is: "promote"; plan: PromotePlan }
  | { is: "none" }
  | { is: "other"; json: unknown };

export type Result =
  | { is: "change"; result: ChangeResult }
  | { is: "stopped"; result: StoppedChange }
  /** Conflicts have ended it before anything was written. */
  | { is: "refused"; plan: ChangePlan }
  | { is: "restore"; result: RestoreResult }
  | { is: "promote"; result: PromoteResult }
  | { is: "drill"; result: DrillResult }
  | { is: "other"; json: unknown };

/** The plan of a command, as its dry run prints it. */
export function readPlan(command: string, json: unknown): Plan {
  const known = <K extends "change" | "restore" | "promote", T>(is: K, of: Read<T>) => {
    const plan = readAs(of, json);
    return plan === undefined ? undefined : { is, plan };
  };
  const other: Plan = { is: "other", json };
  switch (command as Command) {
    case "undo":
    case "rewind":
      return known("change", changePlan) ?? other;
    case "restore":
      return known("restore", restorePlan) ?? other;
    case "promote":
      return known("promote", promotePlan) ?? other;
    case "drill":
      return { is: "none" };
    default:
      return other;
  }
}

/** What a command has printed at its end. */
export function readResult(command: string, json: unknown): Result {
  const other: Result = { is: "other", json };
  switch (command as Command) {
    case "undo":
    case "rewind":
      return readChange(json) ?? other;
    case "restore": {
      const result = readAs(restoreResult, json);
      return result ? { is: "restore", result } : other;
    }
    case "promote": {
      const result = readAs(promoteResult, json);
      return result ? { is: "promote", result } : other;
    }
    case "drill": {
      const result = readAs(drillResult, json);
      return result ? { is: "drill", result } : other;
    }
    default:
      return other;
  }
}

function readChange(json: unknown): Result | undefined {
  const result = readAs(changeResult, json);
  if (result) return { is: "change", result };
  const stopped = readAs(stoppedChange, json);
  if (stopped) return { is: "stopped", result: stopped };
  const plan = readAs(changePlan, json);
  return plan?.refused ? { is: "refused", plan } : undefined;
}
