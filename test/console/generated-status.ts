/**
 * A status as `thinkback status --json` prints it, of many tables over a long time: tiers that thin the past, gaps of the
 * whole cluster and of single tables, late spans, damage, tables that were made late or dropped.
 */
import { formatInstant, type Instant } from "../../src/instant.js";

export const dayMs = 86_400_000;

interface Interval {
  from: Instant;
  to: Instant;
  class: string;
  reason?: string;
  lateMs?: number;
  resolutionMs?: number;
}

/** A generator of numbers from 0 to below 1: the same ones for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Beginning with the newest: older than so many days, one instant in so many ms is left. */
const tiers = [
  { days: 7, resolutionMs: 3_600_000 },
  { days: 60, resolutionMs: dayMs },
];

interface Wanted {
  tables: number;
  days: number;
  now: Instant;
  seed?: number;
}

export function generatedStatus({ tables: count, days, now, seed = 1 }: Wanted) {
  const random = seeded(seed);
  const begin = now - days * dayMs;
  // Standstills of the source: every table has a gap in them, each of slightly another length.
  const outages = Array.from(
    { length: Math.ceil(days / 15) },
    () => begin + random() * (now - begin),
  );
  const made = Array.from({ length: count }, (_, i) => {
    const database = ["shop", "billing", "audit", "search", "analytics"][i % 5]!;
    const isLate = random() < 0.2;
    const since = Math.round(isLate ? begin + random() * (now - begin) * 0.9 : begin);
    const isDropped = random() < 0.04;
    const end = isDropped ? Math.round(since + random() * (now - since)) : now - 1500;
    const intervals = intervalsOf(since, end, outages, random);
    const isDamaged = random() < 0.01;
    if (isDamaged) damage(intervals, random);
    return {
      id: uuid(random),
      name: `${database}.table_${String(i).padStart(4, "0")}`,
      state: isDropped ? "dropped" : "live",
      changes: Math.floor(random() ** 4 * 40_000_000),
      documents: Math.floor(random() ** 4 * 4_000_000),
      intervals,
    };
  });
  const whole = intervalsOf(begin, now - 1500, outages.slice(0, 3), random);
  const instant = (at: number | undefined) => (at === undefined ? null : formatInstant(at));
  const printed = (intervals: Interval[]) =>
    intervals.map(({ from, to, ...rest }) => {
      return { ...rest, from: formatInstant(from), to: formatInstant(to) };
    });
  const late = { spans: 0, worstMs: 0, last: null };
  const system = {
    state: "live",
    openGap: null,
    frontier: instant(now - 1500),
    behindMs: 0,
    late,
    intervals: printed(whole),
  };
  const capture = { state: "running", heardOf: instant(now - 900) };
  const proof = { instant: instant(now - 4 * 3_600_000), done: instant(now - 3 * 3_600_000) };
  const there = made.filter(({ state }) => state === "live").length;
  return {
    repository: "00000000-0000-4000-8000-0000000000ff",
    restorableUntil: instant(now - 1500),
    behindNowMs: 1500,
    restorableWithoutAccess: instant(now - 1500),
    catalog: system,
    access: system,
    missingServers: [],
    lastProven: { ...proof, tables: there, of: there },
    lastDrillFailed: null,
    capture,
    lanes: [
      {
        lane: 0,
        inUse: true,
        capture,
        writer: { host: "backup-1", process: 812 },
        lastSegment: instant(now - 900),
        tables: there,
      },
    ],
    lastSegment: instant(now - 900),
    segments: 9000,
    foldedSegments: 40,
    keep: null,
    clockAheadMs: 0,
    pins: [],
    copies: [],
    overdueKeys: [],
    tables: made
      .map((table) => ({
        ...table,
        lane: 0,
        documentsExact: true,
        logBytes: table.changes * 310,
        stopped: null,
        openGap: null,
        firstRestorable: instant(table.intervals[0]?.from),
        lastRestorable: instant(table.intervals.at(-1)?.to),
        provenTo: instant(table.intervals.at(-1)?.to),
        damagedSince: null,
        late,
        lastProven: random() < 0.9 ? proof : null,
        failedDrill: null,
        intervals: printed(table.intervals),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function intervalsOf(
  since: Instant,
  end: Instant,
  outages: number[],
  random: () => number,
): Interval[] {
  const breaks: Interval[] = outages
    .filter((at) => since < at && at < end - dayMs)
    .map((at) => {
      const from = Math.round(at + random() * 1500);
      const to = Math.round(from + 60_000 + random() * 600_000);
      return { from, to, class: "gap", reason: "the source could not be reached" };
    });
  const days = (end - since) / dayMs;
  // A table is late now and then when the server is busy, and has a gap of its own seldom.
  for (let i = 0; i < days / 20; i += 1) {
    const from = Math.round(since + random() * (end - since));
    const lateMs = Math.round(2000 + random() * 9000);
    breaks.push({ from, to: from + lateMs, class: "late", lateMs, reason: lateReason(lateMs) });
  }
  for (let i = 0; i < days / 200; i += 1) {
    const from = Math.round(since + random() * (end - since));
    const reason = `shard ${Math.floor(random() * 4)} is not available`;
    breaks.push({ from, to: Math.round(from + random() * 7_200_000), class: "gap", reason });
  }
  breaks.sort((a, b) => a.from - b.from);
  const found: Interval[] = [];
  let at = since;
  for (const one of breaks) {
    if (one.from <= at + 1 || one.to >= end) continue;
    found.push(...thinnedIn(at, one.from - 1, end), one);
    at = one.to + 1;
  }
  return [...found, ...thinnedIn(at, end, end)];
}

const lateReason = (ms: number) => `proofs were ${(ms / 1000).toFixed(1)} s apart`;

/** An exact stretch, cut where another tier begins. */
function thinnedIn(from: Instant, to: Instant, now: Instant): Interval[] {
  const bounds = tiers.map(({ days }) => now - days * dayMs);
  const parts: Interval[] = [];
  let end = to;
  for (const [i, bound] of [...bounds, Number.NEGATIVE_INFINITY].entries()) {
    const begin = Math.max(from, bound);
    const tier = tiers[i - 1];
    if (begin <= end) {
      const thin = tier ? { resolutionMs: tier.resolutionMs } : {};
      parts.unshift({ from: begin, to: end, class: "exact", ...thin });
    }
    end = Math.min(end, begin - 1);
  }
  return parts;
}

function damage(intervals: Interval[], random: () => number): void {
  const at = Math.floor(random() * intervals.length);
  const { from, to } = intervals[at]!;
  const reason = "folded/0000000012.json is missing";
  intervals[at] = { from, to, class: "damaged", reason };
}

function uuid(random: () => number): string {
  const hex = (digits: number) =>
    Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}

/** Points as `thinkback points --json` prints them: a drill each day, a mark each week, some pins and drops. */
export function generatedPoints(
  status: ReturnType<typeof generatedStatus>,
  now: Instant,
  days: number,
) {
  const point = (kind: string, id: string, at: number, text: string, table: string | null) => ({
    id: `${kind}-${id}`,
    kind,
    at: formatInstant(at),
    before: formatInstant(at - 1),
    until: null,
    count: null,
    table,
    tables: null,
    text,
  });
  const begin = now - days * dayMs;
  const points = Array.from({ length: days }, (_, day) => {
    const at = begin + day * dayMs;
    return [
      point(
        "drill",
        `${day}`,
        at + 3 * 3_600_000,
        "drill: 480 tables restored and found equal",
        null,
      ),
      ...(day % 7 === 2 ? [point("mark", `${day}`, at + 36_000_000, `deploy ${day}`, null)] : []),
      ...(day % 90 === 5 ? [point("pin", `release-${day}`, at, `release-${day}`, null)] : []),
      ...(day % 30 === 9
        ? [point("index", `${day}`, at + 5e7, "index status made", status.tables[day]!.name)]
        : []),
    ];
  }).flat();
  const drops = status.tables
    .filter(({ state }) => state === "dropped")
    .map(({ id, name, lastRestorable }) =>
      point("drop", id.slice(0, 6), Date.parse(lastRestorable!), "table dropped", name),
    );
  const all = [...points, ...drops].sort((a, b) => (a.at < b.at ? -1 : 1));
  return {
    table: null,
    from: formatInstant(begin),
    to: formatInstant(now),
    points: all,
    activity: null,
  };
}
