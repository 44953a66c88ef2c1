/**
 * What is wrong, by cause: from what this process knows of its own work, and from what the status of the repository
 * says of the work of others. Pure.
 *
 * Of what has one cause, only the cause is told: while the store is away no table is called unproven. What a cause
 * hides is neither raised nor ended meanwhile.
 */
import type { Facts } from "../health/facts.js";
import { type Fault, healthOf, type Wrong } from "../health/health.js";
import type { LaneFacts } from "../health/lane-facts.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import type { CronTimes } from "../upkeep/schedule.js";
import type { AlarmKind } from "./kinds.js";
import type { StatusSeen } from "./status-seen.js";
import { statusSymptoms } from "./status-symptoms.js";
import { keyOf, type Symptom, type Symptoms } from "./symptom.js";

export interface Bounds {
  /** By how much the newest instant that can be restored may be behind, in ms. */
  behindMs: number;
  /** When drills are made; undefined if none are asked for. */
  drills: CronTimes | undefined;
  /** Where the copies are that are kept up to date. */
  copies: readonly string[];
}

/** What is known beside the facts. */
export interface Beside {
  /** The last status; undefined before the first. */
  status: StatusSeen | undefined;
  /** How full the spool is, in bytes; undefined without one, or while it is not used. */
  spool: { used: number; limit: number } | undefined;
  /** Mass changes that go on. */
  massChanges: readonly Symptom[];
  /** True for kinds of which an alarm is open. */
  isOpen: (kind: AlarmKind) => boolean;
}

/** More tables than this have one alarm together: what stops so many has one cause, though their errors differ. */
export const fewTables = 3;
const spoolShareMax = 0.8;
/** How late a drill may be, in ms: it takes a while. */
const drillLateMsMax = 3_600_000;

const kindOf: Record<Exclude<Fault, "tables" | "stopped" | "catalog">, AlarmKind> = {
  log: "log-lost",
  capture: "capture-down",
  store: "store-away",
  reading: "spool-full",
  survey: "survey-fails",
  clock: "clock-wrong",
  maintenance: "maintenance-fails",
  drill: "drill-failed",
};

/** The causes in the order in which one hides the next, and everything that may follow from them. */
const causes: readonly AlarmKind[] = [
  "log-lost",
  "capture-down",
  "store-away",
  "clock-wrong",
  "survey-fails",
];
const effects: readonly AlarmKind[] = [
  "servers-missing",
  "catalog-unreadable",
  "tables-unproven",
  "table-unproven",
  "behind",
];

export function symptoms(facts: Facts, now: Instant, bounds: Bounds, beside: Beside): Symptoms {
  const { status, isOpen, massChanges } = beside;
  const lanes = [...facts.lanes.values()].filter(({ isStandingBy }) => !isStandingBy);
  const wrong = healthOf(facts, now, 0).wrong;
  const found: Symptom[] = [];
  const unjudged = new Set<AlarmKind>();
  const hide = (kinds: readonly AlarmKind[]) => {
    for (const kind of kinds) unjudged.add(kind);
  };
  const add = (kind: AlarmKind, since: Instant, text: string, of = "") =>
    found.push({ kind, of, since, text });

  const away = lanes.find((lane) => isSourceAway(facts, lane));
  if (away) {
    const { since, reason } = away.catalogUnreadable!;
    add("source-away", since, `the source cannot be reached: ${reason}`);
    hide(["survey-fails", ...effects]);
  }
  for (const { what, since, text } of wrong) {
    if (what === "tables" || what === "stopped" || what === "reading") continue;
    const kind = what === "catalog" ? catalogKind(lanes) : kindOf[what];
    // A lane may be named by another fault in each of several lanes.
    if (found.some((one) => one.kind === kind && one.of === "")) continue;
    add(kind, since, text);
    const rank = causes.indexOf(kind);
    if (rank >= 0) hide([...causes.slice(rank + 1), ...effects]);
    if (rank >= 0 && rank <= causes.indexOf("store-away")) hide(["maintenance-fails"]);
  }
  const full = spoolFull(lanes, beside, now);
  if (full) found.push(full);
  const tables = tablesIn(facts, wrong, status);
  const areMany = tables.length > fewTables || (isOpen("tables-unproven") && tables.length > 0);
  if (areMany) {
    const since = Math.min(...tables.map((one) => one.since));
    add("tables-unproven", since, `${tables.length} tables are not proven: ${someOf(tables)}`);
    hide(["table-unproven"]);
  } else found.push(...tables);
  if (tables.length > 0) hide(["behind"]);
  const behind = behindIn(facts, status, now);
  if (behind && behind.ms > bounds.behindMs) {
    const text = `the newest instant that can be restored exactly is ${formatDuration(behind.ms)} ago`;
    add("behind", now - behind.ms, `${text}: ${behind.why}`);
  }
  found.push(...copiesIn(facts, bounds), ...massChanges);
  const overdue = drillOverdue(facts, status, bounds, now);
  if (overdue) found.push(overdue);
  const told = statusSymptoms(status, now);
  hide([...told.unjudged]);
  // What both know is told as this process knows it, which is newer.
  const known = new Set(found.map(keyOf));
  found.push(...told.found.filter((one) => !known.has(keyOf(one))));
  return { found: found.filter(({ kind }) => !unjudged.has(kind)), unjudged };
}

