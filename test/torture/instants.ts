/** Which instants are judged: any of a table's life, and those inside and right after what was done. */
import type { TortureTable } from "./table.js";

export interface Disturbance {
  name: string;
  from: number;
  to: number;
}

export interface Chosen {
  table: TortureTable;
  instant: number;
  /** What was done then, or right before; undefined for any instant. */
  disturbance: Disturbance | undefined;
}

/** So long after a disturbance what it did may still show. */
const afterMs = 6000;

/** One instant; every other one is near a disturbance, where there was one. */
export function choose(
  tables: readonly TortureTable[],
  disturbances: readonly Disturbance[],
  random: () => number,
): Chosen | undefined {
  const table = tables[Math.floor(random() * tables.length)]!;
  const end = table.died ?? Date.now();
  const near = disturbances.filter(({ from, to }) => to + afterMs > table.born && from < end);
  const isNear = random() < 0.5;
  const disturbance = isNear ? near[Math.floor(random() * near.length)] : undefined;
  const from = Math.max(table.born, disturbance?.from ?? table.born);
  const to = Math.min(end, disturbance ? disturbance.to + afterMs : end);
  const instant = Math.floor(from + random() * (to - from));
  return to > from ? { table, instant, disturbance } : undefined;
}
