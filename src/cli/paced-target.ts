/** How fast undo and rewind write to tables that serve others. */
import { systemClock } from "../clock.js";
import { Pace, parseMaxRate } from "../restore/pace.js";
import type { Target } from "../rethinkdb/target.js";

export interface PaceArguments {
  maxRate?: string;
  gentle?: boolean;
}

/** @throws {ThinkbackError} `usage` for what is not a rate */
export function paceOf({ maxRate, gentle }: PaceArguments, signal: AbortSignal): Pace | undefined {
  if (maxRate === undefined && !gentle) return undefined;
  const rate = maxRate === undefined ? undefined : parseMaxRate(maxRate);
  return new Pace(systemClock, rate, gentle === true, signal);
}

/** The target, to which guarded writes are sent at a pace; a gentle one takes them one after another. */
export function pacedTarget(target: Target, pace: Pace | undefined): Target {
  if (!pace) return target;
  const paced = Object.create(target) as Target;
  paced.replace = async (...given) => {
    const [, writes] = given;
    const bytes = writes.reduce((sum, { document }) => sum + (document?.length ?? 0), 0);
    let outcomes: Awaited<ReturnType<Target["replace"]>> = [];
    await pace.write(writes.length, bytes, async () => {
      outcomes = await target.replace(...given);
    });
    return outcomes;
  };
  const writesAtOnce = pace.isGentle ? 1 : target.writesAtOnce;
  Object.defineProperty(paced, "writesAtOnce", { value: writesAtOnce });
  return paced;
}
