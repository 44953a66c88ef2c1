import { ThinkbackError } from "../errors.js";
import type { GapSide } from "../repository/coverage/as-of.js";

/** What --gap says, as a part of a request. */
export function gapOption(given: string | undefined): { gap?: GapSide } {
  if (given === undefined) return {};
  if (given === "before" || given === "after") return { gap: given };
  throw new ThinkbackError("usage", `--gap ${given} cannot be read`, {
    hint: "give --gap before for the state at the begin of a gap, or --gap after for that at its end",
  });
}
