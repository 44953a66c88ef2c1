/** What a declaration of tiers leaves restorable, computed day by day and without the code under test. */
import type { Instant } from "../../src/instant.js";

export const dayMs = 86_400_000;

export interface DeclaredTier {
  resolutionMs: number;
  days: number;
}

/** A stretch of time that is kept in one way. */
export interface Declared {
  from: Instant;
  to: Instant;
  /** One instant per so many ms; "pins" where nothing but what is pinned is kept. */
  resolutionMs: number | "pins";
}

/** A tick: what it holds goes by the day in which it ends. */
export interface Tick {
  from: Instant;
  to: Instant;
}

/**
 * What is kept of the time that `ticks` cover, in order.
 * @param now when the last maintenance was
 * @param pinned the instants that are pinned
 */
export function declaredOf(
  tiers: DeclaredTier[],
  ticks: Tick[],
  now: Instant,
  pinned: Instant[],
): Declared[] {
  const first = Math.min(firstDayKept(tiers, now), ...pinned);
  const declared: Declared[] = [];
  for (const { from, to } of ticks) {
    if (to < first) continue;
    const resolutionMs = resolutionOfDay(tiers, dayOf(to), now);
    const last = declared.at(-1);
    if (last && last.to + 1 === from && last.resolutionMs === resolutionMs) last.to = to;
    else declared.push({ from: Math.max(from, first), to, resolutionMs });
  }
  return declared;
}

/** The midnight with which the UTC day of an instant begins. */
export const dayOf = (instant: Instant): Instant => Math.floor(instant / dayMs) * dayMs;

/** A day is as old as its end, and belongs to the first tier that is not younger. */
export function resolutionOfDay(
  tiers: DeclaredTier[],
  day: Instant,
  now: Instant,
): number | "pins" {
  const age = now - (day + dayMs);
  return tiers.find(({ days }) => age <= days * dayMs)?.resolutionMs ?? "pins";
}

function firstDayKept(tiers: DeclaredTier[], now: Instant): Instant {
  let day = dayOf(now);
  while (resolutionOfDay(tiers, day - dayMs, now) !== "pins") day -= dayMs;
  return day;
}
