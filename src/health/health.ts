/**
 * Whether the backup goes on as it should, as far as this process can tell: for probes, heartbeats and alarms.
 *
 * What passes by itself, such as a server that is started anew, is called wrong only after a while. Of what has one
 * cause, only the cause is told: while the store is away, no table is named for not being proven.
 */

import type { TableState } from "../capture/table-state.js";
import { clockDifferenceMsMax } from "../clock.js";
import { formatInstant, type Instant } from "../instant.js";
import type { Facts, TableFacts } from "./facts.js";
import { capturedLanes } from "./frontier.js";
import type { LaneFacts } from "./lane-facts.js";

export const faults = [
  /** What was stored is gone from the repository. */
  "log",
  /** Another process captures, or the capture could not begin. */
  "capture",
  /** The store takes no ticks. */
  "store",
  /** Nothing is read from the source, because memory and spool are full. */
  "reading",
  /** The source does not say how much is written. */
  "survey",
  /** The catalog is not proven. */
  "catalog",
  /** Proofs are of times that have not come yet. */
  "clock",
  /** Tables that are not proven. */
  "tables",
  /** Tables whose capture a defect has stopped. */
  "stopped",
  /** Maintenance fails. */
  "maintenance",
  /** The last drill failed. */
  "drill",
] as const;
export type Fault = (typeof faults)[number];

/** Something that is wrong. At most one of each fault, except that tables are grouped by their reason. */
export interface Wrong {
  what: Fault;
  since: Instant;
  /** What happened, for people. */
  text: string;
  /** The ids of the tables that it is about; absent if it is about no tables in particular. */
  tables?: string[];
}

export interface Health {
  healthy: boolean;
  wrong: Wrong[];
}

const unheard = "its feed is behind what is written, or is not answered";
/** How long trouble may last before it is called wrong, in ms: a store or a server may be started anew. */
export const patienceMs = 60_000;
/** Maintenance may fail for so long, in ms, or for three rounds if those take longer: the next one makes up for it. */
const maintenanceFailsMsMax = 3_600_000;
const roundsFailedMax = 3;
/** Why a table is not proven of which nothing else is known. */
const silence: Record<TableState, string> = {
  opening: "it could not be opened yet",
  copying: unheard,
  live: unheard,
  resyncing: unheard,
  gap: "it is not watched",
  stopped: "it is not watched",
  dropped: "it is gone",
};
/** How many tables a text names. */
const namedMax = 3;

/** How old the proof of a table may be, in ms: that of one tick, and of two more that are slow. */
export function proofAgeMsMax({ tickEveryMs }: Facts): number {
  return Math.max(patienceMs, 3 * tickEveryMs);
}

/**
 * What is wrong now; of lanes for which the process stands by, nothing is.
 * @param patience how long store, source and capture may fail before that is called wrong, in ms
 */
export function healthOf(facts: Facts, now: Instant, patience = patienceMs): Health {
  const lanes = capturedLanes(facts);
  const wrong = [
    ...lanes.flatMap((lane) => inLane(facts, lane, now, patience)),
    ...inWorks(facts, now),
  ];
  return { healthy: wrong.length === 0, wrong: inOne(wrong) };
}

/**
 * True if a probe has lately travelled the whole way in every lane that this process captures: each table's feed was
 * proven, and a tick that says so is durable in the store. False while it captures nothing.
 */
export function isProvenLately(facts: Facts, now: Instant): boolean {
  const isLate = (at: Instant | undefined) => at === undefined || isApart(at, now, facts);
  const lanes = capturedLanes(facts);
  return (
    lanes.length > 0 &&
    lanes.every(({ lastTick }) => !isLate(lastTick?.storedAt)) &&
    [...facts.tables.values()].every(({ frontier }) => !isLate(frontier))
  );
}

const isApart = (at: Instant, now: Instant, facts: Facts) =>
  now - at > proofAgeMsMax(facts) || isAhead(at, now);

const isAhead = (at: Instant, now: Instant) => at - now > clockDifferenceMsMax;

function inLane(facts: Facts, lane: LaneFacts, now: Instant, patience: number): Wrong[] {
  const tables = [...facts.tables.values()].filter((table) => table.lane === lane.lane);
  const stopped = tables.filter(({ state }) => state === "stopped");
  const watched = tables.filter(({ state }) => state !== "stopped");
  const cause = causeIn(facts, lane, now, patience);
  const found = cause
    ? [cause]
    : [...unproven(facts, watched, now), ...catalogIn(facts, lane, now)];
  return [...found, ...grouped("stopped", stopped, (table) => table.since)];
}

