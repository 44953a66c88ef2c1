/**
 * The metrics of a process, for Prometheus: read from its facts when they are asked for. Moments are told, and not
 * ages: an age stands still with the process that tells it. A moment of 0 has never been.
 */
import { Gauge, Histogram, Registry } from "prom-client";
import type { Clock } from "../clock.js";
import { formatVersion } from "../format/container.js";
import { captureGauges, seconds, storedCounters, tableGauges } from "./capture-metrics.js";
import { probeEventLoop } from "./event-loop.js";
import type { Facts } from "./facts.js";
import { counters, type Family, gauges } from "./families.js";
import { faults, healthOf } from "./health.js";
import { processCounters, processGauges } from "./process-metrics.js";
import { repositoryGauges } from "./repository-metrics.js";
import { opOf, storeCounters, storeGauges } from "./store-metrics.js";
import { workCounters, workGauges } from "./work-metrics.js";

export interface MetricsOf {
  facts: Facts;
  clock: Clock;
  /** Of Thinkback. */
  version: string;
  /** True in the first process, see frontier.ts. */
  isFirst: () => boolean;
}

export class Metrics {
  private readonly registry = new Registry();
  private readonly eventLoopDelay: Histogram;

  constructor(private readonly of: MetricsOf) {
    const { facts } = of;
    const { registry } = this;
    gauges(registry, [
      ...healthGauges(of),
      ...captureGauges(facts),
      ...tableGauges(facts),
      ...storeGauges(facts),
      ...workGauges(facts),
      ...redisGauges(facts),
      ...repositoryGauges(facts),
      ...processGauges(facts),
    ]);
    counters(registry, [
      ...storedCounters(facts),
      ...storeCounters(facts),
      ...workCounters(facts),
      ...processCounters(),
    ]);
    const built = new Gauge({
      name: "thinkback_build_info",
      help: "Always 1: the version of Thinkback, and that of the format in which it stores.",
      labelNames: ["version", "format"],
      registers: [registry],
    });
    built.set({ version: of.version, format: `${formatVersion}` }, 1);
    const durations = new Histogram({
      name: "thinkback_store_request_duration_seconds",
      help: "How long the repository's store took to answer this process; of listings, the first page.",
      labelNames: ["op"],
      buckets: [0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
      registers: [registry],
    });
    for (const op of Object.values(opOf)) durations.zero({ op });
    facts.onRequest((kind, ms) => durations.observe({ op: opOf[kind] }, ms / 1000));
    this.eventLoopDelay = new Histogram({
      name: "thinkback_event_loop_delay_seconds",
      help: "How late timers of this process fired, each tenth of a second.",
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    });
  }

  /** The type of `text`, for the header of an answer. */
  get contentType(): string {
    return this.registry.contentType;
  }

  /** The name, type and meaning of each metric. */
  get families(): { name: string; type: string; help: string }[] {
    // The package's types name the types by numbers; its values are these words.
    const all = this.registry.getMetricsAsArray() as unknown as ReturnType<
      () => Metrics["families"]
    >;
    return all.map(({ name, type, help }) => ({ name, type, help }));
  }

  /** All metrics in the text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** Measures what cannot be read when it is asked for, until the signal aborts. */
  measure(signal: AbortSignal): Promise<void> {
    const { clock } = this.of;
    return probeEventLoop(clock, (ms) => this.eventLoopDelay.observe(ms / 1000), signal);
  }
}

function redisGauges(facts: Facts): Family[] {
  return [
    {
      name: "thinkback_redis_answer_timestamp_seconds",
      help: "When Redis last answered this process, which asks every 2 s; no series without Redis, or without the role capture.",
      read: () => facts.redis && seconds(facts.redis.answeredAt),
    },
  ];
}

function healthGauges({ facts, clock, isFirst }: MetricsOf): Family[] {
  return [
    {
      name: "thinkback_healthy",
      help: "1 while nothing is wrong with what this process does, as far as it can tell; else 0.",
      read: () => (healthOf(facts, clock.now()).healthy ? 1 : 0),
    },
    {
      name: "thinkback_faults",
      help: "What is wrong, by its kind; see docs/monitoring.md.",
      label: "fault",
      read: () => {
        const { wrong } = healthOf(facts, clock.now());
        return faults.map((fault) => [fault, wrong.filter(({ what }) => what === fault).length]);
      },
    },
    {
      name: "thinkback_is_first",
      help: "1 in the first process: it captures lane 0, or tries to while none can. It maintains, and raises alarms. Else 0.",
      read: () => (isFirst() ? 1 : 0),
    },
  ];
}
