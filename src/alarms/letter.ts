/** What channels are given: JSON for programs, and a text for people. */
import { formatInstant, type Instant } from "../instant.js";
import type { Notice } from "../repository/registers/alarms.js";
import { factsOf, pageOf, type Severity } from "./kinds.js";

/** docs/alarms.md tells its fields. */
export interface Letter {
  /** The same each time that it is delivered: whoever gets it twice can tell. */
  id: string;
  type: "raised" | "ended" | "digest" | "test";
  /** When it was made, which may be long before it is delivered. */
  at: string;
  /** Id of the repository; null in a test. */
  repository: string | null;
  text: string;
  /** Null in a digest and in a test. */
  alarm: {
    id: string;
    kind: string;
    /** What it is about, where there may be several of a kind; else "". */
    of: string;
    severity: Severity;
    since: string;
    /** What to do. */
    hint: string;
    docs: string;
  } | null;
}

export function letterOf({ id, type, at, text, alarm }: Notice, repository: string): Letter {
  const letter = { id, type, at: formatInstant(at), repository, text };
  if (!alarm) return { ...letter, alarm: null };
  const { severity = "warning", hint = "see the documents of the version that raised it" } =
    factsOf(alarm.kind) ?? {};
  const { kind, of, since } = alarm;
  const about = { id: alarm.id, kind, of, severity, since: formatInstant(since), hint };
  return { ...letter, alarm: { ...about, docs: pageOf(kind) } };
}

export function testLetter(id: string, now: Instant): Letter {
  const text = "a test: alarms of Thinkback arrive here";
  return { id, type: "test", at: formatInstant(now), repository: null, text, alarm: null };
}

/** The letter as a message for people. */
export function messageOf({ type, text, alarm }: Letter): string {
  if (!alarm) return `Thinkback: ${text}`;
  const { kind, severity, hint, docs, id } = alarm;
  if (type === "ended") return `Thinkback: ${kind} ${text} [${id}]`;
  return `Thinkback, ${severity}: ${kind}: ${text}\n→ ${hint} (${docs}) [${id}]`;
}
