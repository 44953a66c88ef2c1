/**
 * Metrics whose samples are read when somebody asks: each family says how, and keeps nothing of its own. So a series is
 * there as long as what it tells of, and no longer.
 */
import { Counter, Gauge, type Registry } from "prom-client";

/** A number, for families without labels; or by the value of the label. An undefined number is no series. */
export type Samples = number | undefined | Iterable<readonly [label: string, value: number]>;

export interface Family {
  name: string;
  /** What it tells, in a sentence. */
  help: string;
  /** The name of its label, if it has one. */
  label?: string;
  read: () => Samples;
}

/** Registers metrics that may fall. */
export function gauges(registry: Registry, families: readonly Family[]): void {
  for (const family of families) {
    const gauge: Gauge = new Gauge({
      ...formOf(family),
      registers: [registry],
      collect: (): void => collect(gauge, family, (labels, value) => gauge.set(labels, value)),
    });
  }
}

/** Registers metrics that only rise, until the process ends. */
export function counters(registry: Registry, families: readonly Family[]): void {
  for (const family of families) {
    const counter: Counter = new Counter({
      ...formOf(family),
      registers: [registry],
      collect: (): void => collect(counter, family, (labels, value) => counter.inc(labels, value)),
    });
  }
}

const formOf = ({ name, help, label }: Family) => ({
  name,
  help,
  labelNames: label === undefined ? [] : [label],
});

type Labels = Record<string, string>;

function collect(
  metric: Gauge | Counter,
  { label, read }: Family,
  put: (labels: Labels, value: number) => void,
): void {
  metric.reset();
  const samples = read();
  if (label !== undefined) {
    for (const [of, value] of samples as Iterable<readonly [string, number]>) {
      put({ [label]: of }, value);
    }
  } else {
    metric.remove({});
    if (samples !== undefined) put({}, samples as number);
  }
}
