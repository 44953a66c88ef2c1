import { formatTable } from "../../src/cli/output.js";
import { points, type Quantity, quantities, type Samples } from "./samples.js";

/** What starts and fills up is over by then; slopes are those of the rest. */
export const settledAfter = 0.25;

export interface Summary {
  mean: number;
  min: number;
  median: number;
  p99: number;
  max: number;
  /** Of the line of least squares through all but the first quarter, per hour. */
  slopePerHour: number;
}

export function summarise(samples: Samples, name: Quantity): Summary | undefined {
  const read = points(samples, name);
  if (read.length === 0) return undefined;
  const sorted = read.map(([, value]) => value).sort((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const settled = (samples.seconds.at(-1) ?? 0) * settledAfter;
  return {
    mean: mean(sorted),
    min: sorted[0]!,
    median: at(0.5),
    p99: at(0.99),
    max: sorted.at(-1)!,
    slopePerHour: 3600 * slope(read.filter(([seconds]) => seconds >= settled)),
  };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of the line of least squares; 0 where there is none. */
function slope(read: [number, number][]): number {
  const x = mean(read.map(([seconds]) => seconds));
  const y = mean(read.map(([, value]) => value));
  let above = 0;
  let below = 0;
  for (const [seconds, value] of read) {
    above += (seconds - x) * (value - y);
    below += (seconds - x) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

export function summaryTable(samples: Samples): string {
  const rows = (Object.keys(quantities) as Quantity[]).flatMap((name) => {
    const found = summarise(samples, name);
    if (!found) return [];
    const { title, unit } = quantities[name];
    const numbers = [found.min, found.median, found.mean, found.p99, found.max].map(short);
    return [[unit === "" ? title : `${title}, ${unit}`, ...numbers, signed(found.slopePerHour)]];
  });
  return formatTable(["quantity", "min", "median", "mean", "p99", "max", "slope per hour"], rows);
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${short(value)}`;
}

function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}
