/** Metrics of the repository's store, of what waits for it, and of its copies. */
import type { Requests } from "../storage/store-use.js";
import { seconds } from "./capture-metrics.js";
import type { Facts } from "./facts.js";
import type { Family } from "./families.js";

/** How metrics call the kinds of requests. */
export const opOf: Record<keyof Requests, string> = {
  puts: "put",
  gets: "get",
  heads: "head",
  lists: "list",
  deletes: "delete",
};

const kinds = Object.entries(opOf) as [keyof Requests, string][];

export function storeGauges(facts: Facts): Family[] {
  const waiting = (of: "memoryBytes" | "spoolBytes") =>
    [...facts.lanes.values()].reduce((sum, lane) => sum + lane.waiting[of], 0);
  return [
    {
      name: "thinkback_waiting_bytes",
      help: "Bytes of segments that wait in memory until the store takes them.",
      read: () => waiting("memoryBytes"),
    },
    {
      name: "thinkback_spool_bytes",
      help: "Bytes of segments that wait on the spool until the store takes them.",
      read: () => waiting("spoolBytes"),
    },
    {
      name: "thinkback_spool_limit_bytes",
      help: "How much a spool may hold; no series without one. Each lane has a spool of its own.",
      read: () => facts.spoolBytesMax,
    },
    {
      name: "thinkback_copy_level_timestamp_seconds",
      help: "When a copy of the repository last had everything that this process put.",
      label: "copy",
      read: () => [...facts.copies].map(([copy, at]) => [copy, seconds(at)]),
    },
  ];
}

export function storeCounters(facts: Facts): Family[] {
  return [
    {
      name: "thinkback_store_requests_total",
      help: "Requests to the stores of the repository and its copies, by their kind, those of maintenance and drills included.",
      label: "op",
      read: () => kinds.map(([kind, op]) => [op, facts.use[kind]]),
    },
    {
      name: "thinkback_store_request_failures_total",
      help: "Requests of this process that the repository's store failed: it was away, full, or refused them.",
      label: "op",
      read: () => kinds.map(([kind, op]) => [op, facts.failedRequests[kind]]),
    },
    {
      name: "thinkback_store_sent_bytes_total",
      help: "Bytes of objects that were put.",
      read: () => facts.use.bytesUp,
    },
    {
      name: "thinkback_store_received_bytes_total",
      help: "Bytes of objects that were read.",
      read: () => facts.use.bytesDown,
    },
  ];
}