/** True if nothing of a lane is watched, and not even the catalog can be read. */
function isSourceAway(facts: Facts, lane: LaneFacts): boolean {
  const tables = [...facts.tables.values()].filter((one) => one.lane === lane.lane);
  const isWatched = tables.some(({ state }) => /^(live|copying|resyncing)$/.test(state));
  return lane.catalogUnreadable !== undefined && !isWatched;
}

const catalogKind = (lanes: readonly LaneFacts[]): AlarmKind =>
  lanes.some(({ missingServers }) => missingServers.length > 0)
    ? "servers-missing"
    : "catalog-unreadable";

function spoolFull(
  lanes: readonly LaneFacts[],
  { spool }: Beside,
  now: Instant,
): Symptom | undefined {
  const stopped = lanes.flatMap(({ readingStopped }) => readingStopped ?? []);
  const [kind, of] = ["spool-full" as const, ""];
  if (stopped.length > 0) {
    const text =
      "memory and spool are full, so nothing is read from the source: tables will have gaps";
    return { kind, of, since: Math.min(...stopped), text };
  }
  if (!spool || spool.used < spoolShareMax * spool.limit) return undefined;
  const share = Math.floor((100 * spool.used) / spool.limit);
  return { kind, of, since: now, text: `the spool is ${share}% full` };
}

/** The tables that are not proven, each with its reason: those of other processes as the status says. */
function tablesIn(facts: Facts, wrong: readonly Wrong[], status: StatusSeen | undefined) {
  const kind = "table-unproven" as const;
  const own = wrong.flatMap(({ what, since, text, tables = [] }) =>
    (what === "tables" || what === "stopped" ? tables : []).map((id): Symptom => {
      const table = facts.tables.get(id)!;
      const why = text.slice(text.indexOf(": ") + 2);
      return { kind, of: id, since: table.frontier ?? since, text: `${table.name}: ${why}` };
    }),
  );
  const others = (status?.tables ?? [])
    .filter(({ id, lane }) => !facts.tables.has(id) && !facts.lanes.has(lane))
    .flatMap(({ id, name, trouble }): Symptom[] =>
      trouble ? [{ kind, of: id, since: trouble.since, text: `${name}: ${trouble.reason}` }] : [],
    );
  return [...own, ...others];
}

function someOf(tables: readonly Symptom[]): string {
  const texts = tables.slice(0, fewTables).map(({ text }) => text);
  return `${texts.join("; ")}${tables.length > fewTables ? "; …" : ""}`;
}

/** By how much the newest restorable instant is behind, and what holds it back. Of the first copy nothing is told. */
function behindIn(facts: Facts, status: StatusSeen | undefined, now: Instant) {
  let least: { ms: number; why: string } | undefined;
  for (const { name, frontier, state } of facts.tables.values()) {
    if (frontier === undefined || state === "copying") continue;
    const ms = now - frontier;
    if (!least || ms > least.ms) {
      least = { ms, why: `${name} is proven up to ${formatInstant(frontier)}` };
    }
  }
  const said = status?.behindNowMs;
  if (said === undefined || (least && least.ms >= said)) return least;
  return { ms: said, why: "see `thinkback status`" };
}

function copiesIn(facts: Facts, { copies }: Bounds): Symptom[] {
  return copies.flatMap((copy): Symptom[] => {
    const { failingSince, reason } = facts.work(`copy ${copy}`);
    if (failingSince === undefined) return [];
    const text = `the copy at ${copy} is not up to date: ${reason}`;
    return [{ kind: "copy-behind", of: copy, since: failingSince, text }];
  });
}

function drillOverdue(
  facts: Facts,
  status: StatusSeen | undefined,
  { drills }: Bounds,
  now: Instant,
): Symptom | undefined {
  if (!drills) return undefined;
  const proven = [facts.work("drill").succeededAt ?? 0, status?.drilled ?? 0];
  const last = Math.max(...proven);
  // Before the first drill nothing is known to have been missed.
  const since = drills.next(drills.next(last === 0 ? facts.startedAt : last));
  if (since + drillLateMsMax > now) return undefined;
  const when = last === 0 ? "no drill has succeeded" : `the last was at ${formatInstant(last)}`;
  return { kind: "drill-overdue", of: "", since, text: `two drills were missed: ${when}` };
}
