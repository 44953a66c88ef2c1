import { ThinkbackError } from "../errors.js";
import type { GapSide } from "../repository/coverage/as-of.js";

/** The value of --gap as a part of a request. Throws, with code "usage", for any other word. */
export function gapOption(given: string | undefined): { gap?: GapSide } {
  if (given === undefined) return {};
  if (given === "before" || given === "after") return { gap: given };
  throw new ThinkbackError("usage", `--gap ${given} cannot be read`, {
    hint: "give --gap before for the last state before the gap, or --gap after for the first state after it",
  });
}
