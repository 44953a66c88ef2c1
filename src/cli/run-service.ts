/** Begins what a process serves beside its capture, and ends it. */
import { Metrics } from "../health/metrics.js";
import { RepositoryReading } from "../health/repository-reading.js";
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
  const ended = new AbortController();
  const signal = AbortSignal.any([serving.signal, ended.signal]);
  const beside = new Beside({ ...serving, signal });
  const served: Served = {
    ...serving,
    signal,
    reading: beside.reading,
    keepReading: () => beside.keepReading(),
    metrics: () => beside.measured(),
  };
  const ends: EndOfPart[] = [() => beside.end()];
  const endAll = async (failure?: unknown) => {
    // A part that goes on until the signal aborts would be waited for without end.
    ended.abort(new Error("the service ends"));
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

/** What several parts may want, and goes on once for all of them, until the signal aborts. */
class Beside {
  readonly reading: RepositoryReading;
  private readonly goingOn: Promise<void>[] = [];
  private metrics: Metrics | undefined;

  constructor(private readonly serving: Serving) {
    const { facts, commands, clock, repository, isFirst: isOurs, signal } = serving;
    const chargesRequests = repository.store.chargesRequests === true;
    this.reading = new RepositoryReading(facts, {
      commands,
      clock,
      chargesRequests,
      isOurs,
      signal,
    });
  }

  keepReading(): void {
    this.goingOn.push(this.reading.keep());
  }

  measured(): Metrics {
    if (this.metrics) return this.metrics;
    this.metrics = new Metrics({ ...this.serving, version });
    this.goingOn.push(this.metrics.measure(this.serving.signal));
    this.keepReading();
    return this.metrics;
  }

  /** MUST be called after the signal has aborted. */
  async end(): Promise<void> {
    await Promise.all(this.goingOn);
  }
}
