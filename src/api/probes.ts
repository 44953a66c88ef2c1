/** Probes: what a process says of its own health, to anybody. They name no table, and repeat no error. */
import type { Facts } from "../health/facts.js";
import { type Fault, healthOf } from "../health/health.js";
import type { LaneFacts } from "../health/lane-facts.js";
import { formatInstant, type Instant } from "../instant.js";

export interface HealthTold {
  healthy: boolean;
  /** What is wrong, in some words, since when, and how many tables it is about if it is about some. */
  wrong: { fault: Fault; what: string; since: string; tables?: number }[];
  /** Of each lane that this process captures: when its last tick was stored. */
  lanes: { lane: number; standingBy: boolean; lastTickStored: string | null }[];
}

const words: Record<Fault, string> = {
  log: "what was stored is gone from the repository",
  capture: "the capture cannot begin",
  store: "the store takes no ticks",
  reading: "nothing is read from the source, because memory and spool are full",
  survey: "the source does not tell how much is written",
  catalog: "the catalog is not proven",
  clock: "ticks are labelled with times that have not come yet",
  tables: "tables are not proven",
  stopped: "tables are stopped by a defect",
  maintenance: "maintenance fails",
  drill: "the last drill failed",
};

/** The health by which metrics and heartbeats go, as anybody may see it. A process that captures nothing is healthy. */
export function healthTold(facts: Facts, now: Instant): HealthTold {
  const { healthy, wrong } = healthOf(facts, now);
  return {
    healthy,
    wrong: wrong.map(({ what: fault, since, tables }) => ({
      fault,
      what: words[fault],
      since: formatInstant(since),
      ...(tables ? { tables: tables.length } : {}),
    })),
    lanes: [...facts.lanes.values()].map(laneResult),
  };
}

const laneResult = ({ lane, isStandingBy, lastTick }: LaneFacts) => ({
  lane,
  standingBy: isStandingBy,
  lastTickStored: lastTick ? formatInstant(lastTick.storedAt) : null,
});
