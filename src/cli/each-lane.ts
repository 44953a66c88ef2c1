/** Runs a command that works on one log for each lane of a repository. */
import { UnusableObject } from "../errors.js";
import { lanePrefix } from "../format/names.js";
import type { Lane } from "../repository/lanes.js";
import type { Output } from "./output.js";

/**
 * Runs `work` for each lane, one after another. With one lane its output and result are those of the command. With
 * several, each lane has a heading, and the result is `{ lanes: [{ lane, … }] }`. If it throws for a lane, the lanes
 * after it are still worked on, and the first error is thrown at the end.
 */
export async function eachLane<L extends Pick<Lane, "lane">>(
  lanes: L[],
  output: Output,
  work: (lane: L, output: Output) => Promise<void>,
): Promise<void> {
  if (lanes.length === 1) return work(lanes[0]!, output);
  const results: object[] = [];
  const errors: unknown[] = [];
  for (const lane of lanes) {
    const { number } = lane.lane;
    output.line(`${number === 0 ? "" : "\n"}lane ${number}`);
    const result = (of: object) => results.push({ lane: number, ...of });
    const own = { ...output, result };
    await work(lane, own).catch((error: unknown) => errors.push(named(error, number)));
  }
  output.result({ lanes: results });
  if (errors.length > 0) throw errors[0];
}

/** The error with the whole name of the object: an object of a lane is called as in a repository of its own. */
function named(error: unknown, lane: number): unknown {
  if (!(error instanceof UnusableObject) || lane === 0) return error;
  const object = `${lanePrefix(lane)}${error.object}`;
  const message = error.message.replace(error.object, object);
  const { code, hint = "", what } = error;
  return new UnusableObject(code as "damaged", object, what, message, { hint, cause: error });
}
