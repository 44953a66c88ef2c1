/**
 * Lets pass what passes by itself: a symptom stands once it has lasted for as long as its kind wants, and until it has
 * been away for a while. Pure; time is an argument, by a monotonic clock.
 */
import type { AlarmKind } from "./kinds.js";
import { keyOf, type Symptom, type Symptoms } from "./symptom.js";

/** So long a symptom has to be away before it has ended, in ms: what comes and goes is told once. */
export const endsAfterMs = 30_000;

export interface Slack {
  /** By key: the symptoms that stand. */
  standing: ReadonlyMap<string, Symptom>;
  /** Since when those are there that do not stand yet, and since when those are away that stand. */
  since: ReadonlyMap<string, number>;
}

/** @param open symptoms that were told of by the process before this one */
export function beginSlack(open: readonly Symptom[]): Slack {
  return { standing: new Map(open.map((one) => [keyOf(one), one])), since: new Map() };
}

/** @param afterMs how long a symptom of a kind has to last; undefined if it is never told of */
export function settle(
  { standing: before, since: then }: Slack,
  { found, unjudged }: Symptoms,
  nowMs: number,
  afterMs: (kind: AlarmKind) => number | undefined,
): Slack {
  const standing = new Map<string, Symptom>();
  const since = new Map<string, number>();
  for (const symptom of found) {
    const after = afterMs(symptom.kind);
    if (unjudged.has(symptom.kind) || after === undefined) continue;
    const key = keyOf(symptom);
    const known = before.get(key);
    const from = then.get(key) ?? nowMs;
    if (known || nowMs - from >= after) standing.set(key, symptom);
    else since.set(key, from);
  }
  for (const [key, symptom] of before) {
    if (standing.has(key)) continue;
    if (unjudged.has(symptom.kind)) {
      standing.set(key, symptom);
      continue;
    }
    const from = then.get(key) ?? nowMs;
    if (nowMs - from >= endsAfterMs) continue;
    standing.set(key, symptom);
    since.set(key, from);
  }
  return { standing, since };
}
