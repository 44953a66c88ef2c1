/** Runs a command that works on one log for each lane of a repository. */
import { messageOf } from "../errors.js";
import { type Lane, nameInWhole } from "../repository/lanes.js";
import type { Output } from "./output.js";

/**
 * Runs `work` for each lane, one after another. With one lane its output and result are those of the command. With
 * several, each lane has a heading, and the result is `{ lanes: [{ lane, … }] }`. If it throws for a lane, the lanes
 * after it are still worked on; the first error is thrown at the end, and the others are noted.
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
    await work(lane, own).catch((error: unknown) => {
      const known = nameInWhole(error, number);
      if (errors.length > 0) output.note(`thinkback: lane ${number}: ${messageOf(known)}`);
      errors.push(known);
    });
  }
  output.result({ lanes: results });
  if (errors.length > 0) throw errors[0];
}
