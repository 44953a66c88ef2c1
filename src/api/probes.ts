/** Probes: what a process says of its own health, to anybody. They name no table, and repeat no error. */
import type { Clock } from "../clock.js";
import type { Facts, LaneFacts, TableFacts } from "../health/facts.js";
import { formatInstant } from "../instant.js";

export interface Health {
  healthy: boolean;
  /** What is wrong, each in a word or two, with the lane, and since when if that is known. */
  wrong: { what: string; lane?: number; since?: string; tables?: number }[];
  /** Of each lane that this process captures: when its last tick was stored. */
  lanes: { lane: number; standingBy: boolean; lastTickStored: string | null }[];
}

/** Beyond the longest time between two ticks, so much is a standstill. */
const allowanceMs = 20_000;

/**
 * True health: a change lately went the whole way from the feed to the store. Of a process that captures nothing, none
 * is expected.
 * @param tickMsMax how far apart two ticks of a lane may be, in ms
 */
export function healthOf(facts: Facts, clock: Clock, tickMsMax: number): Health {
  const now = clock.now();
  const lateAt = now - tickMsMax - allowanceMs;
  const wrong: Health["wrong"] = [];
  for (const lane of facts.lanes.values()) {
    if (!lane.isStandingBy) wrong.push(...wrongOf(lane, lateAt));
    const tables = [...facts.tables.values()].filter((table) => table.lane === lane.lane);
    const add = (what: string, of: readonly TableFacts[]) => {
      if (of.length > 0) wrong.push({ what, lane: lane.lane, tables: of.length });
    };
    add(
      "tables are stopped",
      tables.filter(({ state }) => state === "stopped"),
    );
    add(
      "tables are in a gap",
      tables.filter(({ state }) => state === "gap"),
    );
    // What never had a proof is being copied first.
    const isBehind = ({ state, frontier = now }: TableFacts) =>
      state === "live" && frontier < lateAt;
    add("tables are behind", tables.filter(isBehind));
  }
  return { healthy: wrong.length === 0, wrong, lanes: [...facts.lanes.values()].map(laneResult) };
}

function wrongOf(facts: LaneFacts, lateAt: number): Health["wrong"] {
  const { lane } = facts;
  const since = (what: string, at: number) => ({ what, lane, since: formatInstant(at) });
  const stored = facts.lastTick?.storedAt ?? facts.since;
  return [
    ...(stored < lateAt ? [since("no tick was stored", stored)] : []),
    ...(facts.isLost ? [{ what: "the log is lost", lane }] : []),
    ...(facts.storeFails ? [since("the store takes nothing", facts.storeFails.since)] : []),
    ...(facts.readingStopped ? [since("reading has stopped", facts.readingStopped)] : []),
    ...(facts.surveyFails ? [since("nothing can be proven", facts.surveyFails.since)] : []),
    ...(facts.catalogUnreadable
      ? [since("the catalog cannot be read", facts.catalogUnreadable.since)]
      : []),
    ...(facts.missingServers.length > 0 ? [{ what: "servers are not reached", lane }] : []),
  ];
}

const laneResult = ({ lane, isStandingBy, lastTick }: LaneFacts) => ({
  lane,
  standingBy: isStandingBy,
  lastTickStored: lastTick ? formatInstant(lastTick.storedAt) : null,
});
