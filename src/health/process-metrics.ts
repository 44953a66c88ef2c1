/** Metrics of the process itself. Those of every process have the names that all clients of Prometheus give them. */
import type { Facts } from "./facts.js";
import type { Family } from "./families.js";

export function processGauges({ startedAt }: Facts): Family[] {
  return [
    {
      name: "process_start_time_seconds",
      help: "When this process began.",
      read: () => startedAt / 1000,
    },
    {
      name: "process_resident_memory_bytes",
      help: "Memory that the system has given to this process.",
      read: () => process.memoryUsage.rss(),
    },
    {
      name: "thinkback_heap_used_bytes",
      help: "Of that, memory that objects of the program take.",
      read: () => process.memoryUsage().heapUsed,
    },
    {
      name: "thinkback_buffer_bytes",
      help: "Of that, memory of buffers: what is read, waits and is sent.",
      read: () => process.memoryUsage().arrayBuffers,
    },
  ];
}

export function processCounters(): Family[] {
  return [
    {
      name: "process_cpu_seconds_total",
      help: "Time that this process was computing, without maintenance and drills.",
      read: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    },
  ];
}
