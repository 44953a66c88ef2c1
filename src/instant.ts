import { ThinkbackError } from "./errors.js";

/** An instant: milliseconds since the Unix epoch, UTC. */
export type Instant = number;

/** The earliest; undefined if one of them is, or if there are none. */
export function leastOf(instants: readonly (Instant | undefined)[]): Instant | undefined {
  if (instants.length === 0 || instants.includes(undefined)) return undefined;
  return (instants as Instant[]).reduce((a, b) => Math.min(a, b));
}

/** ISO 8601 in UTC with its offset, milliseconds always shown: 2026-11-21T10:04:00.000+00:00. */
export function formatInstant(instant: Instant): string {
  return `${new Date(instant).toISOString().slice(0, -1)}+00:00`;
}

const unitMs = new Map(
  Object.entries({
    ms: 1,
    millisecond: 1,
    s: 1000,
    sec: 1000,
    second: 1000,
    m: 60_000,
    min: 60_000,
    minute: 60_000,
    h: 3_600_000,
    hour: 3_600_000,
    d: 86_400_000,
    day: 86_400_000,
    w: 604_800_000,
    week: 604_800_000,
  }),
);

/** The last instant that has a date. */
const latestInstant = 8_640_000_000_000_000;

/** The forms of times, for messages and help. */
export const timeForms =
  'ISO 8601 such as "2026-11-21T10:04:00Z" (without an offset: UTC), "10:04" (the last time it was 10:04 UTC), ' +
  '"yesterday 10:04", "5 minutes ago", "1h30m ago" or "now"';

/**
 * The instant that a text means. The grammar is strict: a text that it does not cover is refused, never guessed at.
 * @param now the instant that relative forms refer to
 */
export function parseInstant(text: string, now: Instant): Instant {
  const trimmed = text.trim();
  const found =
    parseNow(trimmed, now) ??
    parseAgo(trimmed, now) ??
    parseClockTime(trimmed, now) ??
    parseIso(trimmed);
  if (found === undefined || Math.abs(found) > latestInstant) {
    throw new ThinkbackError("usage", `cannot read "${text}" as a time`, {
      hint: `give it as ${timeForms}`,
    });
  }
  return found;
}

function parseNow(text: string, now: Instant): Instant | undefined {
  return text.toLowerCase() === "now" ? now : undefined;
}

function parseAgo(text: string, now: Instant): Instant | undefined {
  const match = /^(.+?)\s+ago$/i.exec(text);
  if (!match) return undefined;
  const ms = durationMs(match[1]!);
  return ms === undefined ? undefined : now - ms;
}

function parseClockTime(text: string, now: Instant): Instant | undefined {
  const match = /^(?:(today|yesterday)\s+)?(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?$/i.exec(
    text,
  );
  if (!match) return undefined;
  const [, day, hours, minutes, seconds = "0", fraction = ""] = match;
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 59) return undefined;
  const midnight = Math.floor(now / 86_400_000) * 86_400_000;
  const ofDay =
    Number(hours) * 3_600_000 +
    Number(minutes) * 60_000 +
    Number(seconds) * 1000 +
    Number(fraction.padEnd(3, "0"));
  if (day?.toLowerCase() === "yesterday") return midnight - 86_400_000 + ofDay;
  if (day === undefined && midnight + ofDay > now) return midnight - 86_400_000 + ofDay;
  return midnight + ofDay;
}

function parseIso(text: string): Instant | undefined {
  const match =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?:(:\d\d)(?:\.(\d{1,9}))?)?\s?(Z|[+-]\d\d:?\d\d)?)?$/i.exec(
      text,
    );
  if (!match) return undefined;
  const [, date, time = "00:00", seconds = ":00", fraction = "", zone = "Z"] = match;
  const ms = fraction.slice(0, 3).padEnd(3, "0");
  const offset = zone.toUpperCase() === "Z" ? "Z" : zone.replace(/^(...)(\d\d)$/, "$1:$2");
  const instant = Date.parse(`${date}T${time}${seconds}.${ms}${offset}`);
  if (Number.isNaN(instant)) return undefined;
  // Date.parse takes 2026-02-30 for a day in March; here a date that is not in the calendar is refused.
  const rolled = new Date(Date.parse(`${date}T00:00:00Z`)).toISOString().slice(0, 10) !== date;
  return rolled ? undefined : instant;
}

/** Milliseconds of a text such as "90s", "1h30m" or "2 days"; undefined if it is not a duration. */
export function durationMs(text: string): number | undefined {
  const parts = /^(?:\s*\d+(?:\.\d+)?\s*[a-z]+)+\s*$/i.test(text)
    ? [...text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/gi)]
    : [];
  if (parts.length === 0) return undefined;
  let total = 0;
  for (const [, amount, unit] of parts) {
    const lower = unit!.toLowerCase();
    const ms =
      unitMs.get(lower) ?? (lower.length > 3 ? unitMs.get(lower.replace(/s$/, "")) : undefined);
    if (ms === undefined) return undefined;
    total += Number(amount) * ms;
  }
  return total <= latestInstant ? Math.round(total) : undefined;
}

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** A length of time in words, in its two largest units: "2 d 3 h", "12 s". */
export function formatDuration(ms: number): string {
  const first = units.findIndex(([, unitMs]) => ms >= unitMs);
  if (first === -1) return "less than 1 s";
  let rest = ms;
  const counts = units.slice(first, first + 2).map(([name, unitMs]) => {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    return count > 0 ? `${count} ${name}` : "";
  });
  return counts.filter((text) => text !== "").join(" ");
}
