/** Metrics of what the repository says of itself: only in the process that captures lane 0, and as it was last read. */
import { seconds } from "./capture-metrics.js";
import type { Facts } from "./facts.js";
import type { Family } from "./families.js";
import { holeClasses, type RepositoryState } from "./repository-state.js";

export function repositoryGauges(facts: Facts): Family[] {
  const known = (read: (state: RepositoryState) => number) => () =>
    facts.repository && read(facts.repository);
  return [
    {
      name: "thinkback_repository_restorable_until_timestamp_seconds",
      help: "The newest instant to which everything could be restored exactly when the repository was last read.",
      read: known(({ restorableUntil }) => seconds(restorableUntil)),
    },
    {
      name: "thinkback_last_proven_timestamp_seconds",
      help: "When the drill ended that proved the most tables.",
      read: known(({ proven }) => seconds(proven.done)),
    },
    {
      name: "thinkback_proven_tables",
      help: "How many tables that drill proved.",
      read: known(({ proven }) => proven.tables),
    },
    {
      name: "thinkback_repository_tables",
      help: "How many tables are captured, in all lanes.",
      read: known(({ proven }) => proven.of),
    },
    {
      name: "thinkback_least_proven_timestamp_seconds",
      help: "When the last drill of the table ended that was proven the longest ago; 0 if one was never proven.",
      read: known(({ leastProven }) => seconds(leastProven)),
    },
    {
      name: "thinkback_drill_failed",
      help: "1 if the newest drill failed, or the newest one of a table; else 0.",
      read: known(({ hasFailedDrill }) => (hasFailedDrill ? 1 : 0)),
    },
    {
      name: "thinkback_holes",
      help: "How many intervals of captured tables are not exact, by their class.",
      label: "class",
      read: () => {
        const { repository } = facts;
        return repository ? holeClasses.map((name) => [name, repository.holes[name]]) : [];
      },
    },
    {
      name: "thinkback_damaged_tables",
      help: "Captured tables of which nothing new can be restored, because a stored object is missing or damaged.",
      read: known(({ damagedTables }) => damagedTables.length),
    },
    {
      name: "thinkback_overdue_keys",
      help: "Keys that nobody has proven to have for too long.",
      read: known(({ overdueKeys }) => overdueKeys.length),
    },
    {
      name: "thinkback_silent_lanes",
      help: "Lanes in use in which no capture runs.",
      read: known(({ silentLanes }) => silentLanes.length),
    },
    {
      name: "thinkback_segments",
      help: "Segments that are stored, those included that a folded segment stands for.",
      read: known(({ segments }) => segments),
    },
    {
      name: "thinkback_folded_segments",
      help: "Folded segments in use.",
      read: known(({ foldedSegments }) => foldedSegments),
    },
  ];
}