/** What keeps all of a lane from being proven. */
function causeIn(facts: Facts, lane: LaneFacts, now: Instant, patience: number): Wrong | undefined {
  const { lastTick, storeFails, readingStopped, surveyFails, beginsLater } = lane;
  const isLong = (since: Instant) => now - since > patience;
  if (lane.isLost) {
    const since = lastTick?.storedAt ?? lane.since;
    return wrong(
      "log",
      since,
      "what was stored is gone from the repository, and the capture has not gone on yet",
    );
  }
  if (beginsLater && isLong(beginsLater.since)) {
    const { since, reason } = beginsLater;
    return wrong("capture", since, `${uncaptured(facts)}: ${reason}`);
  }
  if (storeFails && isLong(storeFails.since)) {
    return wrong("store", storeFails.since, `the store takes no ticks: ${storeFails.reason}`);
  }
  if (readingStopped !== undefined && isLong(readingStopped)) {
    return wrong(
      "reading",
      readingStopped,
      "nothing is read from the source, because memory and spool are full",
    );
  }
  const stored = lastTick?.storedAt ?? lane.since;
  if (now - stored > proofAgeMsMax(facts)) return wrong("store", stored, "no tick was stored");
  if (lastTick && isAhead(lastTick.to, now)) {
    const text = `ticks are labelled with times that have not come yet, up to ${formatInstant(lastTick.to)}`;
    return wrong(
      "clock",
      lastTick.storedAt,
      `${text}: this machine's clock was set back, or was ahead`,
    );
  }
  if (surveyFails && isLong(surveyFails.since)) {
    const { since, reason } = surveyFails;
    return wrong(
      "survey",
      since,
      `the source does not tell how much is written, so no table is proven: ${reason}`,
    );
  }
  return undefined;
}

/** What is not captured, as words. */
function uncaptured(facts: Facts): string {
  const lanes = capturedLanes(facts);
  const failing = lanes.filter(({ beginsLater }) => beginsLater).map(({ lane }) => lane);
  if (failing.length === lanes.length) return "nothing is captured";
  const [first, ...more] = failing.toSorted((a, b) => a - b);
  return more.length === 0
    ? `lane ${first} is not captured`
    : `lanes ${[first, ...more].join(", ")} are not captured`;
}

function unproven(facts: Facts, tables: TableFacts[], now: Instant): Wrong[] {
  const sinceOf = ({ frontier, since }: TableFacts) => frontier ?? since;
  const late = tables.filter((table) => now - sinceOf(table) > proofAgeMsMax(facts));
  return grouped("tables", late, sinceOf);
}

function catalogIn(facts: Facts, lane: LaneFacts, now: Instant): Wrong[] {
  const { catalogFrontier, catalogUnreadable, missingServers, since } = lane;
  const isThere = catalogFrontier !== undefined || catalogUnreadable !== undefined;
  const at = catalogFrontier ?? since;
  if (!isThere || now - at <= proofAgeMsMax(facts)) return [];
  const reason =
    missingServers.length > 0
      ? `not every server is reached: ${missingServers.join(", ")}`
      : (catalogUnreadable?.reason ?? "the source does not tell it");
  return [wrong("catalog", at, `the catalog is not proven: ${reason}`)];
}

/** Of the processes that capture, the one that captures lane 0 makes both. */
function inWorks(facts: Facts, now: Instant): Wrong[] {
  const captures = facts.lanes.size > 0;
  if (captures && facts.lanes.get(0)?.isStandingBy !== false) return [];
  const found: Wrong[] = [];
  const maintenance = facts.works.get("maintenance");
  const longMs = Math.max(maintenanceFailsMsMax, roundsFailedMax * (maintenance?.everyMs ?? 0));
  if (maintenance?.failingSince !== undefined && now - maintenance.failingSince > longMs) {
    const { failingSince, reason } = maintenance;
    found.push(wrong("maintenance", failingSince, `maintenance fails: ${reason}`));
  }
  const drill = facts.works.get("drill");
  if (drill?.failingSince !== undefined) {
    found.push(wrong("drill", drill.failingSince, `the last drill failed: ${drill.reason}`));
  }
  return found;
}

/** One for all tables that have the same reason. */
function grouped(
  what: "tables" | "stopped",
  tables: TableFacts[],
  sinceOf: (table: TableFacts) => Instant,
): Wrong[] {
  const groups = new Map<string, TableFacts[]>();
  for (const table of tables) {
    const reason = table.reason ?? silence[table.state];
    groups.set(reason, [...(groups.get(reason) ?? []), table]);
  }
  const how = what === "tables" ? "not proven" : "stopped by a defect";
  return [...groups].map(([reason, of]) => ({
    what,
    since: Math.min(...of.map(sinceOf)),
    text: `${namesOf(of)} ${of.length === 1 ? "is" : "are"} ${how}: ${reason}`,
    tables: of.map(({ id }) => id),
  }));
}

function namesOf(tables: TableFacts[]): string {
  const names = tables.map(({ name }) => name).sort();
  const more = names.length - namedMax;
  return `${names.slice(0, namedMax).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

const wrong = (what: Fault, since: Instant, text: string): Wrong => ({ what, since, text });

/** The same trouble in several lanes is told once, though each may have another reason. */
function inOne(all: Wrong[]): Wrong[] {
  const found = new Map<string, Wrong>();
  for (const one of all) {
    const key = one.tables ? `${one.what} ${one.text}` : one.what;
    const known = found.get(key);
    if (!known || one.since < known.since) found.set(key, one);
  }
  return [...found.values()];
}
