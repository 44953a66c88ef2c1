import type { Command } from "commander";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { parseInstant } from "../instant.js";
import { asOf } from "../storage/store-at.js";

/** Lets a command read its repository as the store kept it at the instant of --store-as-of. */
export function takePast(command: Command): void {
  const { storeAsOf, repo } = command.opts<{ storeAsOf?: string; repo: string[] }>();
  if (storeAsOf === undefined) return;
  const now = systemClock.now();
  const instant = parseInstant(storeAsOf, now);
  // The store as it will be is the store as it is, and would be called the past.
  if (instant > now) {
    throw new ThinkbackError("usage", `--store-as-of ${storeAsOf} is in the future`, {
      hint: "give an instant before what went wrong, or leave it out to read the store as it is",
    });
  }
  const past = repo.map((location) => asOf(location, instant));
  command.setOptionValue("repo", past);
}
