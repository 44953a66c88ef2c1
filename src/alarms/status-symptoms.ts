/** What the status of a repository says is wrong, beside what the process that captures knows itself. */
import type { Instant } from "../instant.js";
import type { AlarmKind } from "./kinds.js";
import type { StatusSeen } from "./status-seen.js";
import type { Symptom, Symptoms } from "./symptom.js";

/** Kinds that only a status tells. */
const told: readonly AlarmKind[] = ["damaged", "pin-lost", "key-overdue", "lane-uncaptured"];

/** A clock that is off by more is wrong: less is drift. */
const clockOffMsMax = 5000;

export function statusSymptoms(status: StatusSeen | undefined, now: Instant): Symptoms {
  if (!status) return { found: [], unjudged: new Set(told) };
  const found: Symptom[] = [];
  const add = (kind: AlarmKind, of: string, text: string, since = now) =>
    void found.push({ kind, of, since, text });
  const damaged = status.tables.filter(({ isDamaged }) => isDamaged).map(({ name }) => name);
  if (damaged.length > 0) {
    const names = `${damaged.slice(0, 3).join(", ")}${damaged.length > 3 ? ", …" : ""}`;
    const what = damaged.length === 1 ? "a table" : `${damaged.length} tables`;
    add("damaged", "", `stored objects of ${what} are damaged or missing: ${names}`);
  }
  for (const name of status.lostPins) {
    add("pin-lost", name, `the pin ${name} can no longer be restored as it was pinned`);
  }
  for (const name of status.overdueKeys) {
    add("key-overdue", name, `the key ${name} was not proven for 90 days`);
  }
  for (const lane of status.uncaptured) {
    add("lane-uncaptured", String(lane), `nobody captures the tables of lane ${lane}`);
  }
  if (status.drillFailed !== undefined) {
    add("drill-failed", "", "the last drill failed", status.drillFailed);
  }
  if (status.clockOffMs > clockOffMsMax) {
    const off = `${Math.round(status.clockOffMs / 1000)} s`;
    add("clock-wrong", "", `this machine's clock and the source's differ by ${off}`);
  }
  return { found, unjudged: new Set() };
}
