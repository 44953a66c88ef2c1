/**
 * Alarms: what is wrong, what of it somebody has silenced, and what has not been delivered yet. They are stored, so
 * that the process that goes on after another one tells nothing twice, and forgets nothing.
 */
import * as v from "valibot";
import { fields, flag, instant, list, type Of, oneOf, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { alarmsPrefix, numberedName, parseNumberedName } from "../../format/names.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { newestNumbered, putNumbered } from "./numbered.js";

const alarm = fields({
  /** Another one each time that it is raised. */
  id: text,
  /** Such as "store-away": docs/alarms.md lists them. A later version may know more. */
  kind: text,
  /** What it is about, where there may be several of a kind: the id of a table, a name; "" where there is one. */
  of: text,
  /** Since when it was wrong. */
  since: instant,
  raised: instant,
  text,
  /** False while it is silenced and nobody was told. */
  told: flag,
});
export type OpenAlarm = Of<typeof alarm>;

const silence = fields({
  /** The id of an alarm, or a kind. */
  what: text,
  since: instant,
  until: instant,
  reason: text,
});
export type Silence = Of<typeof silence>;

export const noticeTypes = ["raised", "ended", "digest"] as const;

const notice = fields({
  /** Whoever gets it twice can tell by this. */
  id: text,
  type: oneOf(noticeTypes),
  at: instant,
  text,
  /** The alarm that it tells of; absent in a digest. */
  alarm: v.exactOptional(fields({ id: text, kind: text, of: text, since: instant })),
  /** The channels that have not taken it yet. */
  to: list(text),
});
export type Notice = Of<typeof notice>;

/** The content of alarms/<number>.json: all that counts from then on. */
export const alarmsKind = jsonKind("alarms", {
  number: ordinal,
  at: instant,
  open: list(alarm),
  silences: list(silence),
  /** What is undelivered, the oldest first. */
  notices: list(notice),
  /** Up to when digests were made; absent before the first. */
  digested: v.exactOptional(instant),
});
export type AlarmsRecord = Stored<typeof alarmsKind>;

/** How many records are kept, because a listing may be behind. */
const recordsKept = 10;

/** The record that counts; undefined before the first. */
export function readAlarms(store: ObjectStore): Promise<AlarmsRecord | undefined> {
  return newestNumbered(store, alarmsPrefix, alarmsKind);
}

/** Returns false if another process was faster, or has put greater numbers since the one before was read. */
export async function putAlarms(store: ObjectStore, record: AlarmsRecord): Promise<boolean> {
  if (!(await putNumbered(store, alarmsPrefix, alarmsKind, record))) return false;
  const numbers: number[] = [];
  for await (const { name } of store.list(alarmsPrefix)) {
    const number = parseNumberedName(alarmsPrefix, name);
    if (number !== undefined) numbers.push(number);
  }
  // Old numbers are deleted, so this one may have been free because greater ones exist.
  if (numbers.some((number) => number > record.number)) return false;
  for (const number of numbers) {
    if (number > record.number - recordsKept) continue;
    // Where nothing may be deleted, old records stay: they are small, and few.
    await store.delete(numberedName(alarmsPrefix, number)).catch(() => undefined);
  }
  return true;
}
