/** The class that the console shows for an instant is the one by which a restore goes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { classAt } from "../../src/console/parts/class-at.js";
import { formatInstant } from "../../src/instant.js";
import { asOf } from "../../src/repository/coverage/as-of.js";
import {
  type CoverageInterval,
  intervalAt,
  isKeptAt,
  isWhole,
} from "../../src/repository/coverage/coverage.js";
import { pinsOnlyMs } from "../../src/repository/registers/keep-policy.js";

const lastInstant = 60;

/** Intervals from 0 on, one after the other, with holes; thinned ones among them. */
const intervals = fc
  .array(
    fc.record({
      hole: fc.nat(3),
      length: fc.nat(9),
      class: fc.constantFrom("exact", "late", "gap", "damaged", "unwatched"),
      resolutionMs: fc.constantFrom(undefined, 4, 10, pinsOnlyMs),
      kept: fc.nat(9),
    }),
    { maxLength: 6 },
  )
  .map((parts) => {
    let next = 0;
    return parts.map(({ hole, length, class: of, resolutionMs, kept }): CoverageInterval => {
      const from = next + hole;
      next = from + length + 1;
      const isThinned = resolutionMs !== undefined && (of === "exact" || of === "late");
      return {
        from,
        to: from + length,
        class: of as CoverageInterval["class"],
        ...(of === "late" ? { lateMs: 7 } : {}),
        ...(isThinned ? { resolutionMs, kept: [from + Math.min(kept, length)] } : {}),
      };
    });
  });

const asAnswered = ({ from, to, kept, ...interval }: CoverageInterval) => ({
  ...interval,
  from: formatInstant(from),
  to: formatInstant(to),
  ...(kept ? { kept: kept.map(formatInstant) } : {}),
});

test("is that of the coverage, and names the nearest instants that are kept", () => {
  fc.assert(
    fc.property(intervals, fc.nat(lastInstant), (those, at) => {
      const shown = classAt({ state: "dropped", intervals: those.map(asAnswered) }, at);
      const found = asOf({ intervals: those }, at, "before");
      const interval = intervalAt({ intervals: those }, at);
      const isThinned = interval && isWhole(interval) && !isKeptAt(interval, at);
      expect(shown.class).toBe(isThinned ? "thinned" : found.class);
      if (shown.class === "late") expect(shown.lateMs).toBe(found.lateMs);
      if (shown.class === "exact" || shown.class === "late") {
        expect(found.instant).toBe(at);
        return;
      }
      const kept = Array.from({ length: lastInstant * 2 }, (_, i) => i).filter((one) => {
        const of = intervalAt({ intervals: those }, one);
        return of !== undefined && isWhole(of) && isKeptAt(of, one);
      });
      expect(shown.earlier).toBe(kept.findLast((one) => one <= at));
      expect(shown.later).toBe(kept.find((one) => one >= at));
    }),
    { numRuns: 2000 },
  );
});

test("waits for its proof after the last interval of a table that is captured, and of no other", () => {
  const past = [asAnswered({ from: 0, to: 10, class: "exact" })];
  expect(classAt({ state: "live", intervals: past }, 11)).toEqual({ class: "open" });
  expect(classAt({ state: "dropped", intervals: past }, 11)).toEqual({
    class: "unwatched",
    earlier: 10,
  });
  expect(classAt({ state: "live", intervals: [] }, 11)).toEqual({ class: "unwatched" });
});
