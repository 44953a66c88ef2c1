/**
 * Reads the text format of Prometheus, version 0.0.4, and throws where it is not what the format and its conventions
 * demand: stricter than a server, which takes most of it as it comes.
 */

export interface Metric {
  name: string;
  type: string;
  samples: Map<string, number>;
}

const name = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const sampleForm = new RegExp(`^(${name})(?:\\{(${label}(?:,${label})*)\\})? (\\S+)$`);
const suffixes: Record<string, string[]> = { histogram: ["_bucket", "_sum", "_count"] };

/** The metrics by name. A sample has the key `name{label="value"}`, with its labels in the order of their names. */
export function readExposition(text: string): Map<string, Metric> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const metrics = new Map<string, Metric>();
  let helped: string | undefined;
  let current: Metric | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, kind, of, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === "HELP") {
      if (metrics.has(of!)) throw new Error(`${of} is told twice`);
      helped = of;
    } else if (kind === "TYPE") {
      if (helped !== of) throw new Error(`${of} has no help`);
      current = { name: of!, type: rest!, samples: new Map() };
      refuseBadName(current);
      metrics.set(of!, current);
    } else if (line !== "") takeSample(line, current);
  }
  for (const metric of metrics.values()) if (metric.type === "histogram") checkHistogram(metric);
  return metrics;
}

function refuseBadName({ name: of, type }: Metric): void {
  if (!["counter", "gauge", "histogram"].includes(type)) throw new Error(`${of} is a ${type}`);
  if ((type === "counter") !== of.endsWith("_total")) throw new Error(`${of} is a ${type}`);
  if (!/^(?:thinkback|process)_[a-z]+(?:_[a-z]+)*$/.test(of)) throw new Error(`${of} is no name`);
}

function takeSample(line: string, metric: Metric | undefined): void {
  const [, of, labels = "", value] = sampleForm.exec(line) ?? [];
  if (of === undefined) throw new Error(`this is no sample: ${line}`);
  const known = metric && (suffixes[metric.type] ?? [""]).map((suffix) => metric.name + suffix);
  if (!known?.includes(of)) throw new Error(`this sample stands among others: ${line}`);
  const sorted = [...labels.matchAll(new RegExp(label, "g"))].map(([one]) => one).sort();
  if (new Set(sorted.map((one) => one.split("=")[0])).size < sorted.length)
    throw new Error(`a label is there twice: ${line}`);
  const key = sorted.length === 0 ? of : `${of}{${sorted.join(",")}}`;
  if (metric!.samples.has(key)) throw new Error(`this series is there twice: ${line}`);
  const number = value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value);
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(value!)) throw new Error(`this is no number: ${line}`);
  if (metric!.type !== "gauge" && number < 0) throw new Error(`this cannot fall: ${line}`);
  metric!.samples.set(key, number);
}

/** Its buckets rise up to the count. */
function checkHistogram({ name: of, samples }: Metric): void {
  const last = new Map<string, { bound: number; value: number }>();
  for (const [key, value] of samples) {
    const bound = /[{,]le="([^"]+)"/.exec(key)?.[1];
    if (bound === undefined) continue;
    const series = key
      .replace(/le="[^"]+",?/, "")
      .replace(",}", "}")
      .replace("{}", "");
    const before = last.get(series) ?? { bound: Number.NEGATIVE_INFINITY, value: 0 };
    const now = { bound: bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound), value };
    if (now.bound <= before.bound || now.value < before.value)
      throw new Error(`the buckets of ${key} do not rise`);
    last.set(series, now);
  }
  if (last.size === 0) throw new Error(`${of} has no buckets`);
  for (const [series, { bound, value }] of last) {
    const count = samples.get(series.replace("_bucket", "_count"));
    if (bound !== Number.POSITIVE_INFINITY || value !== count)
      throw new Error(`the last bucket of ${series} is not its count`);
    if (!samples.has(series.replace("_bucket", "_sum"))) throw new Error(`${series} has no sum`);
  }
}

/** The value of a sample, by its key; undefined if there is no such series. */
export function valueIn(metrics: Map<string, Metric>, key: string): number | undefined {
  const of = key.split("{")[0]!;
  const family = metrics.get(of) ?? metrics.get(of.replace(/_(bucket|sum|count)$/, ""));
  if (!family) throw new Error(`there is no metric ${of}`);
  return family.samples.get(key);
}
