/** Metrics of what is captured: tables, lanes, ticks. */
import type { TableState } from "../capture/table-state.js";
import type { Totals } from "../format/segment.js";
import { type Instant, leastOf } from "../instant.js";
import type { Facts, TableFacts } from "./facts.js";
import type { Family } from "./families.js";
import { capturedLanes, leastFrontier, restorableUntil } from "./frontier.js";

/** Every state of a table that is there. */
const states: Record<Exclude<TableState, "dropped">, true> = {
  opening: true,
  copying: true,
  live: true,
  gap: true,
  resyncing: true,
  stopped: true,
};

/** A moment in seconds; 0 for one that has never been. */
export const seconds = (at: Instant | undefined): number => (at ?? 0) / 1000;

export function captureGauges(facts: Facts): Family[] {
  /** Nothing, in a process that captures nothing. */
  const ifCapturing = (read: () => number) => () =>
    capturedLanes(facts).length > 0 ? read() : undefined;
  const lane0 = () => facts.lanes.get(0);
  return [
    {
      name: "thinkback_lanes",
      help: "Lanes that this process captures, and for which it stands by.",
      label: "state",
      read: () => {
        const captured = capturedLanes(facts).length;
        return [
          ["captured", captured],
          ["standby", facts.lanes.size - captured],
        ];
      },
    },
    {
      name: "thinkback_lane_tick_stored_timestamp_seconds",
      help: "When the store took the last tick of a lane that this process captures.",
      label: "lane",
      read: () =>
        capturedLanes(facts).map(({ lane, lastTick }) => [`${lane}`, seconds(lastTick?.storedAt)]),
    },
    {
      name: "thinkback_tick_stored_timestamp_seconds",
      help: "The same of the lane whose last tick is the oldest.",
      read: ifCapturing(() =>
        seconds(leastOf(capturedLanes(facts).map(({ lastTick }) => lastTick?.storedAt))),
      ),
    },
    {
      name: "thinkback_frontier_timestamp_seconds",
      help: "The instant up to which all tables are proven that this process captures; 0 while one has no proof.",
      read: ifCapturing(() => seconds(leastFrontier(facts))),
    },
    {
      name: "thinkback_restorable_until_timestamp_seconds",
      help: "The newest instant to which all that this process captures can be restored exactly; 0 while a table has no base.",
      read: ifCapturing(() => seconds(restorableUntil(facts))),
    },
    {
      name: "thinkback_catalog_frontier_timestamp_seconds",
      help: "The instant up to which the catalog is proven; only in the process that captures lane 0.",
      read: () => (lane0()?.isStandingBy === false ? seconds(lane0()?.catalogFrontier) : undefined),
    },
    {
      name: "thinkback_missing_servers",
      help: "Servers of the cluster that are not reached: the catalog is not proven meanwhile.",
      read: () =>
        new Set([...facts.lanes.values()].flatMap(({ missingServers }) => missingServers)).size,
    },
  ];
}

export function tableGauges(facts: Facts): Family[] {
  return [
    {
      name: "thinkback_tables",
      help: "Tables that this process captures, by their state.",
      label: "state",
      read: () => {
        const tables = [...facts.tables.values()];
        return Object.keys(states).map((name) => [
          name,
          tables.filter(({ state }) => state === name).length,
        ]);
      },
    },
    {
      name: "thinkback_table_frontier_timestamp_seconds",
      help: "The instant up to which a table is proven by a tick that is stored; 0 before its first proof.",
      label: "table",
      read: () => byName(facts, ({ frontier }) => seconds(frontier), Math.min),
    },
  ];
}

export function storedCounters(facts: Facts): Family[] {
  const { stored } = facts;
  return [
    {
      name: "thinkback_ticks_total",
      help: "Ticks that the store took.",
      read: () => stored.ticks,
    },
    {
      name: "thinkback_segment_bytes_total",
      help: "Bytes of the segments that the store took.",
      read: () => stored.segmentBytes,
    },
    {
      name: "thinkback_changes_total",
      help: "Changes that were stored, of all tables, by what they do to the document.",
      label: "op",
      read: () => Object.entries(opsOf(stored)),
    },
    {
      name: "thinkback_change_bytes_total",
      help: "Bytes of these changes, before compression.",
      read: () => stored.bytes,
    },
    {
      name: "thinkback_table_changes_total",
      help: "Changes of a table that were stored since this process captures it.",
      label: "table",
      read: () => byName(facts, ({ totals }) => totals.changes, plus),
    },
    {
      name: "thinkback_gaps_total",
      help: "How often a table that was captured completely ceased to be watched.",
      read: () => facts.gaps,
    },
  ];
}

const plus = (a: number, b: number) => a + b;

const opsOf = ({ changes, inserts, deletes }: Totals) => ({
  insert: inserts,
  replace: changes - inserts - deletes,
  delete: deletes,
});

/** By the names of tables. While a table replaces another one of its name, both are there for a moment. */
function byName(
  { tables }: Facts,
  valueOf: (table: TableFacts) => number,
  joined: (a: number, b: number) => number,
): Map<string, number> {
  const values = new Map<string, number>();
  for (const table of tables.values()) {
    const known = values.get(table.name);
    const value = valueOf(table);
    values.set(table.name, known === undefined ? value : joined(known, value));
  }
  return values;
}
