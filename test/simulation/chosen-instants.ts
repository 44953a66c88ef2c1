/** Which instants of an interval are looked at. */
import {
  type CoverageInterval,
  firstExactIn,
  lastExactIn,
} from "../../src/repository/coverage/coverage.js";
import type { Random } from "../simulated/random.js";

/** Edges of an interval are where mistakes are; half of the instants are chosen there. */
export function chooseInstant(from: number, to: number, random: Random): number {
  const chance = random.next();
  if (chance < 0.2) return from;
  if (chance < 0.5) return to;
  return from + random.below(to - from + 1);
}

/** Half of the instants are such that a resolution keeps them; undefined if none is kept of the interval there. */
export function chooseKept(interval: CoverageInterval, random: Random): number | undefined {
  const chosen = chooseInstant(interval.from, interval.to, random);
  const gridMs = [2000, 10_000, 30_000, 60_000, 86_400_000][random.below(10)] ?? 1;
  const near = chosen - ((chosen + 1) % gridMs);
  const instant = near >= interval.from ? near : chosen;
  return lastExactIn(interval, instant) ?? firstExactIn(interval, instant);
}
