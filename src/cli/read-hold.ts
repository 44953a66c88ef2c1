import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import type { Repository } from "../format/description.js";
import { type PlacedHold, placeHold } from "../repository/registers/holds.js";
import type { RestorePlan } from "../restore/plan.js";
import type { Output } from "./output.js";

/**
 * Places a hold on what a command reads. If the repository cannot be written to, the command goes on without a hold.
 * @param command what it is called in a sentence, such as "restore"
 */
export function placeReadHold(
  { store }: Repository,
  { instant }: RestorePlan,
  command: string,
  output: Output,
): Promise<PlacedHold> {
  const unique = randomUUID().replaceAll("-", "");
  return placeHold(store, systemClock, unique, instant, ({ message }) =>
    output.note(
      `thinkback: cannot place a hold in the repository (${message}). Let nothing expire until this ${command} ends`,
    ),
  );
}
