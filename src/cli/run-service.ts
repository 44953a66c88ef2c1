/** Begins what a process serves beside its capture, and ends it. */
import { Metrics } from "../health/metrics.js";
import { keepReading } from "../health/repository-reading.js";
import type { EndOfPart, Served, ServicePart, Serving } from "./served.js";
import { alarms } from "./service-alarms.js";
import { apiPart } from "./service-api.js";
import { heartbeat } from "./service-heartbeat.js";
import { metricsEndpoint } from "./service-metrics.js";
import { serveRecoveries } from "./service-recoveries.js";
import { version } from "./version.js";

const parts: readonly ServicePart[] = [
  metricsEndpoint,
  heartbeat,
  serveRecoveries,
  alarms,
  apiPart,
];

/** Begins all parts. Ends those that have begun if one cannot. */
export async function serve(serving: Serving): Promise<EndOfPart> {
  const beside = new Beside(serving);
  const served: Served = {
    ...serving,
    readRepository: () => beside.readRepository(),
    metrics: () => beside.measured(),
  };
  const ends: EndOfPart[] = [() => beside.end()];
  const endAll = async (failure?: unknown) => {
    for (const end of ends.toReversed()) await end(failure);
  };
  try {
    for (const part of parts) ends.push(await part(served));
  } catch (error) {
    await endAll();
    throw error;
  }
  return endAll;
}

/** What several parts may want, and goes on once for all of them. */
class Beside {
  private readonly ended = new AbortController();
  private readonly goingOn: Promise<void>[] = [];
  private isReading = false;
  private metrics: Metrics | undefined;

  constructor(private readonly serving: Serving) {}

  private get signal(): AbortSignal {
    return AbortSignal.any([this.serving.signal, this.ended.signal]);
  }

  readRepository(): void {
    if (this.isReading) return;
    this.isReading = true;
    const { facts, commands, clock, repository, isFirst: isOurs } = this.serving;
    const chargesRequests = repository.store.chargesRequests === true;
    const options = { commands, clock, chargesRequests, isOurs, signal: this.signal };
    this.goingOn.push(keepReading(facts, options));
  }

  measured(): Metrics {
    if (this.metrics) return this.metrics;
    this.metrics = new Metrics({ ...this.serving, version });
    this.goingOn.push(this.metrics.measure(this.signal));
    this.readRepository();
    return this.metrics;
  }

  async end(): Promise<void> {
    this.ended.abort(new Error("the capture ended"));
    await Promise.all(this.goingOn);
  }
}
