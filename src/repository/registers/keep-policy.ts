/**
 * Resolution tiers: how finely the past is kept, by its age. They are declared as a text such as `all:7d, 1m:30d,
 * 1d:365d`: every change for 7 days, one instant per minute until 30 days, one per day until 365 days. What is older
 * may expire.
 *
 * Thinning takes whole UTC days. The restorable instants of a thinned day are the last milliseconds of its buckets.
 * Buckets begin at multiples of the resolution since the Unix epoch. Each resolution is a multiple of the one before,
 * so what one tier keeps includes what the next one needs.
 */
import { ThinkbackError } from "../../errors.js";
import type { Instant } from "../../instant.js";

export interface KeepTier {
  /** There is one restorable instant per this many ms; 1 for every change. */
  resolutionMs: number;
  /** The tier reaches up to this age, in ms, whole days; Infinity for ever. */
  ageMs: number;
}

const dayMs = 86_400_000;

/** A resolution so large that no span of it ever ends: only pinned instants are kept. */
export const pinsOnlyMs = 999_999_999_999;

/** The units, the largest first. */
const units = [
  ["d", dayMs],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

const unitMs = new Map<string, number>([...units, ["w", 7 * dayMs], ["y", 365 * dayMs]]);

/** The tiers that a text declares, the youngest first. Throws, with code "usage", if the text is not valid. */
export function parseKeep(text: string): KeepTier[] {
  const refuse = (reason: string): never => {
    throw new ThinkbackError("usage", `cannot keep "${text}"`, {
      hint: `${reason}; give it as "all:7d, 1m:30d, 1d:365d": every change for 7 days, then one instant per minute until 30 days, …`,
    });
  };
  const tiers: KeepTier[] = [];
  for (const part of text.split(",")) {
    const tier = readTier(part.trim(), refuse);
    refuseIfOutOfOrder(part.trim(), tier, tiers.at(-1), refuse);
    tiers.push(tier);
  }
  return tiers;
}

type Refuse = (reason: string) => never;

function readTier(part: string, refuse: Refuse): KeepTier {
  const [resolution, age, ...more] = part.split(":").map((side) => side.trim());
  if (!resolution || !age || more.length > 0) {
    return refuse(`"${part}" is not a resolution and an age with a colon between them`);
  }
  return {
    resolutionMs: resolution === "all" ? 1 : readResolution(resolution, refuse),
    ageMs: age === "forever" ? Number.POSITIVE_INFINITY : readAge(age, refuse),
  };
}

function readResolution(text: string, refuse: Refuse): number {
  const ms = wholeUnits(text);
  if (ms === undefined) return refuse(`"${text}" is not a resolution such as all, 30s, 1m, 1h, 1d`);
  if (ms < 1000 || (dayMs % ms !== 0 && ms % dayMs !== 0)) {
    return refuse(`the resolution ${text} neither divides a day nor is a whole number of days`);
  }
  return ms;
}

function readAge(text: string, refuse: Refuse): number {
  const ms = wholeUnits(text);
  if (ms === undefined) return refuse(`"${text}" is not an age such as 7d, 4w, 1y, forever`);
  if (ms < dayMs || ms % dayMs !== 0)
    return refuse(`the age ${text} is not whole days, 1d or more`);
  return ms;
}

/** Ages and resolutions are at most this long, which is as good as for ever. */
const longestMs = 999_999 * dayMs;

/** Milliseconds of a whole number of one unit; undefined for any other text. */
function wholeUnits(text: string): number | undefined {
  const match = /^(\d{1,6})([a-z])$/.exec(text);
  const unit = match && unitMs.get(match[2]!);
  const ms = unit ? Number(match[1]) * unit : Number.POSITIVE_INFINITY;
  return ms <= longestMs ? ms : undefined;
}

function refuseIfOutOfOrder(
  part: string,
  tier: KeepTier,
  before: KeepTier | undefined,
  refuse: Refuse,
): void {
  if (before === undefined) {
    if (tier.resolutionMs !== 1) refuse(`the first tier is "${part}", but has to be all:<age>`);
    return;
  }
  if (before.ageMs === Number.POSITIVE_INFINITY) refuse("nothing can come after forever");
  if (tier.ageMs <= before.ageMs) {
    refuse(`the age of "${part}" is not above that of the tier before it; ages count from now`);
  }
  const isCoarser = tier.resolutionMs > before.resolutionMs;
  if (!isCoarser || tier.resolutionMs % before.resolutionMs !== 0) {
    refuse(`the resolution of "${part}" is not a multiple of that of the tier before it`);
  }
}

/** The text of tiers. parseKeep gives the same tiers back, and equal tiers have equal texts. */
export function formatKeep(tiers: KeepTier[]): string {
  return tiers
    .map(({ resolutionMs, ageMs }) => {
      const resolution = resolutionMs === 1 ? "all" : formatWhole(resolutionMs);
      return `${resolution}:${ageMs === Number.POSITIVE_INFINITY ? "forever" : formatWhole(ageMs)}`;
    })
    .join(", ");
}

/** What a resolution keeps, in words. */
export function formatResolution(ms: number): string {
  return ms === pinsOnlyMs ? "pinned instants" : `one instant per ${formatWhole(ms)}`;
}

/** The text of a duration in the largest unit that gives a whole number: 90000 is "90s". */
export function formatWhole(ms: number): string {
  const [letter, unit] = units.find(([, each]) => ms % each === 0)!;
  return `${ms / unit}${letter}`;
}

/**
 * The resolution, in ms, in which a closed span of time is to be kept; undefined if the span is past the last tier and
 * may expire. A UTC day leaves a tier when its end, the midnight after it, is older than the tier's age. So every
 * instant is kept at least as long as declared, and at most a day longer. For a span of several days the last day
 * decides.
 */
export function resolutionAt(
  tiers: KeepTier[],
  span: { from: Instant; to: Instant },
  now: Instant,
): number | undefined {
  const end = (Math.floor(span.to / dayMs) + 1) * dayMs;
  return tiers.find(({ ageMs }) => now - end <= ageMs)?.resolutionMs;
}

/** The first millisecond of the first UTC day that is kept; undefined if all days are. */
export function startOfKept(tiers: KeepTier[], now: Instant): Instant | undefined {
  const { ageMs } = tiers.at(-1)!;
  if (ageMs === Number.POSITIVE_INFINITY) return undefined;
  return Math.max(0, Math.ceil((now - ageMs) / dayMs) * dayMs - dayMs);
}

/** True if `instant` can be restored in a span that is kept in this resolution. */
export function isOnGrid(instant: Instant, resolutionMs: number): boolean {
  return gridAtOrBefore(instant, resolutionMs) === instant;
}

/** The last restorable instant at or before `instant`; -1 if there is none. */
export function gridAtOrBefore(instant: Instant, resolutionMs: number): Instant {
  if (resolutionMs === pinsOnlyMs) return -1;
  return Math.floor((instant + 1) / resolutionMs) * resolutionMs - 1;
}

/** The first restorable instant after `instant`; Infinity if there is none. */
export function gridAfter(instant: Instant, resolutionMs: number): Instant {
  if (resolutionMs === pinsOnlyMs) return Number.POSITIVE_INFINITY;
  return gridAtOrBefore(instant, resolutionMs) + resolutionMs;
}
