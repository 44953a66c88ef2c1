/** What drills have found, in words, and where the points of their trend lie. */
import type { Drills } from "../app/answers.js";
import { counted, type Tone } from "./bits.js";

export type Drill = Drills["drills"][number];
export type Outcome = "passed" | "differs" | "could not run";

/** A drill passes if each table was restored and equal, and found what was expected. */
export function outcomeOf({ ok, failure, checks = [] }: Drill): Outcome {
  if (failure) return "could not run";
  if (!ok || checks.some(({ outcome }) => outcome === "differs")) return "differs";
  return checks.some(({ outcome }) => outcome !== "passed") ? "could not run" : "passed";
}

export const toneOf: Record<Outcome, Tone> = {
  passed: "good",
  differs: "bad",
  "could not run": "unknown",
};

/** What differs in a table: `2 documents missing, 1 altered`. */
export function differenceText({ differences }: Drill["tables"][number]): string {
  if (!differences) return "";
  const { missing, altered, extra, settings } = differences;
  const parts = [
    missing > 0 && `${counted(missing, "document")} missing`,
    altered > 0 && `${counted(altered, "document")} altered`,
    extra > 0 && `${counted(extra, "document")} too many`,
    settings > 0 && counted(settings, "setting"),
  ];
  return parts.filter(Boolean).join(", ");
}

export interface TrendPoint {
  x: number;
  y: number;
  outcome: Outcome;
  drill: Drill;
}

/** Where each drill lies in a field of this size: to the right with time, upwards with the seconds that it took. */
export function trendPoints(drills: readonly Drill[], width: number, height: number) {
  const times = drills.map(({ ended }) => Date.parse(ended));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const most = Math.max(1, ...drills.map(({ seconds }) => seconds));
  const points = drills.map((drill, i): TrendPoint => {
    const share = last === first ? 0.5 : (times[i]! - first) / (last - first);
    return {
      x: share * width,
      y: height - (drill.seconds / most) * height,
      outcome: outcomeOf(drill),
      drill,
    };
  });
  return { points, first, last, most };
}
